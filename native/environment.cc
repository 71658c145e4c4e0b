// State of the addon in one Node environment: see environment.h.
#include "environment.h"

#include <unistd.h>

static constexpr size_t kSyncThreadCountMax = 2;
static constexpr size_t kFileThreadCountMax = 2;

Environment::Environment(napi_env env)
    : sync_pool(kSyncThreadCountMax, [this](std::unique_ptr<Task> task) { OnDone(std::move(task)); }),
      file_pool(kFileThreadCountMax, [this](std::unique_ptr<Task> task) { OnDone(std::move(task)); }),
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
  if (napi_add_env_cleanup_hook(env, OnCleanup, owned) != napi_ok) return nullptr;
  return owned;
}

napi_value Environment::Submit(TaskPool& pool, std::unique_ptr<Task> task) {
  napi_value promise = nullptr;
  NAPI_CHECK(env_, napi_create_promise(env_, &task->deferred, &promise));
  SubmitWithDeferred(pool, std::move(task));
  return promise;
}

void Environment::SubmitWithDeferred(TaskPool& pool, std::unique_ptr<Task> task) {
  if (in_flight_count_++ == 0) napi_ref_threadsafe_function(env_, wakeup_);
  const int error = pool.Add(task);
  if (error == 0) return;
  task->outcome = Outcome::Failed(error, "pthread_create");
  OnDone(std::move(task));
}

// On any thread.
void Environment::OnDone(std::unique_ptr<Task> task) {
  std::unique_lock<std::mutex> lock(done_mutex_);
  done_.push_back(std::move(task));
  // One wake-up settles all that is done by then. A status that says "closing" means that the environment ends: the
  // task is destroyed with it, and nobody is left to hear of the result.
  if (done_.size() == 1) napi_call_threadsafe_function(wakeup_, nullptr, napi_tsfn_nonblocking);
}

void Environment::OnWakeup(napi_env env, napi_value, void* environment, void*) {
  if (env == nullptr) return;  // the environment ends; `environment` may be gone
  static_cast<Environment*>(environment)->SettleDone();
}

void Environment::SettleDone() {
  std::vector<std::unique_ptr<Task>> done;
  {
    std::unique_lock<std::mutex> lock(done_mutex_);
    done.swap(done_);
  }
  for (std::unique_ptr<Task>& task : done) {
    napi_handle_scope scope = nullptr;
    // Node-API calls fail from here on only when the environment is being terminated: there is nobody to tell then.
    if (napi_open_handle_scope(env_, &scope) != napi_ok) return;
    Settle(*task);
    napi_close_handle_scope(env_, scope);
  }
}

void Environment::Settle(Task& task) {
  if (--in_flight_count_ == 0) napi_unref_threadsafe_function(env_, wakeup_);
  if (task.kept != nullptr) napi_delete_reference(env_, task.kept);
  task.Settled(*this);
  if (task.outcome.error != 0) {
    napi_value error = MakeSystemError(env_, task.outcome);
    if (error != nullptr) napi_reject_deferred(env_, task.deferred, error);
    return;
  }
  napi_value result = task.Result(*this);
  if (result == nullptr) result = task.outcome.value >= 0 ? Number(env_, task.outcome.value) : Undefined(env_);
  if (result != nullptr) napi_resolve_deferred(env_, task.deferred, result);
}

// The environment ends (process exit, worker terminated) with anything still open or in flight. Waiting for a running
// system call costs nothing extra: the process could not end before it either.
void Environment::OnCleanup(void* data) {
  Environment* environment = static_cast<Environment*>(data);
  environment->sync_pool.Stop();
  environment->file_pool.Stop();
  environment->done_.clear();
  environment->regions.ReleaseAll();
  for (int descriptor : environment->lock_descriptors) close(descriptor);
  environment->lock_descriptors.clear();
  napi_release_threadsafe_function(environment->wakeup_, napi_tsfn_abort);
}
