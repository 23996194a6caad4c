/// worker/task_runner.hpp: runs one submission after another.
#pragma once

#include <string_view>
#include <vector>

#include <tenon/error.hpp>

#include "base/clock.hpp"
#include "worker/call_context.hpp"
#include "worker/core.hpp"
#include "worker/session_table.hpp"

namespace tenon::internal {

/// [task-thread]
class TaskRunner {
 public:
  explicit TaskRunner(WorkerCore& core) : core_(core) {}

  /// Runs the submission and writes its completion without publishing it. Errors: host and worker
  /// do not match.
  [[nodiscard]] Result<void> execute(const Submission& submission);
  /// Whether recent calls of its task were so short that earlier completions can wait until this
  /// one ends.
  [[nodiscard]] bool is_short(const Submission& submission) const noexcept;
  /// When the last submission finished.
  [[nodiscard]] MonotonicNs last_end_ns() const noexcept { return last_end_ns_; }
  /// Notes that the worker has waited since the last submission: the time in between does not count
  /// for the next one.
  void waited() noexcept { last_end_ns_ = 0; }
  void close_sessions() { sessions_.close_all(); }

 private:
  // The parts of a completion.
  struct Answer {
    CallOutcome outcome;
    CompletionDescriptor completion;
  };

  [[nodiscard]] Result<void> dispatch(const Submission& submission);
  [[nodiscard]] Result<void> run_call(const Submission& submission, const Route& route);
  [[nodiscard]] Result<void> run_bulk(const Submission& submission, Route& route);
  [[nodiscard]] Result<void> open(const Submission& submission, const Route& route);
  [[nodiscard]] Result<void> step(const Submission& submission, OpenSession& session);
  [[nodiscard]] Result<void> checkpoint(const Submission& submission, OpenSession& session);

  [[nodiscard]] Result<CallContext::Options> common_options(const Submission& submission, const Route& route);
  [[nodiscard]] Result<void> finish_error(tenon_status_t status, std::string_view message, std::uint16_t flags = 0);
  [[nodiscard]] Result<void> finish_error(const Error& error) {
    return finish_error(static_cast<tenon_status_t>(error.code), error.message);
  }
  [[nodiscard]] Result<void> finish_blob(CompletionDescriptor completion, ResultBlob& blob);
  /// Adds the checkpoint that accompanies the results of a step that started at `began_ns`. Returns
  /// whether there is one.
  [[nodiscard]] bool add_checkpoint(const Submission& submission, OpenSession& session,
                                    std::vector<ResultBlob>& results, MonotonicNs began_ns);
  [[nodiscard]] Result<void> finish_frames(CompletionDescriptor completion, std::vector<ResultBlob>& blobs);

  WorkerCore& core_;
  SessionTable sessions_;
  MonotonicNs last_end_ns_ = 0;
  std::int64_t calls_run_ = 1;  // Number of calls in the last submission.
};

}  // namespace tenon::internal
