// Files that are not mapped: see file_tasks.h.
#include "file_tasks.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "environment.h"

Outcome ReadFully(int descriptor, uint8_t* target, size_t length, off_t position) {
  size_t done = 0;
  while (done < length) {
    const ssize_t count = pread(descriptor, target + done, length - done, position + static_cast<off_t>(done));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return Outcome::Failed(errno, "pread");
    if (count == 0) break;
    done += static_cast<size_t>(count);
  }
  return Outcome::Value(static_cast<int64_t>(done));
}

Outcome SyncData(int descriptor) {
#ifdef __linux__
  return fdatasync(descriptor) == 0 ? Outcome{} : Outcome::Failed(errno, "fdatasync");
#else
  return fcntl(descriptor, F_FULLFSYNC) == 0 ? Outcome{} : Outcome::Failed(errno, "fcntl");
#endif
}

namespace {

Outcome WriteFully(int descriptor, const uint8_t* source, size_t length, off_t position) {
  size_t done = 0;
  while (done < length) {
    const ssize_t count = pwrite(descriptor, source + done, length - done, position + static_cast<off_t>(done));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return Outcome::Failed(errno, "pwrite");
    done += static_cast<size_t>(count);
  }
  return Outcome{};
}

// Closes when it goes out of scope.
struct Descriptor {
  explicit Descriptor(int number) : number(number) {}
  ~Descriptor() {
    if (number >= 0) close(number);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int Release() { return std::exchange(number, -1); }

  int number;
};

// readFileAt(path, position, length, target): Promise<bytesRead>
napi_value ReadFileAt(napi_env env, napi_callback_info info) {
  Arguments args(env, info);
  std::string path;
  int64_t position = 0;
  int64_t length = 0;
  uint8_t* target = nullptr;
  size_t target_length = 0;
  if (!args.Path(0, &path) || !args.Integer(1, &position) || !args.Integer(2, &length) ||
      !args.Bytes(3, &target, &target_length)) {
    return nullptr;
  }
  if (position < 0 || length < 0 || static_cast<uint64_t>(length) > target_length) {
    return ThrowCoded(env, "ERR_NATIVE_RANGE", "the target is too small");
  }
  napi_ref kept = nullptr;
  NAPI_CHECK(env, napi_create_reference(env, args.value(3), 1, &kept));
  std::unique_ptr<Task> task(new CallTask([path, position, length, target] {
    Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (file.number < 0) return Outcome::Failed(errno, "open");
    return ReadFully(file.number, target, static_cast<size_t>(length), position);
  }));
  task->kept = kept;
  return args.environment().Submit(args.environment().file_pool, std::move(task));
}

// nextData(path, position): where the next byte outside of holes is, or -1. At once: the answer is metadata.
napi_value NextData(napi_env env, napi_callback_info info) {
  Arguments args(env, info);
  std::string path;
  int64_t position = 0;
  if (!args.Path(0, &path) || !args.Integer(1, &position)) return nullptr;
  Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.number < 0) return ThrowSystemError(env, Outcome::Failed(errno, "open"));
  const off_t found = lseek(file.number, position, SEEK_DATA);
  if (found < 0 && errno != ENXIO) return ThrowSystemError(env, Outcome::Failed(errno, "lseek"));
  return Number(env, found);
}

// Many small writes in one visit to a thread. All bytes are copied at submission, so the caller's memory is free.
class WriteFilesTask : public Task {
 public:
  struct Entry {
    const char* path;
    int64_t ensured_size;
    int64_t position;
    size_t length;
  };

  Outcome Work() override {
    const uint8_t* source = bytes.data();
    for (size_t index = 0; index < entries.size(); index++) {
      const Outcome outcome = Write(entries[index], source);
      source += entries[index].length;
      if (outcome.error != 0) failures_.push_back({index, outcome});
    }
    return Outcome{};
  }

