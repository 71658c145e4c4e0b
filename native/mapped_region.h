// A file mapped into memory, and the table of them that one environment has open. Memory is unmapped by `close` only,
// never by garbage collection, and only when nobody holds the region: no pin and no task in flight.
#ifndef NATIVE_MAPPED_REGION_H_
#define NATIVE_MAPPED_REGION_H_

#include <memory>
#include <string>
#include <vector>

#include "napi_check.h"

// Flags of `openRegion`; the same numbers stand in src/native/mapped-file-region.ts.
constexpr int64_t kCreate = 1;       // make the file when there is none
constexpr int64_t kExclusive = 2;    // fail when there is one
constexpr int64_t kWritable = 4;     // map for writing
constexpr int64_t kPreallocate = 8;  // give every byte a place on the disk
constexpr int64_t kGrow = 16;        // extend a smaller file to the size asked for

// A mapping and its descriptor. Owns both; destruction unmaps and closes.
struct Mapping {
  int descriptor = -1;
  uint8_t* base = nullptr;
  size_t size = 0;
  bool writable = false;

  Mapping() = default;
  Mapping(Mapping&& other) noexcept { *this = std::move(other); }
  Mapping& operator=(Mapping&& other) noexcept;
  ~Mapping() { Release(); }
  Outcome Release();
};

// Opens (or makes), sizes and maps a file. `size` 0 means the size that the file has. When it fails, a file that it
// made is gone again and a file that it extended has its old size.
Outcome OpenMapping(const std::string& path, int64_t size, int64_t flags, Mapping* mapping);

struct Region {
  Mapping mapping;
  int64_t handle = 0;
  uint32_t pin_count = 0;   // held by JavaScript
  uint32_t task_count = 0;  // held by tasks in flight
  bool closing = false;
  napi_ref buffer = nullptr;  // the one ArrayBuffer over the mapping
  napi_deferred closed = nullptr;
};

// Handles are numbers: slot plus a generation, so that a stale one is told from a new region in the same slot.
class RegionTable {
 public:
  int64_t Add(std::unique_ptr<Region> region);
  // Null when the handle is stale or no handle at all.
  Region* Find(int64_t handle) const;
  std::unique_ptr<Region> Remove(Region* region);
  // At the end of the environment. What is still pinned stays mapped, since its holder may be another addon's thread.
  void ReleaseAll();

 private:
  static constexpr int64_t kSlotCountMax = 1 << 20;
  struct Slot {
    int64_t generation = 1;
    std::unique_ptr<Region> region;
  };
  std::vector<Slot> slots_;
  std::vector<size_t> free_slots_;
};

// What JavaScript can do with regions (region_calls.cc).
const std::vector<Function>& RegionFunctions();

#endif  // NATIVE_MAPPED_REGION_H_
