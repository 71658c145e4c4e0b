// Work off the event loop: see task_pool.h.
#include "task_pool.h"

#include <signal.h>

napi_value Task::Result(Environment&) { return nullptr; }

int TaskPool::Add(std::unique_ptr<Task>& task) {
  std::unique_lock<std::mutex> lock(mutex_);
  if (idle_count_ <= waiting_.size() && threads_.size() < thread_count_max_) {
    const int error = StartThread();
    if (error != 0 && threads_.empty()) return error;  // with one thread alive the task only waits longer
  }
  waiting_.push_back(std::move(task));
  lock.unlock();  // or the thread that wakes up would wait for it at once
  work_or_stop_.notify_one();
  return 0;
}

void TaskPool::Stop() {
  std::deque<std::unique_ptr<Task>> dropped;
  {
    std::unique_lock<std::mutex> lock(mutex_);
    stopping_ = true;
    dropped.swap(waiting_);
  }
  work_or_stop_.notify_all();
  for (pthread_t thread : threads_) pthread_join(thread, nullptr);
  threads_.clear();
}

int TaskPool::StartThread() {
  // The process's signals belong to Node's threads; faults stay deliverable so that a crash is reported as one.
  sigset_t blocked;
  sigset_t before;
  sigfillset(&blocked);
  for (int fault : {SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGABRT}) sigdelset(&blocked, fault);
  pthread_sigmask(SIG_SETMASK, &blocked, &before);
  pthread_t thread;
  const int error = pthread_create(&thread, nullptr, &TaskPool::ThreadMain, this);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (error == 0) threads_.push_back(thread);
  return error;
}

void* TaskPool::ThreadMain(void* pool) {
  static_cast<TaskPool*>(pool)->Serve();
  return nullptr;
}

void TaskPool::Serve() {
  std::unique_lock<std::mutex> lock(mutex_);
  for (;;) {
    idle_count_++;
    work_or_stop_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
    idle_count_--;
    if (stopping_) return;
    std::unique_ptr<Task> task = std::move(waiting_.front());
    waiting_.pop_front();
    lock.unlock();
    task->outcome = task->Work();
    done_(std::move(task));
    lock.lock();
  }
}
