/// What the engine runs tasks with. The one behind run_pipeline is a Runtime; the tests' own simulates workers and
/// time.
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

/// What has ended: a call by its slot, or the operation of a session.
struct Ended {
  enum class Kind : std::uint32_t { kCall, kSession };
  Kind kind = Kind::kCall;
  std::uint32_t first = 0;   ///< Slot of the call; node of the session.
  std::uint32_t second = 0;  ///< Which of the node's sessions.
};

/// A session with one operation under way at most. The end of each is given once by Executor::wait; then `take` has the
/// outcome. Used by the engine's thread alone; destroyed only with no operation under way.
class ExecutorSession {
 public:
  struct Outcome {
    std::optional<Error> error;
    std::vector<Reply> results;  ///< Of next, finish or checkpoint.
    bool ended = false;          ///< Of next: no further results come.
    Reply checkpoint;            ///< Of next: behind `results`; empty if none came along.
  };
  ExecutorSession() = default;
  ExecutorSession(const ExecutorSession&) = delete;
  ExecutorSession& operator=(const ExecutorSession&) = delete;
  virtual ~ExecutorSession() = default;

  virtual void open(const std::string& task, const SessionOptions& options) = 0;
  /// Asks for a checkpoint along with the results, which the task gives if that is cheap.
  virtual void next(std::uint32_t max_results) = 0;
  virtual void feed(const std::vector<Reply>& arguments) = 0;
  virtual void finish() = 0;
  virtual void checkpoint() = 0;
  /// Asks the operation under way to end soon; its end still comes.
  virtual void cancel() = 0;
  [[nodiscard]] virtual Outcome take() = 0;
  /// What the task last reported.
  [[nodiscard]] virtual std::optional<Progress> progress() const = 0;
};

/// Runs calls and sessions. Used by the engine's thread alone, but for `wake`.
class Executor {
 public:
  using Clock = std::chrono::steady_clock;

  Executor() = default;
  Executor(const Executor&) = delete;
  Executor& operator=(const Executor&) = delete;
  virtual ~Executor() = default;

  [[nodiscard]] virtual unsigned worker_count() const = 0;
  [[nodiscard]] virtual Clock::time_point now() const = 0;
  /// A call to begin, at the latest at the next flush, so that calls may be gathered. Its slot is free again after
  /// `take`; `task` and `argument` stay where they are until then. `options` is one object per stage, valid for the
  /// whole run: calls with the same pointer are of one task with the same options. `earlier` are the attempts that the
  /// engine has made before with this item.
  virtual void submit(std::uint32_t slot, const std::string& task, const Reply& argument, const CallOptions* options,
                      const EarlierAttempts& earlier) = 0;
  /// Begins what has been submitted. Comes after each round of submits, before `wait`.
  virtual void flush() = 0;
  /// Asks a submitted call to end; its end still comes, after a flush.
  virtual void cancel(std::uint32_t slot) = 0;
  /// The outcome of a call that has ended, once.
  [[nodiscard]] virtual Result<Reply> take(std::uint32_t slot) = 0;
  /// A session to be opened, whose ends carry these numbers.
  [[nodiscard]] virtual std::unique_ptr<ExecutorSession> make_session(std::uint32_t first, std::uint32_t second) = 0;
  /// Appends what has ended; waits until something has, or `deadline`, or a wake.
  virtual void wait(Clock::time_point deadline, std::vector<Ended>& ended) = 0;
  /// Ends the wait under way, or else the next one, at once. [any-thread]
  virtual void wake() = 0;
};

}  // namespace tenon::internal
