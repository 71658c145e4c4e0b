// All state of the addon in one Node environment (the main thread or a worker): its thread pools, regions and locks.
// Nothing is shared between environments. Everything here belongs to the JavaScript thread, but for `done_`.
#ifndef NATIVE_ENVIRONMENT_H_
#define NATIVE_ENVIRONMENT_H_

#include <memory>
#include <mutex>
#include <vector>

#include "mapped_region.h"
#include "napi_check.h"
#include "task_pool.h"

class Environment {
 public:
  explicit Environment(napi_env env);
  // Null when a Node-API call failed; an exception is pending then.
  static Environment* Create(napi_env env);

  // Hands the task to a pool and returns its promise. The task settles in any case, unless the environment ends.
  napi_value Submit(TaskPool& pool, std::unique_ptr<Task> task);
  // The same for a task whose `deferred` was made before.
  void SubmitWithDeferred(TaskPool& pool, std::unique_ptr<Task> task);

  napi_env env() const { return env_; }

  RegionTable regions;
  std::vector<int> lock_descriptors;
  // Two pools, because a read must not wait behind a slow sync.
  TaskPool sync_pool;
  TaskPool file_pool;

 private:
  static void OnWakeup(napi_env env, napi_value, void* environment, void*);
  static void OnCleanup(void* environment);
  void OnDone(std::unique_ptr<Task> task);
  void SettleDone();
  void Settle(Task& task);

  napi_env env_;
  napi_threadsafe_function wakeup_ = nullptr;
  size_t in_flight_count_ = 0;
  std::mutex done_mutex_;
  std::vector<std::unique_ptr<Task>> done_;
};

#endif  // NATIVE_ENVIRONMENT_H_
