// What JavaScript can do with a mapped region. Each call checks again that the region is open and the range inside it.
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <functional>

#include "environment.h"
#include "file_tasks.h"

#ifdef __linux__
#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#define MADV_POPULATE_WRITE 23
#endif
#endif

namespace {

struct Range {
  uint8_t* start = nullptr;
  size_t position = 0;
  size_t length = 0;
};

const size_t page_size = static_cast<size_t>(sysconf(_SC_PAGESIZE));

// The smallest whole pages around a range. A mapping starts at a page, so only the start needs rounding.
Range WholePages(const Region& region, const Range& range) {
  const size_t excess = range.position % page_size;
  return Range{region.mapping.base + range.position - excess, range.position - excess, range.length + excess};
}

void FinishCloseWhenFree(Environment& environment, Region* region);

// Work on a region, which stays mapped until it has settled.
class RegionTask : public CallTask {
 public:
  RegionTask(Region* region, std::function<Outcome()> call) : CallTask(std::move(call)), region_(region) {
    region_->task_count++;
  }
  void Settled(Environment& environment) override {
    region_->task_count--;
    FinishCloseWhenFree(environment, region_);
  }

 private:
  Region* const region_;
};

class ReleaseTask : public Task {
 public:
  explicit ReleaseTask(std::unique_ptr<Region> region) : region_(std::move(region)) {}
  Outcome Work() override { return region_->mapping.Release(); }

 private:
  const std::unique_ptr<Region> region_;
};

// Detaches the ArrayBuffer, so that every Buffer made from it has length 0, then unmaps and closes on a thread: both can
// take milliseconds for a large file.
void FinishCloseWhenFree(Environment& environment, Region* region) {
  if (!region->closing || region->pin_count > 0 || region->task_count > 0) return;
  napi_env env = environment.env();
  napi_value buffer = nullptr;
  if (napi_get_reference_value(env, region->buffer, &buffer) != napi_ok || buffer == nullptr ||
      napi_detach_arraybuffer(env, buffer) != napi_ok) {
    // Unmapping now would leave JavaScript with memory that is gone, so the region stays as it is.
    napi_reject_deferred(env, region->closed, MakeSystemError(env, Outcome::Failed(EBUSY, "detach")));
    region->closing = false;
    return;
  }
  napi_delete_reference(env, region->buffer);
  std::unique_ptr<Task> task(new ReleaseTask(environment.regions.Remove(region)));
  task->deferred = region->closed;
  environment.SubmitWithDeferred(environment.file_pool, std::move(task));
}

// The arguments of a call on a region: the handle, and for most a range inside the region.
struct RegionCall {
  RegionCall(napi_env env, napi_callback_info info, bool with_range = true) : args(env, info) {
    int64_t handle = 0;
    if (!args.Integer(0, &handle)) return;
    region = args.environment().regions.Find(handle);
    if (region == nullptr || region->closing) {
      ThrowCoded(env, "ERR_NATIVE_CLOSED", "the region is closed");
    } else {
      ok = !with_range || GetRange(env);
    }
  }

  const Arguments args;
  Region* region = nullptr;
  Range range;
  bool ok = false;  // when false an exception is pending

