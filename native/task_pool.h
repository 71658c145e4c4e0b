// Work off the event loop. A Task runs once on a thread of a TaskPool and then settles its promise on the JavaScript
// thread that submitted it. The threads are the addon's own, so libuv's pool never waits behind a slow disk.
#pragma once

#include <pthread.h>

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <vector>

#include "napi_check.h"

class Environment;
struct Region;

struct Task {
  // On a pool thread. Must not use Node-API.
  std::function<Outcome()> work;
  // On the JavaScript thread, after `work` succeeded: what the promise resolves with. Without it, the outcome's value.
  std::function<napi_value(Environment&)> result{};
  Region* region = nullptr;  // what it works on: stays mapped until the task has settled
  napi_ref kept = nullptr;   // keeps a JavaScript object alive whose memory it uses
  napi_deferred deferred = nullptr;
  Outcome outcome{};
};

// Two threads, started at the first task, that take tasks in order.
class TaskPool {
 public:
  using Done = std::function<void(Task)>;

  explicit TaskPool(Done done) : done_(std::move(done)) {}
  ~TaskPool() { Stop(); }

  // 0, or an errno when no thread could be started; the task is taken only when 0.
  int Add(Task& task);
  // Lets running tasks finish, drops waiting ones, joins the threads. May be called twice.
  void Stop();

 private:
  static constexpr size_t kThreadCount = 2;
  int StartThreads();
  void Serve();

  const Done done_;
  std::mutex mutex_;
  std::condition_variable work_or_stop_;
  std::deque<Task> waiting_;
  bool stopping_ = false;
  std::vector<pthread_t> threads_;  // touched by the JavaScript thread only
};