  // null, or an array of [index, error, index, error, ...]
  napi_value Result(Environment& environment) override {
    napi_env env = environment.env();
    napi_value result = nullptr;
    if (failures_.empty()) {
      napi_get_null(env, &result);
      return result;
    }
    if (napi_create_array(env, &result) != napi_ok) return nullptr;
    uint32_t place = 0;
    for (const Failure& failure : failures_) {
      napi_set_element(env, result, place++, Number(env, static_cast<int64_t>(failure.index)));
      napi_set_element(env, result, place++, MakeSystemError(env, failure.outcome));
    }
    return result;
  }

  std::string paths;  // what `Entry::path` points into
  std::vector<uint8_t> bytes;
  std::vector<Entry> entries;
  bool with_sync = false;

 private:
  struct Failure {
    size_t index;
    Outcome outcome;
  };

  Outcome Write(const Entry& entry, const uint8_t* source) const {
    Descriptor file(open(entry.path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644));
    if (file.number < 0) return Outcome::Failed(errno, "open");
    struct stat status;
    if (fstat(file.number, &status) != 0) return Outcome::Failed(errno, "fstat");
    if (status.st_size < entry.ensured_size && ftruncate(file.number, entry.ensured_size) != 0) {
      return Outcome::Failed(errno, "ftruncate");
    }
    Outcome outcome = WriteFully(file.number, source, entry.length, entry.position);
    if (outcome.error == 0 && with_sync) outcome = SyncData(file.number);
    if (outcome.error != 0) return outcome;
    return close(file.Release()) == 0 ? Outcome{} : Outcome::Failed(errno, "close");
  }

