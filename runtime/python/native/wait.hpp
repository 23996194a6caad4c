/// python/native/wait.hpp: waits without the GIL, interruptible by Ctrl-C.
#pragma once

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include <tenon/future.hpp>

#include "python/native/gil.hpp"

namespace tenon::python {

using Clock = std::chrono::steady_clock;

/// The interval at which the main thread, while it waits, checks for signals. Python's signal handlers run between two
/// such waits, so Ctrl-C takes effect within this time.
inline constexpr std::chrono::milliseconds kSignalInterval{40};

/// Whether the calling thread is the one in which Python runs signal handlers. Needs the GIL.
[[nodiscard]] bool on_main_thread() noexcept;
/// Records which thread that is; called at the import, and in a child process.
void note_main_thread(unsigned long ident) noexcept;

/// Whether the calling thread runs the callbacks of futures, one after another. Needs the GIL.
[[nodiscard]] bool on_callback_thread() noexcept;
/// Records which thread that is; 0 for none.
void note_callback_thread(unsigned long ident) noexcept;

/// Whether the interpreter is exiting and the calling thread is a daemon thread of the user, which must end too. With
/// the GIL.
[[nodiscard]] bool must_end_quietly() noexcept;
/// Records that the interpreter is exiting, in the calling thread. Only daemon threads are left then.
void note_exit() noexcept;

enum class Waited {
  kDone,
  kTimedOut,
  kInterrupted,  ///< A signal handler has raised an exception, which is set.
};

/// Waits by calling `wait_until(time point) -> bool` without the GIL until it returns true, a signal handler raises an
/// exception, or `deadline` has passed. Needs the GIL.
template <typename WaitUntil>
[[nodiscard]] Waited wait_interruptibly(WaitUntil wait_until, std::optional<Clock::time_point> deadline) {
  const bool slices = on_main_thread();
  WithoutGil without_gil;
  for (;;) {
    Clock::time_point until = deadline.value_or(Clock::time_point::max());
    if (slices) {
      until = std::min(until, Clock::now() + kSignalInterval);
    }
    if (wait_until(until)) {
      return Waited::kDone;
    }
    if (deadline && Clock::now() >= *deadline) {
      return Waited::kTimedOut;
    }
    if (slices) {
      without_gil.take_back();
      if (PyErr_CheckSignals() != 0) {
        return Waited::kInterrupted;
      }
      without_gil.give_up();
    }
  }
}

/// Waits for a future. Needs the GIL.
template <typename T>
[[nodiscard]] Waited wait_for(const Future<T>& future, std::optional<Clock::time_point> deadline = std::nullopt) {
  if (future.ready()) {
    return Waited::kDone;
  }
  return wait_interruptibly(
      [&future](Clock::time_point until) {
        if (until == Clock::time_point::max()) {
          future.wait();
          return true;
        }
        return future.wait_for(until - Clock::now());
      },
      deadline);
}

/// The outcome of an operation of another thread.
template <typename T>
struct Errand {
  std::mutex mutex;
  std::condition_variable done;
  std::optional<T> outcome;  ///< Guarded by the mutex.
};

/// Runs `work` so that Ctrl-C interrupts the wait for it: in the main thread, `work` runs on a separate thread, which
/// continues if the wait is interrupted, so `work` must own what it uses. nullopt: interrupted, with an exception set.
template <typename T>
[[nodiscard]] std::optional<T> run_interruptibly(std::function<T()> work) {
  if (!on_main_thread()) {
    WithoutGil without_gil;
    return work();
  }
  auto errand = std::make_shared<Errand<T>>();
  {
    std::thread([errand, work = std::move(work)]() mutable {
      T outcome = work();
      work = nullptr;  // The objects that `work` owns are released before the outcome is announced.
      const std::lock_guard lock(errand->mutex);
      errand->outcome.emplace(std::move(outcome));
      errand->done.notify_all();
    }).detach();
  }
  const Waited waited = wait_interruptibly(
      [&errand](Clock::time_point until) {
        std::unique_lock lock(errand->mutex);
        return errand->done.wait_until(lock, until, [&errand] { return errand->outcome.has_value(); });
      },
      std::nullopt);
  if (waited != Waited::kDone) {
    return std::nullopt;
  }
  const std::lock_guard lock(errand->mutex);
  return std::move(errand->outcome);
}

}  // namespace tenon::python
