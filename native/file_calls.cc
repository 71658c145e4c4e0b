// Files that are not mapped: reads and batched small writes by path, directory and file-system sync, and the lock that
// says who owns a directory.
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "call.h"

namespace {

// Closes when it goes out of scope.
struct Descriptor {
  Descriptor(const char* path, int flags) : number(open(path, flags | O_CLOEXEC, 0644)) {}
  ~Descriptor() {
    if (number >= 0) close(number);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int Release() { return std::exchange(number, -1); }

  int number;
};

Outcome WriteFully(int descriptor, const void* source, size_t length, int64_t position) {
  const uint8_t* bytes = static_cast<const uint8_t*>(source);
  size_t done = 0;
  while (done < length) {
    const ssize_t count = pwrite(descriptor, bytes + done, length - done, position + static_cast<int64_t>(done));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return Outcome::Failed("pwrite");
    done += static_cast<size_t>(count);
  }
  return Outcome{};
}

// readFileAt(path, position, length, target): Promise<bytesRead>
napi_value ReadFileAt(Call& call, Path path, int64_t position, int64_t length, Bytes target) {
  if (position < 0 || length < 0 || static_cast<uint64_t>(length) > target.size) {
    return ThrowCoded(call.env, "ERR_NATIVE_RANGE", "the target is too small");
  }
  auto read = [path, position, length, data = target.data] {
    Descriptor file(path.text.c_str(), O_RDONLY);
    if (file.number < 0) return Outcome::Failed("open");
    return ReadFully(file.number, data, static_cast<size_t>(length), position);
  };
  return call.environment->Submit(call.environment->file_pool, {read}, target.value);
}

// nextData(path, position): where the next byte outside of holes is, or -1. At once: the answer is metadata.
napi_value NextData(Call& call, Path path, int64_t position) {
  Descriptor file(path.text.c_str(), O_RDONLY);
  if (file.number < 0) return Finish(call.env, Outcome::Failed("open"));
  const off_t found = lseek(file.number, position, SEEK_DATA);
  if (found < 0 && errno != ENXIO) return Finish(call.env, Outcome::Failed("lseek"));
  return Number(call.env, found);
}

bool ToPosition(double number, int64_t* position) { return ToInteger(number, position) && *position >= 0; }

// Many small writes in one visit to a thread. All bytes are copied at submission, so the caller's memory is free.
struct WriteBatch {
  struct Entry {
    const char* path;  // in `paths`
    int64_t ensured_size;
    int64_t position;
    size_t length;
  };

  std::string paths;
  std::vector<Entry> entries;
  std::vector<uint8_t> bytes;
  bool with_sync = false;
  std::vector<std::pair<size_t, Outcome>> failures;  // by index

  // False when paths, numbers and bytes contradict each other.
  bool Describe(const Doubles& numbers) {
    const char* path = paths.c_str();
    const char* const end = path + paths.size();
    size_t left = bytes.size();
    if (numbers.size % 3 != 0) return false;
    for (const double* next = numbers.data; next < numbers.data + numbers.size; next += 3) {
      Entry entry = {path, 0, 0, 0};
      int64_t length = 0;
      if (path >= end || !ToPosition(next[0], &entry.ensured_size) || !ToPosition(next[1], &entry.position) ||
          !ToPosition(next[2], &length) || static_cast<size_t>(length) > left) {
        return false;
      }
      entry.length = static_cast<size_t>(length);
      left -= entry.length;
      entries.push_back(entry);
      path = std::find(path, end, '\0') + 1;
    }
    return left == 0 && path >= end;
  }

  Outcome Write(const Entry& entry, const uint8_t* source) const {
    Descriptor file(entry.path, O_WRONLY | O_CREAT | O_NOFOLLOW);
    if (file.number < 0) return Outcome::Failed("open");
    struct stat status;
    if (fstat(file.number, &status) != 0) return Outcome::Failed("fstat");
    if (status.st_size < entry.ensured_size && ftruncate(file.number, entry.ensured_size) != 0) {
      return Outcome::Failed("ftruncate");
    }
    Outcome outcome = WriteFully(file.number, source, entry.length, entry.position);
    if (outcome.ok() && with_sync) outcome = SyncData(file.number);
    return outcome.ok() ? Outcome::Of(close(file.Release()), "close") : outcome;
  }

  Outcome WriteAll() {
    const uint8_t* source = bytes.data();
    for (size_t index = 0; index < entries.size(); index++) {
      const Outcome outcome = Write(entries[index], source);
      source += entries[index].length;
      if (!outcome.ok()) failures.push_back({index, outcome});
    }
    return Outcome{};
  }