 private:
  bool GetRange(napi_env env) {
    int64_t position = 0;
    int64_t length = 0;
    if (!args.Integer(1, &position) || !args.Integer(2, &length)) return false;
    const int64_t size = static_cast<int64_t>(region->mapping.size);
    if (position < 0 || length < 0 || position > size || length > size - position) {
      ThrowCoded(env, "ERR_NATIVE_RANGE", "the range is not inside the region");
      return false;
    }
    range = Range{region->mapping.base + position, static_cast<size_t>(position), static_cast<size_t>(length)};
    return true;
  }
};

napi_value ThrowReadOnly(napi_env env) {
  return ThrowCoded(env, "ERR_NATIVE_READ_ONLY", "the region is mapped for reading only");
}

// Makes a region of a mapping: the handle, with the ArrayBuffer to be had from regionBuffer().
napi_value Adopt(Environment& environment, Mapping mapping) {
  napi_env env = environment.env();
  std::unique_ptr<Region> region(new Region());
  napi_value buffer = nullptr;
  NAPI_CHECK(env, napi_create_external_arraybuffer(env, mapping.base, mapping.size, nullptr, nullptr, &buffer));
  // From here on JavaScript knows the memory: unmapping needs a detach first.
  const napi_status status = napi_create_reference(env, buffer, 1, &region->buffer);
  if (status != napi_ok) {
    if (napi_detach_arraybuffer(env, buffer) != napi_ok) mapping.base = nullptr;
    return ThrowUnexpected(env, "napi_create_reference");
  }
  region->mapping = std::move(mapping);
  return Number(env, environment.regions.Add(std::move(region)));
}

class OpenTask : public Task {
 public:
  OpenTask(std::string path, int64_t size, int64_t flags) : path_(std::move(path)), size_(size), flags_(flags) {}
  Outcome Work() override { return OpenMapping(path_, size_, flags_, &mapping_); }
  napi_value Result(Environment& environment) override { return Adopt(environment, std::move(mapping_)); }

