#include "current_call.hpp"

#include <signal.h>

#include <chrono>
#include <system_error>

namespace py {
namespace {

using tenon::python::Ref;

/// How soon a cancelled task is interrupted. A call that ends sooner is never polled from outside.
constexpr std::chrono::milliseconds kPeriod{20};
/// After this many periods without a call the watcher sleeps until the next one.
constexpr int kIdlePeriods = 50;

}  // namespace

bool CurrentCall::start() {
  task_thread_ = pthread_self();
  // The handler belongs to Python: it must run between two bytecodes, and interrupt a sleep or read
  // before that.
  const Ref signals(PyImport_ImportModule("_signal"));
  const Ref module(PyImport_ImportModule("_tenon_worker"));
  const Ref handler(module ? PyObject_GetAttrString(module.get(), "_on_interrupt") : nullptr);
  const Ref set(signals && handler ? PyObject_CallMethod(signals.get(), "signal", "iO", SIGINT, handler.get())
                                   : nullptr);
  return static_cast<bool>(set);
}

void CurrentCall::stop() noexcept {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  changed_.notify_one();
  if (watcher_.joinable()) {
    watcher_.join();
  }
}

void CurrentCall::resume() {
  const std::lock_guard lock(mutex_);
  ending_ = false;
  sleeping_ = false;
}

void CurrentCall::set(tenon_call_t* call) {
  call_ = call;
  bool wake = false;
  {
    const std::lock_guard lock(mutex_);
    watched_ = call;
    interrupted_ = false;
    wake = call != nullptr && sleeping_;
    sleeping_ = sleeping_ && !wake;
  }
  if (wake) {
    changed_.notify_one();
  } else if (call != nullptr && !watcher_.joinable()) {
    try {
      watcher_ = std::thread([this] { watch(); });
    } catch (const std::system_error&) {
      // Without the thread, tasks still notice cancellation in tenon.check(), and the host kills
      // those that do not.
    }
  }
}

void CurrentCall::watch() {
  // Signals must reach only the task thread.
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, nullptr);
  std::unique_lock lock(mutex_);
  int idle = 0;
  while (!ending_) {
    idle = watched_ == nullptr ? idle + 1 : 0;
    if (idle > kIdlePeriods) {
      sleeping_ = true;
      changed_.wait(lock, [this] { return ending_ || !sleeping_; });
      idle = 0;
      continue;
    }
    if (watched_ != nullptr && !interrupted_ && watched_->functions->poll(watched_) != TENON_OK) {
      // Only once: the task's `finally` blocks must not be interrupted again.
      interrupted_ = true;
      pthread_kill(task_thread_, SIGINT);
    }
    changed_.wait_for(lock, kPeriod);
  }
}

}  // namespace py
