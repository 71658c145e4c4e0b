// A file mapped into memory: see mapped_region.h. What JavaScript can do with one: region_calls.cc.
#include "mapped_region.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

Outcome ReadFully(int descriptor, uint8_t* target, size_t length, int64_t position) {
  size_t done = 0;
  while (done < length) {
    const ssize_t count = pread(descriptor, target + done, length - done, position + static_cast<int64_t>(done));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return Outcome::Failed("pread");
    if (count == 0) break;
    done += static_cast<size_t>(count);
  }
  return Outcome{0, "", static_cast<int64_t>(done)};
}

Outcome SyncData(int descriptor) {
#ifdef __linux__
  return Outcome::Of(fdatasync(descriptor), "fdatasync");
#else
  return Outcome::Of(fcntl(descriptor, F_FULLFSYNC), "fcntl");
#endif
}

Outcome Region::Unmap() {
  Outcome outcome;
  if (base != nullptr && munmap(base, size) != 0) outcome = Outcome::Failed("munmap");
  if (descriptor >= 0 && close(descriptor) != 0) outcome = Outcome::Failed("close");
  base = nullptr;
  descriptor = -1;
  return outcome;
}

// glibc's posix_fallocate writes a byte into every block where the file system can't preallocate. That is slow and on a
// copy-on-write file system promises nothing, so Linux's own call is used and EOPNOTSUPP is reported.
static Outcome Preallocate(int descriptor, int64_t size, int64_t old_size) {
#ifdef __linux__
  (void)old_size;  // which is also given blocks where it has holes
  int result;
  do {
    result = fallocate(descriptor, 0, 0, size);
  } while (result != 0 && errno == EINTR);
  return Outcome::Of(result, "fallocate");
#else
  fstore_t store = {F_ALLOCATEALL, F_PEOFPOSMODE, 0, size - old_size, 0};
  if (size > old_size && fcntl(descriptor, F_PREALLOCATE, &store) == -1) return Outcome::Failed("fcntl");
  return Outcome::Of(ftruncate(descriptor, size), "ftruncate");
#endif
}

Outcome Region::SizeAndMap(int64_t wanted_size, int64_t flags, int64_t old_size) {
  const bool preallocates = (flags & kPreallocate) != 0;
  Outcome outcome;
  if (old_size < wanted_size && (flags & (kCreate | kGrow)) != 0) {
    // fallocate gives the size itself. Had the file its size first, a process killed in between would leave one that
    // looks whole and has holes.
    if (!preallocates) outcome = Outcome::Of(ftruncate(descriptor, wanted_size), "ftruncate");
  } else if (old_size != wanted_size) {
    outcome = Outcome{kWrongFileSize, "open", old_size};
  }
  if (outcome.ok() && preallocates) outcome = Preallocate(descriptor, wanted_size, old_size);
  if (!outcome.ok()) return outcome;
  const int protection = writable ? PROT_READ | PROT_WRITE : PROT_READ;
  void* address = mmap(nullptr, static_cast<size_t>(wanted_size), protection, MAP_SHARED, descriptor, 0);
  if (address == MAP_FAILED) return Outcome::Failed("mmap");
  base = static_cast<uint8_t*>(address);
  size = static_cast<size_t>(wanted_size);
  return outcome;
}

static int OpenDescriptor(const char* path, int64_t flags, bool* created) {
  const int access = ((flags & kWritable) != 0 ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NOFOLLOW;
  const bool exclusive = (flags & kExclusive) != 0;
  int descriptor = exclusive ? -1 : open(path, access);
  *created = descriptor < 0 && (flags & kCreate) != 0 && (exclusive || errno == ENOENT);
  if (*created) descriptor = open(path, access | O_CREAT | O_EXCL, 0644);
  const bool lost_race = *created && descriptor < 0 && errno == EEXIST && !exclusive;
  return lost_race ? OpenDescriptor(path, flags, created) : descriptor;
}

Outcome Region::Map(const std::string& path, int64_t wanted_size, int64_t flags) {
  bool created = false;
  descriptor = OpenDescriptor(path.c_str(), flags, &created);
  if (descriptor < 0) return Outcome::Failed("open");
  writable = (flags & kWritable) != 0;
  struct stat status;
  Outcome outcome = Outcome::Of(fstat(descriptor, &status), "fstat");
  if (outcome.ok() && !S_ISREG(status.st_mode)) return Outcome::Failed("mmap", ENODEV);
  if (outcome.ok()) {
    const int64_t old_size = status.st_size;
    // An existing file is not extended by kCreate, only by kGrow.
    const int64_t allowed = created ? flags : flags & ~kCreate;
    outcome = SizeAndMap(wanted_size == 0 ? old_size : wanted_size, allowed, old_size);
    const bool may_have_grown = !created && (flags & kGrow) != 0 && old_size < wanted_size;
    if (outcome.error > 0 && may_have_grown && ftruncate(descriptor, old_size) != 0) {
      outcome = Outcome::Failed("ftruncate");
    }
  }
  if (!outcome.ok() && created && unlink(path.c_str()) != 0) outcome = Outcome::Failed("unlink");
  return outcome;
}
