// What JavaScript can do with a mapped region. Every call checks again that the region is open and the range inside it.
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>

#include "call.h"

#if defined(__linux__) && !defined(MADV_POPULATE_READ)
#define MADV_POPULATE_READ 22
#define MADV_POPULATE_WRITE 23
#endif

namespace {

const size_t page_size = static_cast<size_t>(sysconf(_SC_PAGESIZE));

// The smallest whole pages around a range. A mapping starts at a page, so only the start needs rounding.
Range WholePages(const Range& range) {
  const size_t excess = range.position % page_size;
  return Range{range.region, range.position - excess, range.length + excess};
}

bool CheckOpening(Call& call, int64_t size, int64_t flags) {
  const bool writes = (flags & (kCreate | kPreallocate | kGrow)) != 0;
  if (size >= 0 && !(writes && ((flags & kWritable) == 0 || size == 0))) return true;
  return call.Refuse("size and flags contradict each other");
}

// openRegion(path, sizeBytes, flags): Promise<handle>
napi_value OpenRegion(Call& call, Path path, int64_t size, int64_t flags) {
  if (!CheckOpening(call, size, flags)) return nullptr;
  auto region = std::make_shared<Region>();
  return call.environment->Submit(call.environment->file_pool,
                                  {[=] { return region->Map(path.text, size, flags); },
                                   [region](Environment& environment) { return environment.Adopt(region); }});
}

// openRegionSync(path, sizeBytes, flags): handle
napi_value OpenRegionSync(Call& call, Path path, int64_t size, int64_t flags) {
  if (!CheckOpening(call, size, flags)) return nullptr;
  auto region = std::make_shared<Region>();
  const Outcome outcome = region->Map(path.text, size, flags);
  return outcome.ok() ? call.environment->Adopt(region) : Finish(call.env, outcome);
}

// regionBuffer(handle): ArrayBuffer, the same one at every call
napi_value RegionBuffer(Call& call, Region* region) {
  napi_value buffer = nullptr;
  NAPI_CHECK(call.env, napi_get_reference_value(call.env, region->buffer, &buffer));
  return buffer;
}

// closeRegion(handle): Promise<void>. From now on the handle takes unpinRegion() only.
napi_value CloseRegion(Call& call, Region* region) {
  napi_value promise = nullptr;
  NAPI_CHECK(call.env, napi_create_promise(call.env, &region->closed, &promise));
  call.environment->CloseWhenFree(region);
  return promise;
}

// pinRegion(handle)
napi_value PinRegion(Call&, Region* region) {
  region->pin_count++;
  return nullptr;
}

// unpinRegion(handle), also of a region that is closing
napi_value UnpinRegion(Call& call, int64_t handle) {
  Region* region = call.environment->FindRegion(handle);
  if (region == nullptr || region->pin_count == 0) {
    return ThrowCoded(call.env, "ERR_NATIVE_NOT_PINNED", "the region is not pinned");
  }
  region->pin_count--;
  call.environment->CloseWhenFree(region);
  return nullptr;
}

// Brings the pages in and makes them writable. Kernels that can't do both at once (Linux before 5.14, macOS) are at
// least told to read them into the page cache.
Outcome Populate(const Range& pages) {
#ifdef __linux__
  const int advice = pages.region->writable ? MADV_POPULATE_WRITE : MADV_POPULATE_READ;
  if (madvise(pages.start(), pages.length, advice) == 0) return Outcome{};
  if (errno != EINVAL) return Outcome::Failed("madvise");
#endif
  return Outcome::Of(madvise(pages.start(), pages.length, MADV_WILLNEED), "madvise");
}

// Zeros go through the page cache in pieces, and the kernel makes one folio of a piece: four times cheaper than a fault a
// page. Faults may also read ahead, into folios of megabytes, of which every byte is dirty when one is. Short ranges get
// small folios: who asks for little at a time syncs little at a time, and a sync writes whole folios.
Outcome Prepare(const Range& range) {
  static const uint8_t zeros[size_t{1} << 16] = {};
  const size_t piece = std::clamp(range.length / 16, size_t{1} << 14, sizeof zeros);
  for (size_t done = 0; done < range.length;) {
    const size_t length = std::min(piece, range.length - done);
    const ssize_t count = pwrite(range.region->descriptor, zeros, length, static_cast<off_t>(range.position + done));
    if (count < 0 && errno != EINTR) return Outcome::Failed("pwrite");
    if (count > 0) done += static_cast<size_t>(count);
  }
  return Populate(WholePages(range));
}

// Zeros, durable when it returns. Where the file system can zero a range by itself no page is touched.
Outcome Zero(const Range& range) {
  const int descriptor = range.region->descriptor;
#ifdef __linux__
  const int mode = FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE;
  const off_t length = static_cast<off_t>(range.length);
  const int result = length == 0 ? 0 : fallocate(descriptor, mode, static_cast<off_t>(range.position), length);
  if (result == 0) return SyncData(descriptor);
  if (errno != EOPNOTSUPP && errno != EINTR) return Outcome::Failed("fallocate");
#endif
  memset(range.start(), 0, range.length);
  return SyncData(descriptor);
}

// The jobs of `runOnRegion`; the same numbers stand in src/native/mapped-file-region.ts.
enum Job : int64_t { kSync, kPopulate, kLock, kUnlock, kZero, kPrepare };

Outcome Run(int64_t job, const Range& range) {
  const Range pages = WholePages(range);
  switch (job) {
    case kSync:
      // The whole file, whatever the range: that also covers a size that changed, and a descriptor that is open from
      // the start sees every write error.
      return SyncData(range.region->descriptor);
    case kPopulate:
      return Populate(pages);
    case kLock:
      return Outcome::Of(mlock(pages.start(), pages.length), "mlock");
    case kUnlock:
      return Outcome::Of(munlock(pages.start(), pages.length), "munlock");
    case kPrepare:
      return Prepare(range);
    default:
      return Zero(range);
  }
}

// runOnRegion(handle, position, length, job): Promise<void>
napi_value RunOnRegion(Call& call, Range range, int64_t job) {
  if (job < kSync || job > kPrepare) return ThrowCoded(call.env, "ERR_NATIVE_ARGUMENT", "unknown job");
  if ((job == kZero || job == kPrepare) && !range.region->writable) {
    return ThrowCoded(call.env, "ERR_NATIVE_READ_ONLY", "the region is mapped for reading only");
  }
  TaskPool& pool = job == kSync || job == kZero ? call.environment->sync_pool : call.environment->file_pool;
  return call.environment->Submit(pool, {[job, range] { return Run(job, range); }, nullptr, range.region});
}

// readRegion(handle, position, length, target): Promise<bytesRead>. Reads through the descriptor, not the mapping: a
// page that is not in memory makes the thread wait and not whoever touches the mapping.
napi_value ReadRegion(Call& call, Range range, Bytes target) {
  if (target.size < range.length) return ThrowCoded(call.env, "ERR_NATIVE_RANGE", "the target is too small");
  auto read = [range, data = target.data] {
    return ReadFully(range.region->descriptor, data, range.length, static_cast<int64_t>(range.position));
  };
  return call.environment->Submit(call.environment->file_pool, {read, nullptr, range.region}, target.value);
}

// adviseRegion(handle, position, length, advice), advice: 0 normal, 1 random, 2 sequential, 3 willneed, 4 dontneed
napi_value AdviseRegion(Call& call, Range range, int64_t advice) {
  static const int advices[] = {MADV_NORMAL, MADV_RANDOM, MADV_SEQUENTIAL, MADV_WILLNEED, MADV_DONTNEED};
  if (advice < 0 || advice > 4) return ThrowCoded(call.env, "ERR_NATIVE_ARGUMENT", "unknown advice");
  const Range pages = WholePages(range);
  Outcome outcome = Outcome::Of(madvise(pages.start(), pages.length, advices[advice]), "madvise");
#ifdef __linux__
  // madvise only empties this process's page tables; the page cache is told separately and keeps what is dirty.
  if (outcome.ok() && advices[advice] == MADV_DONTNEED) {
    outcome.error = posix_fadvise(range.region->descriptor, static_cast<off_t>(pages.position),
                                  static_cast<off_t>(pages.length), POSIX_FADV_DONTNEED);
    outcome.call = "posix_fadvise";
  }
#endif
  return Finish(call.env, outcome);
}

// isRegionResident(handle, position, length): boolean. About a microsecond for a few pages.
napi_value IsRegionResident(Call& call, Range range) {
  const Range pages = WholePages(range);
  std::vector<unsigned char> states((pages.length + page_size - 1) / page_size);
#ifdef __linux__
  unsigned char* out = states.data();
#else
  char* out = reinterpret_cast<char*>(states.data());
#endif
  if (mincore(pages.start(), pages.length, out) != 0) return Finish(call.env, Outcome::Failed("mincore"));
  const bool resident = std::all_of(states.begin(), states.end(), [](unsigned char state) { return (state & 1) != 0; });
  napi_value result = nullptr;
  NAPI_CHECK(call.env, napi_get_boolean(call.env, resident, &result));
  return result;
}

}  // namespace

std::vector<Function> RegionFunctions() {
  return {
      {"openRegion", Entry<OpenRegion>},     {"openRegionSync", Entry<OpenRegionSync>},
      {"regionBuffer", Entry<RegionBuffer>}, {"closeRegion", Entry<CloseRegion>},
      {"pinRegion", Entry<PinRegion>},       {"unpinRegion", Entry<UnpinRegion>},
      {"runOnRegion", Entry<RunOnRegion>},   {"readRegion", Entry<ReadRegion>},
      {"adviseRegion", Entry<AdviseRegion>}, {"isRegionResident", Entry<IsRegionResident>},
  };
}
