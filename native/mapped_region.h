// A file mapped into memory, from opening to unmapping, and the bare work on descriptors that regions and files share.
#pragma once

#include <string>
#include <utility>

#include "napi_check.h"

// Flags of `openRegion`; the same numbers stand in src/native/mapped-file-region.ts.
constexpr int64_t kCreate = 1;       // make the file when there is none
constexpr int64_t kExclusive = 2;    // fail when there is one
constexpr int64_t kWritable = 4;     // map for writing
constexpr int64_t kPreallocate = 8;  // give every byte a place on the disk
constexpr int64_t kGrow = 16;        // extend a smaller file to the size asked for

// Memory is unmapped by closing only, never by garbage collection, and only when nobody holds the region: no pin and no
// task in flight. Destruction, at the end of the environment, unmaps too.
struct Region {
  int descriptor = -1;
  uint8_t* base = nullptr;
  size_t size = 0;
  bool writable = false;

  int64_t handle = 0;
  uint32_t pin_count = 0;          // held by JavaScript
  uint32_t task_count = 0;         // held by tasks in flight
  napi_ref buffer = nullptr;       // the one ArrayBuffer over the mapping
  napi_deferred closed = nullptr;  // of closeRegion(): there from its call on

  Region() = default;
  Region(const Region&) = delete;
  Region& operator=(const Region&) = delete;
  ~Region() { Unmap(); }

  // Opens (or makes), sizes and maps a file. `wanted_size` 0 means the size that the file has. When it fails, a file
  // that it made is gone again and a file that it extended has its old size.
  Outcome Map(const std::string& path, int64_t wanted_size, int64_t flags);
  Outcome Unmap();
  bool is_closing() const { return closed != nullptr; }

 private:
  Outcome SizeAndMap(int64_t wanted_size, int64_t flags, int64_t old_size);
};

// Reads until `length` bytes came or the file ended; the value is the count.
Outcome ReadFully(int descriptor, uint8_t* target, size_t length, int64_t position);
// Makes the file's bytes and size durable, beyond the device's own cache.
Outcome SyncData(int descriptor);