  // null, or an array of [index, error, index, error, ...]
  napi_value Failures(napi_env env) const {
    napi_value result = nullptr;
    NAPI_CHECK(env, failures.empty() ? napi_get_null(env, &result) : napi_create_array(env, &result));
    uint32_t place = 0;
    for (const auto& [index, outcome] : failures) {
      NAPI_CHECK(env, napi_set_element(env, result, place++, Number(env, static_cast<int64_t>(index))));
      NAPI_CHECK(env, napi_set_element(env, result, place++, MakeSystemError(env, outcome)));
    }
    return result;
  }
};

// writeFiles(paths, numbers, bytes, withSync): Promise<null | failures>. `paths` are ended by NUL each, `numbers` holds
// ensured size, position and length of each entry, `bytes` what to write, one after the other.
napi_value WriteFiles(Call& call, std::string paths, Doubles numbers, Bytes bytes, int64_t with_sync) {
  auto batch = std::make_shared<WriteBatch>();
  batch->paths = std::move(paths);
  batch->bytes.assign(bytes.data, bytes.data + bytes.size);
  batch->with_sync = with_sync != 0;
  if (!batch->Describe(numbers)) {
    return ThrowCoded(call.env, "ERR_NATIVE_ARGUMENT", "the batch contradicts itself");
  }
  TaskPool& pool = batch->with_sync ? call.environment->sync_pool : call.environment->file_pool;
  return call.environment->Submit(pool, {[batch] { return batch->WriteAll(); },
                                         [batch, env = call.env](Environment&) { return batch->Failures(env); }});
}

// syncPath(path, wholeFileSystem): Promise<void>, of a directory or a file
napi_value SyncPath(Call& call, Path path, int64_t whole) {
  auto sync = [path, whole] {
    Descriptor file(path.text.c_str(), O_RDONLY);
    if (file.number < 0) return Outcome::Failed("open");
    if (whole == 0) return Outcome::Of(fsync(file.number), "fsync");
#ifdef __linux__
    return Outcome::Of(syncfs(file.number), "syncfs");
#else
    return Outcome::Failed("syncfs", ENOTSUP);
#endif
  };
  return call.environment->Submit(call.environment->sync_pool, {sync});
}

// flock says no to every other owner that uses flock. Programs that use record locks on the first byte (Java's
// FileChannel.tryLock does) are kept out by a record lock that belongs to the open file, not to the process.
Outcome TryLock(int descriptor) {
  if (flock(descriptor, LOCK_EX | LOCK_NB) != 0) return Outcome::Failed("flock");
#ifdef F_OFD_SETLK
  struct flock record = {};
  record.l_type = F_WRLCK;
  record.l_whence = SEEK_SET;
  record.l_len = 1;
  if (fcntl(descriptor, F_OFD_SETLK, &record) != 0) {
    return Outcome::Failed("fcntl", errno == EACCES ? EWOULDBLOCK : errno);
  }
#endif
  return Outcome{};
}

// lockFile(path, contents): a lock number, or as a string what the present owner wrote into the file
napi_value LockFile(Call& call, Path path, std::string contents) {
  Descriptor file(path.text.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW);
  if (file.number < 0) return Finish(call.env, Outcome::Failed("open"));
  Outcome outcome = TryLock(file.number);
  if (outcome.error == EWOULDBLOCK) {
    uint8_t owner[1024];
    outcome = ReadFully(file.number, owner, sizeof(owner), 0);
    if (!outcome.ok()) return Finish(call.env, outcome);
    const size_t length = static_cast<size_t>(outcome.value);
    napi_value text = nullptr;
    NAPI_CHECK(call.env, napi_create_string_utf8(call.env, reinterpret_cast<char*>(owner), length, &text));
    return text;
  }
  if (outcome.ok()) outcome = Outcome::Of(ftruncate(file.number, 0), "ftruncate");
  if (outcome.ok()) outcome = WriteFully(file.number, contents.data(), contents.size(), 0);
  if (!outcome.ok()) return Finish(call.env, outcome);
  const int number = file.Release();
  call.environment->lock_descriptors.insert(number);
  return Number(call.env, number);
}

// unlockFile(lock)
napi_value UnlockFile(Call& call, int64_t number) {
  if (call.environment->lock_descriptors.erase(number) == 0) {
    return ThrowCoded(call.env, "ERR_NATIVE_CLOSED", "the lock is not held");
  }
  return Finish(call.env, Outcome::Of(close(static_cast<int>(number)), "close"));
}

}  // namespace

std::vector<Function> FileFunctions() {
  return {
      {"readFileAt", Entry<ReadFileAt>}, {"nextData", Entry<NextData>}, {"writeFiles", Entry<WriteFiles>},
      {"syncPath", Entry<SyncPath>},     {"lockFile", Entry<LockFile>}, {"unlockFile", Entry<UnlockFile>},
  };
}
