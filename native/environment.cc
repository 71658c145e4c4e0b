// State of the addon in one Node environment: see environment.h.
#include "environment.h"

#include <unistd.h>

Environment::Environment(napi_env env)
    : sync_pool([this](Task task) { OnDone(std::move(task)); }),
      file_pool([this](Task task) { OnDone(std::move(task)); }),
      env_(env) {}

Environment* Environment::Create(napi_env env) {
  std::unique_ptr<Environment> environment(new Environment(env));
  napi_value name = nullptr;
  if (napi_create_string_utf8(env, "native file task", NAPI_AUTO_LENGTH, &name) != napi_ok) return nullptr;
  if (napi_create_threadsafe_function(env, nullptr, nullptr, name, 0, 1, nullptr, nullptr, environment.get(), OnWakeup,
                                      &environment->wakeup_) != napi_ok) {
    return nullptr;
  }
  napi_unref_threadsafe_function(env, environment->wakeup_);  // only work in flight keeps the process alive
  auto finalize = [](napi_env, void* data, void*) { delete static_cast<Environment*>(data); };
  if (napi_set_instance_data(env, environment.get(), finalize, nullptr) != napi_ok) return nullptr;
  Environment* owned = environment.release();
  // Cleanup hooks run last in, first out: ours, added after the thread-safe function's own, still may use that.
  return napi_add_env_cleanup_hook(env, OnCleanup, owned) == napi_ok ? owned : nullptr;
}

napi_value Environment::Submit(TaskPool& pool, Task task, napi_value kept) {
  napi_value promise = nullptr;
  NAPI_CHECK(env_, napi_create_promise(env_, &task.deferred, &promise));
  if (kept != nullptr) NAPI_CHECK(env_, napi_create_reference(env_, kept, 1, &task.kept));
  if (task.region != nullptr) task.region->task_count++;
  Start(pool, std::move(task));
  return promise;
}

void Environment::Start(TaskPool& pool, Task task) {
  if (in_flight_count_++ == 0) napi_ref_threadsafe_function(env_, wakeup_);
  const int error = pool.Add(task);
  if (error == 0) return;
  task.outcome = Outcome::Failed("pthread_create", error);
  OnDone(std::move(task));
}

// On any thread. Node wakes the JavaScript thread once for all that is done by then. A status that says "closing" means
// that the environment ends: nobody is left to hear of the result.
void Environment::OnDone(Task task) {
  auto owned = std::make_unique<Task>(std::move(task));
  if (napi_call_threadsafe_function(wakeup_, owned.get(), napi_tsfn_nonblocking) == napi_ok) owned.release();
}

void Environment::OnWakeup(napi_env env, napi_value, void* environment, void* task) {
  const std::unique_ptr<Task> owned(static_cast<Task*>(task));
  if (env == nullptr) return;  // the environment ends; `environment` may be gone
  static_cast<Environment*>(environment)->Settle(*owned);
}

void Environment::Settle(Task& task) {
  if (--in_flight_count_ == 0) napi_unref_threadsafe_function(env_, wakeup_);
  if (task.kept != nullptr) napi_delete_reference(env_, task.kept);
  if (task.region != nullptr) {
    task.region->task_count--;
    CloseWhenFree(task.region);
  }
  const bool has_result = task.outcome.ok() && task.result != nullptr;
  napi_value result = has_result ? task.result(*this) : Finish(env_, task.outcome);
  napi_value error = nullptr;
  if (result != nullptr) {
    napi_resolve_deferred(env_, task.deferred, result);
  } else if (napi_get_and_clear_last_exception(env_, &error) == napi_ok) {
    napi_reject_deferred(env_, task.deferred, error);
  }
}

napi_value Environment::Adopt(std::shared_ptr<Region> region) {
  napi_value buffer = nullptr;
  NAPI_CHECK(env_, napi_create_external_arraybuffer(env_, region->base, region->size, nullptr, nullptr, &buffer));
  const napi_status status = napi_create_reference(env_, buffer, 1, &region->buffer);
  // From here on JavaScript knows the memory: unmapping needs a detach first.
  if (status != napi_ok && napi_detach_arraybuffer(env_, buffer) != napi_ok) region->base = nullptr;
  NAPI_CHECK(env_, status);
  region->handle = ++last_handle_;
  regions_[region->handle] = region;
  return Number(env_, region->handle);
}

Region* Environment::FindRegion(int64_t handle) const {
  const auto found = regions_.find(handle);
  return found == regions_.end() ? nullptr : found->second.get();
}

// Detaches the ArrayBuffer, so that every Buffer made from it has length 0, then unmaps and closes on a thread: both
// can take milliseconds for a large file.
void Environment::CloseWhenFree(Region* region) {
  if (!region->is_closing() || region->pin_count > 0 || region->task_count > 0) return;
  napi_value buffer = nullptr;
  if (napi_get_reference_value(env_, region->buffer, &buffer) != napi_ok || buffer == nullptr ||
      napi_detach_arraybuffer(env_, buffer) != napi_ok) {
    // Unmapping now would leave JavaScript with memory that is gone, so the region stays as it is.
    napi_reject_deferred(env_, region->closed, MakeSystemError(env_, Outcome::Failed("detach", EBUSY)));
    region->closed = nullptr;
    return;
  }
  napi_delete_reference(env_, region->buffer);
  Task task;
  task.deferred = region->closed;
  task.work = [owned = regions_[region->handle]] { return owned->Unmap(); };
  regions_.erase(region->handle);
  Start(file_pool, std::move(task));
}

// The environment ends (process exit, worker terminated) with anything still open or in flight. Waiting for a running
// system call costs nothing extra: the process could not end before it either.
void Environment::OnCleanup(void* data) {
  Environment* environment = static_cast<Environment*>(data);
  environment->sync_pool.Stop();
  environment->file_pool.Stop();
  // What is still pinned stays mapped, since its holder may be another addon's thread.
  for (auto& [handle, region] : environment->regions_) {
    if (region->pin_count > 0) region->base = nullptr;
  }
  environment->regions_.clear();
  for (int64_t descriptor : environment->lock_descriptors) close(static_cast<int>(descriptor));
  environment->lock_descriptors.clear();
  napi_release_threadsafe_function(environment->wakeup_, napi_tsfn_abort);
}
