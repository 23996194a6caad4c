/// The interface through which the engine runs tasks. run_pipeline implements it over a Runtime;
/// the tests implement it with simulated workers and simulated time.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <tenon/bytes.hpp>
#include <tenon/error.hpp>
#include <tenon/future.hpp>
#include <tenon/reply.hpp>
#include <tenon/runtime.hpp>

#include "host/call.hpp"

namespace tenon::internal {

/// A completion: of a call, identified by its slot, or of a session's operation.
struct Ended {
  enum class Kind : std::uint32_t { kCall, kSession };
  Kind kind = Kind::kCall;
  std::uint32_t first = 0;   ///< Slot of the call; node of the session.
  std::uint32_t second = 0;  ///< The number of the session within its node.
};

/// A session with at most one operation under way. Executor::wait reports the completion of each
/// operation once; then `take` returns the outcome. Only the engine's thread uses it, and no
/// operation is under way when it is destroyed.
class ExecutorSession {
 public:
  struct Outcome {
    std::optional<Error> error;
    std::vector<Reply> results;  ///< The results of next, finish or checkpoint.
    bool ended = false;          ///< Set by next: no further results follow.
    Reply checkpoint;            ///< Set by next: the checkpoint after `results`; empty if the task
                                 ///< gave none.
  };
  ExecutorSession() = default;
  ExecutorSession(const ExecutorSession&) = delete;
  ExecutorSession& operator=(const ExecutorSession&) = delete;
  virtual ~ExecutorSession() = default;

  virtual void open(const std::string& task, const SessionOptions& options) = 0;
  /// Also requests a checkpoint with the results, which the task gives if that is cheap.
  virtual void next(std::uint32_t max_results) = 0;
  virtual void feed(const std::vector<Reply>& arguments) = 0;
  virtual void finish() = 0;
  virtual void checkpoint() = 0;
  /// Requests that the operation under way ends soon; its completion is still reported.
  virtual void cancel() = 0;
  [[nodiscard]] virtual Outcome take() = 0;
  /// Returns the progress that the task reported last.
  [[nodiscard]] virtual std::optional<Progress> progress() const = 0;
};

/// Runs calls and sessions. Only the engine's thread uses it; `wake` may be called from any thread.
class Executor {
 public:
  using Clock = std::chrono::steady_clock;

  Executor() = default;
  Executor(const Executor&) = delete;
  Executor& operator=(const Executor&) = delete;
  virtual ~Executor() = default;

  [[nodiscard]] virtual unsigned worker_count() const = 0;
  [[nodiscard]] virtual Clock::time_point now() const = 0;
  /// Returns the wall clock, in nanoseconds since 1970-01-01 UTC.
  [[nodiscard]] virtual std::int64_t wall_clock_ns() const = 0;
  /// Starts a call, at the latest at the next flush, so that calls can be sent together. Its slot
  /// is free again after `take`; `task` and `argument` must stay valid and must not move until
  /// then. `options` is one object per stage, valid for the whole run: calls with the same pointer
  /// have the same task and options. `earlier` describes the attempts that the engine has made
  /// before with this item.
  virtual void submit(std::uint32_t slot, const std::string& task, const Reply& argument, const CallOptions* options,
                      const EarlierAttempts& earlier) = 0;
  /// Starts the submitted calls. Must be called after each round of submits, before `wait`.
  virtual void flush() = 0;
  /// Requests that a submitted call ends; its completion is still reported, after a flush.
  virtual void cancel(std::uint32_t slot) = 0;
  /// Returns the outcome of a completed call, once.
  [[nodiscard]] virtual Result<Reply> take(std::uint32_t slot) = 0;
  /// Creates a session to be opened, whose completions carry these numbers.
  [[nodiscard]] virtual std::unique_ptr<ExecutorSession> make_session(std::uint32_t first, std::uint32_t second) = 0;
  /// Appends completions. Waits until there is one, until `deadline`, or until a wake.
  virtual void wait(Clock::time_point deadline, std::vector<Ended>& ended) = 0;
  /// Ends the current wait, or else the next one, at once. [any-thread]
  virtual void wake() = 0;
};

}  // namespace tenon::internal
