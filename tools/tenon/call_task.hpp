/// Runs one task of any kind for `tenon call`.
#pragma once

#include <algorithm>
#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <utility>

#include <tenon/catalog.hpp>
#include <tenon/runtime.hpp>

#include "tools/tenon/failure.hpp"
#include "tools/tenon/json_input.hpp"
#include "tools/tenon/progress.hpp"
#include "tools/tenon/world.hpp"

namespace tenon::cli {

/// Returns the arguments of a reduce one after another; nullopt after the last one.
using NextArgument = std::function<Outcome<std::optional<Buffer>>()>;
/// Takes a result; returns false if no more are wanted.
using TakeResult = std::function<Outcome<bool>(const Reply&)>;

/// Runs tasks in a runtime of this process, or in a daemon (RemoteCaller). Errors: those of the
/// call, as ExitCode::kFailed; interrupted.
class TaskCaller {
 public:
  virtual ~TaskCaller() = default;
  [[nodiscard]] virtual Outcome<Reply> plain(const TaskRef& task, BytesView params, BytesView argument) = 0;
  [[nodiscard]] virtual Outcome<void> source(const TaskRef& task, BytesView params, BytesView argument,
                                             const TakeResult& take) = 0;
  [[nodiscard]] virtual Outcome<Reply> reduce(const TaskRef& task, BytesView params, const NextArgument& next) = 0;
  /// Waits for the cleanup after a successful call.
  virtual void finish() = 0;

  /// Cancels operations that take longer than this from now on; `written` is the time as messages
  /// show it.
  void end_after(std::chrono::nanoseconds timeout, std::string written) {
    deadline_ = std::chrono::steady_clock::now() +
                std::min<std::chrono::nanoseconds>(timeout, std::chrono::hours(24 * 365 * 100));
    written_timeout_ = std::move(written);
  }

 protected:
  [[nodiscard]] bool is_late() const { return deadline_ && std::chrono::steady_clock::now() >= *deadline_; }
  /// Returns the remaining time; nullopt if there is no limit.
  [[nodiscard]] std::optional<std::chrono::milliseconds> time_left() const;
  [[nodiscard]] Failure late_failure(const TaskRef& task) const;

 private:
  std::optional<std::chrono::steady_clock::time_point> deadline_;
  std::string written_timeout_;
};

/// Runs tasks in a runtime. Not thread-safe.
class LocalCaller final : public TaskCaller {
 public:
  /// `world` and `status` must outlive it. `options` are for plain calls; their params are ignored.
  LocalCaller(const World& world, Runtime runtime, StatusLine& status, CallOptions options = {})
      : world_(world), runtime_(std::move(runtime)), status_(status), options_(std::move(options)) {}

  [[nodiscard]] Outcome<Reply> plain(const TaskRef& task, BytesView params, BytesView argument) override;
  [[nodiscard]] Outcome<void> source(const TaskRef& task, BytesView params, BytesView argument,
                                     const TakeResult& take) override;
  [[nodiscard]] Outcome<Reply> reduce(const TaskRef& task, BytesView params, const NextArgument& next) override;
  void finish() override { runtime_.shutdown(Shutdown::kDrain); }

 private:
  /// Waits for a future. A first interrupt asks the task to stop, a second one kills its worker.
  template <typename T>
  Outcome<T> wait(const TaskRef& task, Future<T> future);
  void show_progress(const TaskRef& task, const std::optional<Progress>& progress);
  [[nodiscard]] Failure call_failure(const TaskRef& task, Error error) const;
  [[nodiscard]] bool interrupted() const;

  const World& world_;
  Runtime runtime_;
  StatusLine& status_;
  const CallOptions options_;
};

}  // namespace tenon::cli
