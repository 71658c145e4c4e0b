// A file mapped into memory: opening, closing, the table of regions. What can be done with a region: region_calls.cc.
#include "mapped_region.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <utility>

Mapping& Mapping::operator=(Mapping&& other) noexcept {
  if (this == &other) return *this;
  Release();
  descriptor = std::exchange(other.descriptor, -1);
  base = std::exchange(other.base, nullptr);
  size = std::exchange(other.size, 0);
  writable = other.writable;
  return *this;
}

Outcome Mapping::Release() {
  Outcome outcome;
  if (base != nullptr && munmap(base, size) != 0) outcome = Outcome::Failed(errno, "munmap");
  if (descriptor >= 0 && close(descriptor) != 0) outcome = Outcome::Failed(errno, "close");
  base = nullptr;
  descriptor = -1;
  return outcome;
}

// glibc's posix_fallocate writes a byte into every block where the file system can't preallocate. That is slow and on a
// copy-on-write file system promises nothing, so Linux's own call is used and EOPNOTSUPP is reported.
static Outcome Preallocate(int descriptor, int64_t size) {
#ifdef __linux__
  int result;
  do {
    result = fallocate(descriptor, 0, 0, size);
  } while (result != 0 && errno == EINTR);
  return result == 0 ? Outcome{} : Outcome::Failed(errno, "fallocate");
#else
  struct stat status;
  if (fstat(descriptor, &status) != 0) return Outcome::Failed(errno, "fstat");
  fstore_t store = {F_ALLOCATEALL, F_PEOFPOSMODE, 0, size - status.st_size, 0};
  if (store.fst_length > 0 && fcntl(descriptor, F_PREALLOCATE, &store) == -1) {
    return Outcome::Failed(errno, "fcntl");
  }
  return ftruncate(descriptor, size) == 0 ? Outcome{} : Outcome::Failed(errno, "ftruncate");
#endif
}

// Gives an open file its size and maps it.
static Outcome SizeAndMap(int64_t size, int64_t flags, int64_t old_size, Mapping* mapping) {
  if (old_size < size && (flags & (kCreate | kGrow)) != 0) {
    // fallocate gives the size itself. Had the file its size first, a process killed in between would leave one that
    // looks whole and has holes.
    const bool sized_later = (flags & kPreallocate) != 0;
    if (!sized_later && ftruncate(mapping->descriptor, size) != 0) return Outcome::Failed(errno, "ftruncate");
  } else if (old_size != size) {
    return Outcome{kWrongFileSize, "open", old_size};
  }
  if ((flags & kPreallocate) != 0) {
    const Outcome outcome = Preallocate(mapping->descriptor, size);
    if (outcome.error != 0) return outcome;
  }
  const int protection = mapping->writable ? PROT_READ | PROT_WRITE : PROT_READ;
  void* base = mmap(nullptr, static_cast<size_t>(size), protection, MAP_SHARED, mapping->descriptor, 0);
  if (base == MAP_FAILED) return Outcome::Failed(errno, "mmap");
  mapping->base = static_cast<uint8_t*>(base);
  mapping->size = static_cast<size_t>(size);
  return Outcome{};
}

static int OpenDescriptor(const std::string& path, int64_t flags, bool* created) {
  const int access = ((flags & kWritable) != 0 ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NOFOLLOW;
  for (;;) {
    *created = false;
    int descriptor = -1;
    if ((flags & kExclusive) == 0) descriptor = open(path.c_str(), access);
    if (descriptor >= 0 || (flags & kCreate) == 0) return descriptor;
    if ((flags & kExclusive) == 0 && errno != ENOENT) return -1;
    *created = true;
    descriptor = open(path.c_str(), access | O_CREAT | O_EXCL, 0644);
    if (descriptor >= 0 || errno != EEXIST || (flags & kExclusive) != 0) return descriptor;
  }
}

Outcome OpenMapping(const std::string& path, int64_t size, int64_t flags, Mapping* mapping) {
  bool created = false;
  mapping->descriptor = OpenDescriptor(path, flags, &created);
  if (mapping->descriptor < 0) return Outcome::Failed(errno, "open");
  mapping->writable = (flags & kWritable) != 0;
  struct stat status;
  Outcome outcome;
  if (fstat(mapping->descriptor, &status) != 0) {
    outcome = Outcome::Failed(errno, "fstat");
  } else if (!S_ISREG(status.st_mode)) {
    return Outcome::Failed(ENODEV, "mmap");
  } else {
    const int64_t old_size = status.st_size;
    // An existing file is not extended by kCreate, only by kGrow.
    const int64_t allowed = created ? flags : flags & ~kCreate;
    outcome = SizeAndMap(size == 0 ? old_size : size, allowed, old_size, mapping);
    if (outcome.error > 0 && !created && (flags & kGrow) != 0 && old_size < size) {
      if (ftruncate(mapping->descriptor, old_size) != 0) outcome = Outcome::Failed(errno, "ftruncate");
    }
  }
  if (outcome.error != 0 && created && unlink(path.c_str()) != 0) outcome = Outcome::Failed(errno, "unlink");
  return outcome;
}

int64_t RegionTable::Add(std::unique_ptr<Region> region) {
  size_t slot = slots_.size();
  if (!free_slots_.empty()) {
    slot = free_slots_.back();
    free_slots_.pop_back();
  } else {
    if (slots_.size() == kSlotCountMax) return -1;
    slots_.emplace_back();
  }
  region->handle = slots_[slot].generation * kSlotCountMax + static_cast<int64_t>(slot);
  slots_[slot].region = std::move(region);
  return slots_[slot].region->handle;
}

Region* RegionTable::Find(int64_t handle) const {
  if (handle < kSlotCountMax) return nullptr;
  const size_t slot = static_cast<size_t>(handle % kSlotCountMax);
  if (slot >= slots_.size() || slots_[slot].generation != handle / kSlotCountMax) return nullptr;
  return slots_[slot].region.get();
}

std::unique_ptr<Region> RegionTable::Remove(Region* region) {
  const size_t slot = static_cast<size_t>(region->handle % kSlotCountMax);
  slots_[slot].generation++;
  free_slots_.push_back(slot);
  return std::move(slots_[slot].region);
}

void RegionTable::ReleaseAll() {
  for (Slot& slot : slots_) {
    if (slot.region == nullptr) continue;
    if (slot.region->pin_count > 0) slot.region->mapping.base = nullptr;
    slot.region.reset();
  }
  slots_.clear();
  free_slots_.clear();
}
