/// current_call.hpp: the call that the worker is running, and how Python code is asked to stop.
#pragma once

#include "python/codec/python_api.hpp"

#include <pthread.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

#include <tenon/plugin.h>

namespace py {

/// The running calls, innermost first: a task may call another one, which runs inside it. All code
/// except the watcher's thread holds the GIL, so that other threads of the task can safely read the
/// call.
class CurrentCall {
 public:
  CurrentCall() = default;
  CurrentCall(const CurrentCall&) = delete;
  CurrentCall& operator=(const CurrentCall&) = delete;
  ~CurrentCall() { stop(); }

  /// Records the task thread and makes it handle SIGINT as a request to check for cancellation.
  /// False with a Python exception.
  bool start();
  /// Stops the watcher's thread while no call runs. After resume() the next call starts it again.
  void stop() noexcept;
  void resume();

  /// The innermost call; null between calls.
  [[nodiscard]] tenon_call_t* get() const noexcept { return call_; }
  [[nodiscard]] bool on_task_thread() const noexcept { return pthread_equal(task_thread_, pthread_self()) != 0; }

  /// Makes a call the innermost one (null for none) and returns the previous one.
  tenon_call_t* exchange(tenon_call_t* call) {
    tenon_call_t* const outer = call_;
    set(call);
    return outer;
  }

 private:
  void set(tenon_call_t* call);
  void watch();

  tenon_call_t* call_ = nullptr;
  pthread_t task_thread_{};

  // The watcher's state. The watcher polls the call, which is allowed on any thread until the task
  // returns; the mutex ensures that.
  std::mutex mutex_;
  std::condition_variable changed_;
  tenon_call_t* watched_ = nullptr;
  bool interrupted_ = false;
  bool sleeping_ = false;
  bool ending_ = false;
  std::thread watcher_;
};

}  // namespace py
