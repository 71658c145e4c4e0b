// Work off the event loop: see task_pool.h.
#include "task_pool.h"

#include <signal.h>

int TaskPool::Add(Task& task) {
  const int error = threads_.size() < kThreadCount ? StartThreads() : 0;
  if (error != 0 && threads_.empty()) return error;  // with one thread alive the task only waits longer
  {
    std::unique_lock<std::mutex> lock(mutex_);
    waiting_.push_back(std::move(task));
  }
  work_or_stop_.notify_one();  // without the lock, which the thread that wakes up needs next
  return 0;
}

void TaskPool::Stop() {
  std::deque<Task> dropped;
  {
    std::unique_lock<std::mutex> lock(mutex_);
    stopping_ = true;
    dropped.swap(waiting_);
  }
  work_or_stop_.notify_all();
  for (pthread_t thread : threads_) pthread_join(thread, nullptr);
  threads_.clear();
}

int TaskPool::StartThreads() {
  // The process's signals belong to Node's threads; faults stay deliverable so that a crash is reported as one.
  sigset_t blocked;
  sigset_t before;
  sigfillset(&blocked);
  for (int fault : {SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGABRT}) sigdelset(&blocked, fault);
  pthread_sigmask(SIG_SETMASK, &blocked, &before);
  auto main = [](void* pool) -> void* {
    static_cast<TaskPool*>(pool)->Serve();
    return nullptr;
  };
  int error = 0;
  while (error == 0 && threads_.size() < kThreadCount) {
    pthread_t thread;
    error = pthread_create(&thread, nullptr, main, this);
    if (error == 0) threads_.push_back(thread);
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return error;
}

void TaskPool::Serve() {
  std::unique_lock<std::mutex> lock(mutex_);
  for (;;) {
    work_or_stop_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
    if (stopping_) return;
    Task task = std::move(waiting_.front());
    waiting_.pop_front();
    lock.unlock();
    task.outcome = task.work();
    done_(std::move(task));
    lock.lock();
  }
}
