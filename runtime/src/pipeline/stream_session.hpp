/// pipeline/stream_session.hpp: a session of a task that gives many results, across the deaths of
/// its workers.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <tenon/bytes.hpp>
#include <tenon/error.hpp>
#include <tenon/options.hpp>
#include <tenon/reply.hpp>

#include "pipeline/executor.hpp"
#include "pipeline/given_items.hpp"
#include "pipeline/pace.hpp"
#include "pipeline/plan.hpp"
#include "pipeline/session_losses.hpp"
#include "pipeline/session_recovery.hpp"

namespace tenon::internal {

/// One session from its opening to its last result. A source is one such session; an expand has one
/// for an item. Each result is given once: a session that is opened again continues after its last
/// checkpoint, and must repeat what it gave since then.
///
///   if (session.closed()) session.open(executor, node, which, argument);
///   else if (session.checkpoint_due()) session.checkpoint();
///   else if (room > 0) session.next(room, now);
///   ... the operation ends ...
///   StreamSession::Step step = session.take(now);
///   if (step.error) session.recover(std::move(*step.error), ...);
///
/// At most one operation is under way; its node decides when the next one begins. Not thread-safe.
class StreamSession {
 public:
  using TimePoint = Executor::Clock::time_point;

  /// What is known about the task's checkpoints when a session is opened for the first time.
  enum class Checkpoints : std::uint8_t {
    kUnknown,  ///< The session requests one at its start, to learn whether it can survive a crash.
    kGiven,    ///< The task gives them, so the start counts as the first one.
    kNone,     ///< The task gives none; the session cannot be opened again after its first result.
  };

  /// A repeated result that differs from the original. Results count from 1.
  struct Mismatch {
    std::uint64_t result = 0;
    std::uint64_t of = 0;  ///< How many results the session has given.
    std::string how;       ///< "is missing" or "differs from the one it gave before".
  };

  /// The outcome of an operation.
  struct Step {
    std::vector<Reply> results;  ///< Only new ones, in order.
    std::optional<Error> error;
    std::optional<Mismatch> mismatch;
  };

  /// `plan` outlives the session.
  StreamSession(const PlanNode& plan, Checkpoints checkpoints, StepSize step = {});

  /// Whether no operation is under way.
  [[nodiscard]] bool idle() const noexcept { return phase_ == Phase::kClosed || phase_ == Phase::kIdle; }
  /// Whether it must be opened before anything else.
  [[nodiscard]] bool closed() const noexcept { return phase_ == Phase::kClosed; }
  /// Whether it has given its last result.
  [[nodiscard]] bool ended() const noexcept { return ended_; }
  /// The time before which no operation should begin: the task had nothing to give, or the session
  /// was lost and there is a delay.
  [[nodiscard]] TimePoint resumes_at() const noexcept { return resumes_at_; }
  /// How many new results it has given.
  [[nodiscard]] std::uint64_t given() const noexcept { return total_; }
  [[nodiscard]] const StepSize& step() const noexcept { return step_; }
  [[nodiscard]] Checkpoints checkpoints() const noexcept;
  /// Whether a new session can replace this one without losing or duplicating results.
  [[nodiscard]] bool can_reopen() const noexcept { return recoverable_ || total_ == 0; }

  /// Begins to open it, from its last checkpoint. `argument` must stay valid until that has ended.
  /// The completions carry `first` and `second`.
  void open(Executor& executor, std::uint32_t first, std::uint32_t second, BytesView argument);
  /// Whether a checkpoint should be taken before the next results.
  [[nodiscard]] bool checkpoint_due() const noexcept;
  void checkpoint();
  /// Requests at most `room` results. While results must be repeated, it requests only those.
  void next(std::uint32_t room, TimePoint now);
  /// Requests that the operation under way ends soon.
  void cancel();

  /// Takes the outcome of the operation that has ended. After that, another one may be under way:
  /// the checkpoint that follows the opening.
  [[nodiscard]] Step take(TimePoint now);
  /// Drops the outcome of the operation that has ended, in a run that was aborted.
  void drop();

  /// Decides whether the session is opened again after an error. If so, it is closed now.
  [[nodiscard]] Recovery recover(Error error, std::uint64_t ended_calls, std::string culprit, TimePoint now);
  /// Closes it for another attempt after an error, from its last checkpoint. Earlier deaths do not
  /// count any more. Requires `can_reopen`.
  void retry(TimePoint at);

  /// Returns the progress that the task reported last.
  [[nodiscard]] std::optional<Progress> progress() const;

 private:
  /// Closes the session. It is opened again from its last checkpoint at `at`.
  void reopen(TimePoint at);
  enum class Phase : std::uint8_t { kClosed, kOpening, kProbing, kIdle, kWorking, kCheckpointing };

  void checkpointed(ExecutorSession::Outcome outcome);
  void stepped(ExecutorSession::Outcome outcome, TimePoint now, Step& step);

  const PlanNode& plan_;
  std::unique_ptr<ExecutorSession> session_;
  Phase phase_ = Phase::kClosed;
  bool recoverable_ = false;  ///< The session has a checkpoint, or its start counts as one.
  bool probed_ = false;       ///< A checkpoint has been requested at its start, or need not be.
  bool has_none_ = false;     ///< The task gives no checkpoints.
  bool ended_ = false;
  Reply checkpoint_;  ///< Empty: the start.
  GivenItems given_;  ///< The results since the checkpoint.
  std::uint64_t given_bytes_ = 0;
  std::uint64_t total_ = 0;
  SessionLosses losses_;
  StepSize step_;
  TimePoint step_began_{};
  std::chrono::nanoseconds pause_{0};
  TimePoint resumes_at_{};
};

}  // namespace tenon::internal
