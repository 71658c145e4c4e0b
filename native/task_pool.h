// Work off the event loop. A Task runs once on a thread of a TaskPool and then settles its promise on the JavaScript
// thread that submitted it. The threads are the addon's own, so libuv's pool never waits behind a slow disk.
#ifndef NATIVE_TASK_POOL_H_
#define NATIVE_TASK_POOL_H_

#include <pthread.h>

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "napi_check.h"

class Task {
 public:
  virtual ~Task() = default;
  // On a pool thread. Must not use Node-API.
  virtual Outcome Work() = 0;
  // On the JavaScript thread, after Work succeeded: what the promise resolves with.
  virtual napi_value Result(Environment& environment);
  // On the JavaScript thread, always, before the promise settles. Not called when the environment ends first.
  virtual void Settled(Environment&) {}

  Outcome outcome;
  napi_deferred deferred = nullptr;
  napi_ref kept = nullptr;  // keeps a JavaScript object alive whose memory the task uses
};

// A task that is one function.
class CallTask : public Task {
 public:
  explicit CallTask(std::function<Outcome()> call) : call_(std::move(call)) {}
  Outcome Work() override { return call_(); }

 private:
  const std::function<Outcome()> call_;
};

// A few threads, started when there is work for them, that take tasks in order.
class TaskPool {
 public:
  using Done = std::function<void(std::unique_ptr<Task>)>;

  TaskPool(size_t thread_count_max, Done done) : thread_count_max_(thread_count_max), done_(std::move(done)) {}
  ~TaskPool() { Stop(); }

  // 0, or an errno when no thread could be started; the task is taken only when 0.
  int Add(std::unique_ptr<Task>& task);
  // Lets running tasks finish, drops waiting ones, joins the threads. May be called twice.
  void Stop();

 private:
  static void* ThreadMain(void* pool);
  void Serve();
  int StartThread();

  const size_t thread_count_max_;
  const Done done_;
  std::mutex mutex_;
  std::condition_variable work_or_stop_;
  std::deque<std::unique_ptr<Task>> waiting_;
  size_t idle_count_ = 0;
  bool stopping_ = false;
  std::vector<pthread_t> threads_;  // touched by the JavaScript thread only
};

#endif  // NATIVE_TASK_POOL_H_
