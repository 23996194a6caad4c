/// worker/executor.hpp: runs one submission after another.
#pragma once

#include <string_view>
#include <vector>

#include <tenon/error.hpp>

#include "worker/call_context.hpp"
#include "worker/core.hpp"
#include "worker/session_table.hpp"

namespace tenon::internal {

/// [task-thread]
class Executor {
 public:
  explicit Executor(WorkerCore& core) : core_(core) {}

  /// Runs the submission and writes its answer; not yet published. Errors: host and worker do not understand each
  /// other.
  [[nodiscard]] Result<void> execute(const Submission& submission);
  void close_sessions() { sessions_.close_all(); }

 private:
  // What an answer is made of.
  struct Answer {
    CallOutcome outcome;
    CompletionDescriptor completion;
  };

  [[nodiscard]] Result<void> run_call(const Submission& submission, const Route& route);
  [[nodiscard]] Result<void> open(const Submission& submission, const Route& route);
  [[nodiscard]] Result<void> step(const Submission& submission, OpenSession& session);
  [[nodiscard]] Result<void> checkpoint(const Submission& submission, OpenSession& session);

  [[nodiscard]] Result<CallContext::Options> common_options(const Submission& submission, const Route& route);
  [[nodiscard]] Result<void> finish_error(tenon_status_t status, std::string_view message, std::uint16_t flags = 0);
  [[nodiscard]] Result<void> finish_error(const Error& error) {
    return finish_error(static_cast<tenon_status_t>(error.code), error.message);
  }
  [[nodiscard]] Result<void> finish_blob(CompletionDescriptor completion, ResultBlob& blob);
  [[nodiscard]] Result<void> finish_frames(CompletionDescriptor completion, std::vector<ResultBlob>& blobs);

  WorkerCore& core_;
  SessionTable sessions_;
};

}  // namespace tenon::internal
