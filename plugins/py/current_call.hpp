/// current_call.hpp: the call that the worker runs just now, and how Python code learns that it shall stop.
#pragma once

#include "python/codec/python_api.hpp"

#include <pthread.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

#include <tenon/plugin.h>

namespace py {

/// The running calls, the innermost first: a task may call another one, which runs inside it. Everything but the
/// watcher's thread holds the GIL, which is what makes reading the call from a thread of the task safe.
class CurrentCall {
 public:
  CurrentCall() = default;
  CurrentCall(const CurrentCall&) = delete;
  CurrentCall& operator=(const CurrentCall&) = delete;
  ~CurrentCall() { stop(); }

  /// Remembers the task thread and makes it take SIGINT as "look whether the call was cancelled". False with a Python
  /// exception.
  bool start();
  /// Ends the watcher's thread; no call runs. After resume() the next call starts it again.
  void stop() noexcept;
  void resume();

  /// The innermost call; null between calls.
  [[nodiscard]] tenon_call_t* get() const noexcept { return call_; }
  [[nodiscard]] bool on_task_thread() const noexcept { return pthread_equal(task_thread_, pthread_self()) != 0; }

  /// Makes a call the innermost one, null for none, and returns the one before.
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

  // What the watcher sees. It polls the call, which is allowed on any thread until the task returns: hence the mutex.
  std::mutex mutex_;
  std::condition_variable changed_;
  tenon_call_t* watched_ = nullptr;
  bool interrupted_ = false;
  bool sleeping_ = false;
  bool ending_ = false;
  std::thread watcher_;
};

}  // namespace py
