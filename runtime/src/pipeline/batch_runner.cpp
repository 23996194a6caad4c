#include "pipeline/batch_runner.hpp"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "pipeline/pace.hpp"
#include "pipeline/retries.hpp"
#include "pipeline/session_recovery.hpp"

namespace tenon::internal {
namespace {

/// Attempts of an idempotent batch whose worker dies, if the file sets no retry policy.
constexpr std::uint32_t kIdempotentAttempts = 3;

}  // namespace

BatchRunner::BatchRunner(RunContext& run, std::uint32_t node)
    : NodeRunner(run, node), batches_(plan_.workers > 0 ? plan_.workers : std::max(1U, run.executor.worker_count())) {}

void BatchRunner::pump() {
  static_cast<void>(flush_outbox());
  while (true) {
    gather();
    drop_incomplete();
    const auto place = std::find_if(batches_.begin(), batches_.end(),
                                    [](const Batch& batch) { return batch.session.items().empty(); });
    if (!due() || place == batches_.end() || outbox_.size() >= batches_.size()) {
      break;
    }
    begin_gathered(static_cast<std::uint32_t>(place - batches_.begin()));
  }
  if (active_ == 0 && outbox_.empty() && input_ended()) {
    finish();
  }
}

void BatchRunner::wind_down() {
  // Everything fits into closed edges.
  static_cast<void>(flush_outbox());
  report_.dropped += gathered_.size();
  clear_gathered();
  // A batch that waits for its next attempt is dropped when its timer fires.
  if (active_ == 0) {
    finish();
  }
}

void BatchRunner::gather() {
  while (gathered_.size() < plan_.batch_size) {
    const std::optional<std::uint32_t> edge = run_.flow.next_edge(node_);
    if (!edge) {
      return;
    }
    if (gathered_.empty() && plan_.batch_wait) {
      set_timer(run_.now + *plan_.batch_wait, NodeTimer::Kind::kGather, 0, gathered_generation_);
    }
    gathered_.push_back(run_.flow.pop(*edge));
    ++active_;
  }
}

void BatchRunner::drop_incomplete() {
  if (!run_.flow.cut(node_) || !input_ended() || gathered_.empty() || gathered_.size() == plan_.batch_size ||
      gathered_due_) {
    return;
  }
  report_.dropped += gathered_.size();
  report_.note = "the last batch, of " + std::to_string(gathered_.size()) +
                 ", was dropped: the run was interrupted before its input ended";
  clear_gathered();
}

void BatchRunner::clear_gathered() {
  active_ -= gathered_.size();
  gathered_.clear();
  ++gathered_generation_;
}

bool BatchRunner::due() const {
  return gathered_.size() == plan_.batch_size || gathered_due_ || (!gathered_.empty() && input_ended());
}

void BatchRunner::begin_gathered(std::uint32_t which) {
  Batch& batch = batches_[which];
  for (Item& item : gathered_) {
    batch.session.add(std::move(item));
  }
  gathered_.clear();
  batch.number = next_number_++;
  batch.attempt = 1;
  batch.losses = {};
  ++gathered_generation_;
  gathered_due_ = false;
  begin(which);
}

void BatchRunner::begin(std::uint32_t which) {
  Batch& batch = batches_[which];
  if (run_.flow.unwanted(node_)) {
    drop(which);
    schedule();
    return;
  }
  ++batch.generation;
  batch.timed_out = false;
  if (plan_.timeout) {
    // The time limit covers all operations of the batch.
    set_timer(run_.now + *plan_.timeout, NodeTimer::Kind::kBatchTimeout, which, batch.generation);
  }
  batch.session.open(run_.executor, plan_, node_, which);
  operation_began();
}

void BatchRunner::fired(const NodeTimer& timer) {
  switch (timer.kind) {
    case NodeTimer::Kind::kGather:
      if (gathered_generation_ == timer.generation) {
        gathered_due_ = true;
        schedule();
      }
      return;
    case NodeTimer::Kind::kBatchTimeout: {
      Batch& batch = batches_[timer.which];
      if (batch.generation == timer.generation && !batch.session.closed()) {
        batch.timed_out = true;
        batch.session.cancel();
      }
      return;
    }
    case NodeTimer::Kind::kBatchRetry:
      if (run_.paused) {
        run_.timers.hold(timer);
      } else {
        begin(timer.which);
      }
      return;
    default:
      NodeRunner::fired(timer);
      return;
  }
}

void BatchRunner::ended(std::uint32_t which) {
  operation_ended();
  FedSession::Step step = batches_[which].session.take();
  if (run_.aborted) {
    return;
  }
  schedule();
  if (run_.flow.unwanted(node_)) {
    drop(which);
    return;
  }
  stepped(which, std::move(step));
}

void BatchRunner::stepped(std::uint32_t which, FedSession::Step step) {
  Batch& batch = batches_[which];
  // A result that has come counts: what the task has written would otherwise be written again.
  if (!step.outcome.error && batch.timed_out && step.phase != FedSession::Phase::kFinishing) {
    step.outcome.error = Error{ErrorCode::kDeadline, {}, {}};
  }
  if (step.outcome.error) {
    fail_batch(which, step.phase, std::move(*step.outcome.error));
    return;
  }
  if (step.phase == FedSession::Phase::kFinishing) {
    outbox_.push_back({std::move(step.outcome.results.front()), batch.number});
    report_.grouped += batch.session.items().size();
    vacate(which);
    return;
  }
  if (batch.session.fed() < batch.session.items().size()) {
    batch.session.feed(StepSize::kMost);  // A batch already is one unit of work.
  } else {
    batch.session.finish();
  }
  operation_began();
}

void BatchRunner::fail_batch(std::uint32_t which, FedSession::Phase phase, Error error) {
  Batch& batch = batches_[which];
  if (restart(which, phase, error)) {
    return;
  }
  batch.session.close();
  if (batch.timed_out) {
    error.code = ErrorCode::kDeadline;
    error.message = "the batch did not end within its time-out";
  }
  const bool died = error.code == ErrorCode::kCrashed || error.code == ErrorCode::kUnavailable;
  if (may_retry(plan_, error, batch.attempt) ||
      (died && plan_.idempotent && !plan_.retries && batch.attempt < kIdempotentAttempts)) {
    set_timer(run_.now + backoff(plan_.retry, batch.attempt), NodeTimer::Kind::kBatchRetry, which);
    ++batch.attempt;
    ++report_.retried;
    return;
  }
  const std::vector<Item>& items = batch.session.items();
  record_failure("batch " + std::to_string(batch.number) + " (" + std::to_string(items.size()) + " items, from " +
                     identify(items.front()) + ")",
                 items.size(), std::move(error));
  vacate(which);
}

bool BatchRunner::restart(std::uint32_t which, FedSession::Phase phase, const Error& error) {
  Batch& batch = batches_[which];
  const std::optional<SessionLosses::Cause> cause = loss_cause(error, plan_.timeout.has_value());
  // A death in its own operation counts as an attempt, except while the session was being opened:
  // it had no item yet.
  if (batch.timed_out || !cause ||
      ((*cause == SessionLosses::Cause::kOwn || *cause == SessionLosses::Cause::kKilled) &&
       phase != FedSession::Phase::kOpening)) {
    return false;
  }
  const auto wait = batch.losses.lost(*cause, run_.ended_calls);
  if (!wait) {
    return false;
  }
  batch.session.close();
  ++batch.generation;  // Its time-out starts again.
  ++report_.retried;
  set_timer(run_.now + std::chrono::duration_cast<Executor::Clock::duration>(*wait), NodeTimer::Kind::kBatchRetry,
            which);
  return true;
}

void BatchRunner::drop(std::uint32_t which) {
  report_.dropped += batches_[which].session.items().size();
  vacate(which);
}

void BatchRunner::vacate(std::uint32_t which) {
  Batch& batch = batches_[which];
  active_ -= batch.session.items().size();
  ++batch.generation;
  batch.session.forget();
  batch.session.close();
}

void BatchRunner::cancel() {
  for (Batch& batch : batches_) {
    if (!batch.session.idle()) {
      batch.session.cancel();
    }
  }
}

}  // namespace tenon::internal
