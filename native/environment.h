// All state of the addon in one Node environment (the main thread or a worker): its thread pools, regions and locks.
// Nothing is shared between environments. Everything here belongs to the JavaScript thread, but for `OnDone`.
#pragma once

#include <memory>
#include <set>
#include <unordered_map>

#include "mapped_region.h"
#include "napi_check.h"
#include "task_pool.h"

class Environment {
 public:
  explicit Environment(napi_env env);
  // Null when a Node-API call failed; an exception is pending then.
  static Environment* Create(napi_env env);

  // Hands the task to a pool and returns its promise, which settles in any case, unless the environment ends. The
  // object `kept` lives until then.
  napi_value Submit(TaskPool& pool, Task task, napi_value kept = nullptr);

  // Makes a mapped region known to JavaScript: its handle, with the ArrayBuffer to be had from regionBuffer().
  napi_value Adopt(std::shared_ptr<Region> region);
  // Null when the handle is stale or no handle at all. A number names one region only, ever.
  Region* FindRegion(int64_t handle) const;
  // For a closing region, when a holder let go.
  void CloseWhenFree(Region* region);

  std::set<int64_t> lock_descriptors;
  // Two pools, because a read must not wait behind a slow sync.
  TaskPool sync_pool;
  TaskPool file_pool;

 private:
  static void OnWakeup(napi_env env, napi_value, void* environment, void* task);
  static void OnCleanup(void* environment);
  void Start(TaskPool& pool, Task task);
  void OnDone(Task task);
  void Settle(Task& task);

  const napi_env env_;
  napi_threadsafe_function wakeup_ = nullptr;
  // Owned here alone while open; shared only because a std::function has to be copyable.
  std::unordered_map<int64_t, std::shared_ptr<Region>> regions_;
  int64_t last_handle_ = 0;
  size_t in_flight_count_ = 0;
};
