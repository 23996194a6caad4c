#include "pipeline/reduce_runner.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include "pipeline/session_recovery.hpp"

namespace tenon::internal {
namespace {

constexpr std::uint64_t kMaxFeedBytes = std::uint64_t{16} << 20;
/// A new checkpoint is requested after this many items, or after this many bytes kept for feeding
/// again.
constexpr std::uint64_t kCheckpointItems = 4096;
constexpr std::uint64_t kCheckpointBytes = std::uint64_t{64} << 20;

}  // namespace

void ReduceRunner::pump() {
  if (over_) {
    if (flush_outbox()) {
      finish();
    }
    return;
  }
  if (run_.flow.cut(node_)) {
    drop_input();
    return;
  }
  if (session_.closed()) {
    if (!waits_) {
      open();
    }
    return;
  }
  if (session_.idle()) {
    advance();
  }
}

void ReduceRunner::advance() {
  if (session_.fed() < session_.items().size()) {
    feed();
    return;
  }
  if (recoverable_ && (session_.items().size() >= kCheckpointItems || session_.bytes() >= kCheckpointBytes)) {
    checkpoint();
    return;
  }
  const std::uint64_t before = session_.bytes();
  for (std::size_t i = 0; i < step_.size() && session_.bytes() - before < kMaxFeedBytes; ++i) {
    const std::optional<std::uint32_t> edge = run_.flow.next_edge(node_);
    if (!edge) {
      break;
    }
    session_.add(run_.flow.pop(*edge));
    ++active_;
  }
  if (session_.fed() < session_.items().size()) {
    feed();
  } else if (input_ended()) {
    session_.finish();
    operation_began();
  }
}

void ReduceRunner::open() {
  session_.open(run_.executor, plan_, node_, 0, checkpoint_.bytes_in_place(), plan_.timeout);
  operation_began();
}

void ReduceRunner::feed() {
  std::size_t most = step_.size();
  if (session_.fed() < counted_) {
    most = std::min(most, counted_ - session_.fed());  // As in StreamSession::next.
  }
  step_began_ = run_.now;
  session_.feed(most);
  operation_began();
}

void ReduceRunner::checkpoint() {
  session_.checkpoint();
  operation_began();
}

void ReduceRunner::ended(std::uint32_t /*which*/) {
  operation_ended();
  FedSession::Step step = session_.take();
  if (run_.aborted) {
    return;
  }
  schedule();
  if (run_.flow.unwanted(node_)) {
    return;
  }
  switch (step.phase) {
    case FedSession::Phase::kOpening:
      opened(std::move(step.outcome));
      return;
    case FedSession::Phase::kCheckpointing:
      checkpointed(std::move(step.outcome));
      return;
    case FedSession::Phase::kFeeding:
      was_fed(std::move(step));
      return;
    case FedSession::Phase::kFinishing:
      finished(std::move(step.outcome));
      return;
    case FedSession::Phase::kClosed:
    case FedSession::Phase::kIdle:
      return;
  }
}

void ReduceRunner::opened(ExecutorSession::Outcome outcome) {
  if (outcome.error) {
    recover(std::move(*outcome.error));
  } else if (!probed_) {
    // The first checkpoint is requested at the start, which shows whether the session can survive a
    // crash.
    checkpoint();
  }
}

void ReduceRunner::checkpointed(ExecutorSession::Outcome outcome) {
  if (outcome.error && loss_cause(*outcome.error, plan_.timeout.has_value())) {
    recover(std::move(*outcome.error));
    return;
  }
  const bool first = !probed_;
  probed_ = true;
  // Without a checkpoint the session continues, but it cannot be opened again. An empty checkpoint
  // means the start.
  recoverable_ = !outcome.error && !outcome.results.empty() && (first || outcome.results.front().size_bytes() > 0);
  checkpoint_ = recoverable_ ? std::move(outcome.results.front()) : Reply();
  losses_.progressed();
  kept_all_ = kept_all_ && (recoverable_ || first);
  forget();
}

void ReduceRunner::was_fed(FedSession::Step step) {
  if (step.outcome.error) {
    recover(std::move(*step.outcome.error));
    return;
  }
  step_.stepped(step.fed, run_.now - step_began_);
  if (session_.fed() == counted_) {
    step_.lost();  // The next item may be the one that killed the worker.
  }
  if (session_.fed() > counted_) {
    active_ -= session_.fed() - counted_;
    report_.grouped += session_.fed() - counted_;
    counted_ = session_.fed();
    losses_.progressed();
  }
  if (!recoverable_) {
    kept_all_ = false;
    forget();
  }
}

void ReduceRunner::finished(ExecutorSession::Outcome outcome) {
  if (outcome.error) {
    recover(std::move(*outcome.error));
    return;
  }
  over_ = true;
  forget();
  if (plan_.kind == NodeKind::kSink) {
    ++report_.items_out;
    run_.ledger.report().outputs.emplace_back(plan_.name, std::move(outcome.results.front()));
  } else {
    outbox_.push_back({std::move(outcome.results.front()), next_index_++});
  }
}

void ReduceRunner::recover(Error error) {
  Recovery recovery = recover_session(std::move(error),
                                      {.has_timeout = plan_.timeout.has_value(),
                                       .can_reopen = recoverable_ || kept_all_,
                                       .ended_calls = run_.ended_calls,
                                       .culprit = run_.last_culprit()},
                                      losses_);
  if (!recovery.reopens_after) {
    fail_run(std::move(recovery.error), recovery.why);
    return;
  }
  ++report_.retried;
  if (counted_ == 0) {
    step_.lost();  // If earlier work must be repeated, the step size stays.
  }
  session_.close();  // Its pump opens it.
  if (recovery.reopens_after->count() > 0) {
    waits_ = true;
    set_timer(run_.now + std::chrono::duration_cast<Executor::Clock::duration>(*recovery.reopens_after),
              NodeTimer::Kind::kReopen);
  }
}

void ReduceRunner::fired(const NodeTimer& /*reopen*/) {
  waits_ = false;
  // Its pump opens the session again, unless the node no longer needs one.
  schedule();
}

void ReduceRunner::forget() {
  session_.forget();
  counted_ = 0;
}

void ReduceRunner::drop_taken() {
  session_.close();
  report_.dropped += active_ + std::exchange(report_.grouped, 0);
  active_ = 0;
  forget();
}

void ReduceRunner::drop_input() {
  if (!session_.idle()) {
    return;
  }
  drop_taken();
  while (const std::optional<std::uint32_t> edge = run_.flow.next_edge(node_)) {
    static_cast<void>(run_.flow.pop(*edge));
    ++report_.dropped;
  }
  if (input_ended()) {
    over_ = true;
    report_.note = "no result: the run was interrupted before its input ended";
    finish();
  }
}

void ReduceRunner::wind_down() {
  // Everything fits into closed edges.
  static_cast<void>(flush_outbox());
  if (!session_.idle()) {
    return;
  }
  if (!over_) {
    drop_taken();
    over_ = true;
  }
  finish();
}

void ReduceRunner::cancel() {
  if (!session_.idle()) {
    session_.cancel();
  }
}

}  // namespace tenon::internal