  std::vector<Failure> failures_;
};

bool ToOffset(double number, int64_t* offset) {
  return ToInteger(number, offset) && *offset >= 0;
}

// writeFiles(paths, numbers, bytes, withSync): Promise<null | failures>. `paths` are ended by NUL each, `numbers` holds
// ensured size, position and length of each entry, `bytes` what to write, one after the other.
napi_value WriteFiles(napi_env env, napi_callback_info info) {
  Arguments args(env, info);
  std::unique_ptr<WriteFilesTask> task(new WriteFilesTask());
  const double* numbers = nullptr;
  size_t number_count = 0;
  uint8_t* bytes = nullptr;
  size_t byte_count = 0;
  int64_t with_sync = 0;
  if (!args.String(0, &task->paths) || !args.Doubles(1, &numbers, &number_count) ||
      !args.Bytes(2, &bytes, &byte_count) || !args.Integer(3, &with_sync)) {
    return nullptr;
  }
  const char* path = task->paths.c_str();
  const char* end = path + task->paths.size();
  size_t left = byte_count;
  bool sane = number_count % 3 == 0;
  for (size_t index = 0; sane && index < number_count; index += 3) {
    WriteFilesTask::Entry entry = {path, 0, 0, 0};
    int64_t length = 0;
    sane = path < end && ToOffset(numbers[index], &entry.ensured_size) &&
           ToOffset(numbers[index + 1], &entry.position) && ToOffset(numbers[index + 2], &length) &&
           static_cast<uint64_t>(length) <= left;
    if (!sane) break;
    entry.length = static_cast<size_t>(length);
    left -= entry.length;
    task->entries.push_back(entry);
    path = std::find(path, end, '\0') + 1;
  }
  if (!sane || left != 0 || path < end) {
    return ThrowCoded(env, "ERR_NATIVE_ARGUMENT", "the batch contradicts itself");
  }
  task->bytes.assign(bytes, bytes + byte_count);
  task->with_sync = with_sync != 0;
  Environment& environment = args.environment();
  return environment.Submit(with_sync != 0 ? environment.sync_pool : environment.file_pool, std::move(task));
}

// syncPath(path, wholeFileSystem): Promise<void>, of a directory or a file
napi_value SyncPath(napi_env env, napi_callback_info info) {
  Arguments args(env, info);
  std::string path;
  int64_t whole = 0;
  if (!args.Path(0, &path) || !args.Integer(1, &whole)) return nullptr;
  return args.environment().Submit(args.environment().sync_pool, std::unique_ptr<Task>(new CallTask([path, whole] {
    Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (file.number < 0) return Outcome::Failed(errno, "open");
    if (whole == 0) return fsync(file.number) == 0 ? Outcome{} : Outcome::Failed(errno, "fsync");
#ifdef __linux__
    return syncfs(file.number) == 0 ? Outcome{} : Outcome::Failed(errno, "syncfs");
#else
    return Outcome::Failed(ENOTSUP, "syncfs");
#endif
  })));
}

// flock says no to every other owner that uses flock. Programs that use record locks on the first byte (Java's
// FileChannel.tryLock does) are kept out by a record lock that belongs to the open file, not to the process.
bool TryLock(int descriptor) {
  if (flock(descriptor, LOCK_EX | LOCK_NB) != 0) return false;
#ifdef F_OFD_SETLK
  struct flock record = {};
  record.l_type = F_WRLCK;
  record.l_whence = SEEK_SET;
  record.l_len = 1;
  if (fcntl(descriptor, F_OFD_SETLK, &record) != 0) {
    if (errno == EACCES || errno == EAGAIN) errno = EWOULDBLOCK;
    return false;
  }
#endif
  return true;
}

// lockFile(path, contents): a lock number, or as a string what the present owner wrote into the file
napi_value LockFile(napi_env env, napi_callback_info info) {
  Arguments args(env, info);
  std::string path;
  std::string contents;
  if (!args.Path(0, &path) || !args.String(1, &contents)) return nullptr;
  Descriptor file(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644));
  if (file.number < 0) return ThrowSystemError(env, Outcome::Failed(errno, "open"));
  if (!TryLock(file.number)) {
    if (errno != EWOULDBLOCK) return ThrowSystemError(env, Outcome::Failed(errno, "flock"));
    uint8_t found[1024];
    const Outcome outcome = ReadFully(file.number, found, sizeof(found), 0);
    if (outcome.error != 0) return ThrowSystemError(env, outcome);
    napi_value text = nullptr;
    NAPI_CHECK(env, napi_create_string_utf8(env, reinterpret_cast<char*>(found), static_cast<size_t>(outcome.value),
                                            &text));
    return text;
  }
  if (ftruncate(file.number, 0) != 0) return ThrowSystemError(env, Outcome::Failed(errno, "ftruncate"));
  const uint8_t* bytes = reinterpret_cast<const uint8_t*>(contents.data());
  const Outcome outcome = WriteFully(file.number, bytes, contents.size(), 0);
  if (outcome.error != 0) return ThrowSystemError(env, outcome);
  const int number = file.Release();
  args.environment().lock_descriptors.push_back(number);
  return Number(env, number);
}

// unlockFile(lock)
napi_value UnlockFile(napi_env env, napi_callback_info info) {
  Arguments args(env, info);
  int64_t number = 0;
  if (!args.Integer(0, &number)) return nullptr;
  std::vector<int>& locks = args.environment().lock_descriptors;
  const auto found = std::find(locks.begin(), locks.end(), number);
  if (found == locks.end()) return ThrowCoded(env, "ERR_NATIVE_CLOSED", "the lock is not held");
  locks.erase(found);
  if (close(static_cast<int>(number)) != 0) return ThrowSystemError(env, Outcome::Failed(errno, "close"));
  return nullptr;
}

}  // namespace

const std::vector<Function>& FileFunctions() {
  static const std::vector<Function> functions = {
      {"readFileAt", ReadFileAt}, {"nextData", NextData}, {"writeFiles", WriteFiles},
      {"syncPath", SyncPath},     {"lockFile", LockFile}, {"unlockFile", UnlockFile},
  };
  return functions;
}