 private:
  const std::string path_;
  const int64_t size_;
  const int64_t flags_;
  Mapping mapping_;
};

bool GetOpenArguments(napi_env env, const Arguments& args, std::string* path, int64_t* size, int64_t* flags) {
  if (!args.Path(0, path) || !args.Integer(1, size) || !args.Integer(2, flags)) return false;
  const bool writes = (*flags & (kCreate | kPreallocate | kGrow)) != 0;
  if (*size >= 0 && !(writes && ((*flags & kWritable) == 0 || *size == 0))) return true;
  ThrowCoded(env, "ERR_NATIVE_ARGUMENT", "size and flags contradict each other");
  return false;
}

// openRegion(path, sizeBytes, flags): Promise<handle>
napi_value OpenRegion(napi_env env, napi_callback_info info) {
  Arguments args(env, info);
  std::string path;
  int64_t size = 0;
  int64_t flags = 0;
  if (!GetOpenArguments(env, args, &path, &size, &flags)) return nullptr;
  Environment& environment = args.environment();
  return environment.Submit(environment.file_pool, std::unique_ptr<Task>(new OpenTask(path, size, flags)));
}

// openRegionSync(path, sizeBytes, flags): handle
napi_value OpenRegionSync(napi_env env, napi_callback_info info) {
  Arguments args(env, info);
  std::string path;
  int64_t size = 0;
  int64_t flags = 0;
  if (!GetOpenArguments(env, args, &path, &size, &flags)) return nullptr;
  Mapping mapping;
  const Outcome outcome = OpenMapping(path, size, flags, &mapping);
  if (outcome.error != 0) return ThrowSystemError(env, outcome);
  return Adopt(args.environment(), std::move(mapping));
}

// regionBuffer(handle): ArrayBuffer, the same one at every call
napi_value RegionBuffer(napi_env env, napi_callback_info info) {
  RegionCall call(env, info, false);
  if (!call.ok) return nullptr;
  napi_value buffer = nullptr;
  NAPI_CHECK(env, napi_get_reference_value(env, call.region->buffer, &buffer));
  return buffer;
}

// closeRegion(handle): Promise<void>. From now on the handle takes unpinRegion() only.
napi_value CloseRegion(napi_env env, napi_callback_info info) {
  RegionCall call(env, info, false);
  if (!call.ok) return nullptr;
  napi_value promise = nullptr;
  NAPI_CHECK(env, napi_create_promise(env, &call.region->closed, &promise));
  call.region->closing = true;
  FinishCloseWhenFree(call.args.environment(), call.region);
  return promise;
}

// pinRegion(handle)
napi_value PinRegion(napi_env env, napi_callback_info info) {
  RegionCall call(env, info, false);
  if (call.ok) call.region->pin_count++;
  return nullptr;
}

// unpinRegion(handle)
napi_value UnpinRegion(napi_env env, napi_callback_info info) {
  Arguments args(env, info);
  int64_t handle = 0;
  if (!args.Integer(0, &handle)) return nullptr;
  Region* region = args.environment().regions.Find(handle);
  if (region == nullptr || region->pin_count == 0) {
    return ThrowCoded(env, "ERR_NATIVE_NOT_PINNED", "the region is not pinned");
  }
  region->pin_count--;
  FinishCloseWhenFree(args.environment(), region);
  return nullptr;
}

// The jobs of `runOnRegion`; the same numbers stand in src/native/mapped-file-region.ts.
enum Job : int64_t { kSync = 0, kPopulate = 1, kLock = 2, kUnlock = 3, kZero = 4, kJobCount };

// The whole file is synced, whatever the range: that also covers a size that changed, and a descriptor that is open from
// the start sees every write error.
Outcome Sync(const Region& region) { return SyncData(region.mapping.descriptor); }

// Brings the pages in and makes them writable. Kernels that can't do both at once (Linux before 5.14, macOS) at least get
// them into the page cache: through the descriptor, because a read error there is an errno and not a SIGBUS.
Outcome Populate(const Region& region, const Range& range) {
#ifdef __linux__
  const Range pages = WholePages(region, range);
  const int advice = region.mapping.writable ? MADV_POPULATE_WRITE : MADV_POPULATE_READ;
  if (madvise(pages.start, pages.length, advice) == 0) return Outcome{};
  if (errno != EINVAL) return Outcome::Failed(errno, "madvise");
#endif
  std::vector<uint8_t> scratch(std::min(range.length, size_t{1} << 16));
  for (size_t done = 0; done < range.length; done += scratch.size()) {
    const off_t position = static_cast<off_t>(range.position + done);
    const size_t length = std::min(scratch.size(), range.length - done);
    const Outcome outcome = ReadFully(region.mapping.descriptor, scratch.data(), length, position);
    if (outcome.error != 0) return outcome;
  }
  return Outcome{};
}

// Zeros, durable when it returns. Where the file system can zero a range by itself no page is touched.
Outcome Zero(const Region& region, const Range& range) {
#ifdef __linux__
  const off_t position = static_cast<off_t>(range.position);
  const off_t length = static_cast<off_t>(range.length);
  const int mode = FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE;
  if (length == 0 || fallocate(region.mapping.descriptor, mode, position, length) == 0) return Sync(region);
  if (errno != EOPNOTSUPP && errno != EINTR) return Outcome::Failed(errno, "fallocate");
#endif
  memset(range.start, 0, range.length);
  return Sync(region);
}

// runOnRegion(handle, position, length, job): Promise<void>
napi_value RunOnRegion(napi_env env, napi_callback_info info) {
  RegionCall call(env, info);
  int64_t job = 0;
  if (!call.ok || !call.args.Integer(3, &job)) return nullptr;
  if (job < 0 || job >= kJobCount) return ThrowCoded(env, "ERR_NATIVE_ARGUMENT", "unknown job");
  if (job == kZero && !call.region->mapping.writable) return ThrowReadOnly(env);
  Environment& environment = call.args.environment();
  const Range range = call.range;
  auto work = [job, range, &region = *call.region] {
    const Range pages = WholePages(region, range);
    switch (job) {
      case kSync:
        return Sync(region);
      case kPopulate:
        return Populate(region, range);
      case kLock:
        return mlock(pages.start, pages.length) == 0 ? Outcome{} : Outcome::Failed(errno, "mlock");
      case kUnlock:
        return munlock(pages.start, pages.length) == 0 ? Outcome{} : Outcome::Failed(errno, "munlock");
      default:
        return Zero(region, range);
    }
  };
  return environment.Submit(job == kSync || job == kZero ? environment.sync_pool : environment.file_pool,
                            std::unique_ptr<Task>(new RegionTask(call.region, work)));
}

// readRegion(handle, position, length, target): Promise<bytesRead>. Reads through the descriptor, not the mapping: a
// page that is not in memory makes the thread wait and not whoever touches the mapping.
napi_value ReadRegion(napi_env env, napi_callback_info info) {
  RegionCall call(env, info);
  uint8_t* target = nullptr;
  size_t target_length = 0;
  if (!call.ok || !call.args.Bytes(3, &target, &target_length)) return nullptr;
  const Range range = call.range;
  if (target_length < range.length) return ThrowCoded(env, "ERR_NATIVE_RANGE", "the target is too small");
  napi_ref kept = nullptr;
  NAPI_CHECK(env, napi_create_reference(env, call.args.value(3), 1, &kept));
  std::unique_ptr<Task> task(new RegionTask(call.region, [range, target, descriptor = call.region->mapping.descriptor] {
    return ReadFully(descriptor, target, range.length, static_cast<off_t>(range.position));
  }));
  task->kept = kept;
  return call.args.environment().Submit(call.args.environment().file_pool, std::move(task));
}

// adviseRegion(handle, position, length, advice), advice: 0 normal, 1 random, 2 sequential, 3 willneed, 4 dontneed
napi_value AdviseRegion(napi_env env, napi_callback_info info) {
  static const int advices[] = {MADV_NORMAL, MADV_RANDOM, MADV_SEQUENTIAL, MADV_WILLNEED, MADV_DONTNEED};
  RegionCall call(env, info);
  int64_t advice = 0;
  if (!call.ok || !call.args.Integer(3, &advice)) return nullptr;
  if (advice < 0 || advice > 4) return ThrowCoded(env, "ERR_NATIVE_ARGUMENT", "unknown advice");
  const Range pages = WholePages(*call.region, call.range);
  if (madvise(pages.start, pages.length, advices[advice]) != 0) {
    return ThrowSystemError(env, Outcome::Failed(errno, "madvise"));
  }
#ifdef __linux__
  // madvise only empties this process's page tables; the page cache is told separately and keeps what is dirty.
  if (advices[advice] == MADV_DONTNEED) {
    const int error = posix_fadvise(call.region->mapping.descriptor, static_cast<off_t>(pages.position),
                                    static_cast<off_t>(pages.length), POSIX_FADV_DONTNEED);
    if (error != 0) return ThrowSystemError(env, Outcome::Failed(error, "posix_fadvise"));
  }
#endif
  return nullptr;
}

// isRegionResident(handle, position, length): boolean. About a microsecond for a few pages.
napi_value IsRegionResident(napi_env env, napi_callback_info info) {
#ifdef __linux__
  unsigned char states[1024];
#else
  char states[1024];
#endif
  RegionCall call(env, info);
  if (!call.ok) return nullptr;
  Range pages = WholePages(*call.region, call.range);
  bool resident = true;
  while (resident && pages.length > 0) {
    const size_t length = std::min(pages.length, sizeof(states) * page_size);
    if (mincore(pages.start, length, states) != 0) return ThrowSystemError(env, Outcome::Failed(errno, "mincore"));
    const size_t page_count = (length + page_size - 1) / page_size;
    for (size_t page = 0; page < page_count; page++) resident = resident && (states[page] & 1) != 0;
    pages.start += length;
    pages.length -= length;
  }
  napi_value result = nullptr;
  NAPI_CHECK(env, napi_get_boolean(env, resident, &result));
  return result;
}

}  // namespace

const std::vector<Function>& RegionFunctions() {
  static const std::vector<Function> functions = {
      {"openRegion", OpenRegion},     {"openRegionSync", OpenRegionSync},     {"regionBuffer", RegionBuffer},
      {"closeRegion", CloseRegion},   {"pinRegion", PinRegion},               {"unpinRegion", UnpinRegion},
      {"runOnRegion", RunOnRegion},   {"readRegion", ReadRegion},
      {"adviseRegion", AdviseRegion}, {"isRegionResident", IsRegionResident},
  };
  return functions;
}
