#include "pipeline/expand_runner.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include "pipeline/retries.hpp"

namespace tenon::internal {
namespace {

Expansion::Limits limits(const PlanNode& plan, unsigned workers) {
  return {.sessions = plan.workers > 0 ? plan.workers : 2 * std::max(1U, workers),
          .ordered = plan.order == OrderKind::kInput,
          .held = plan.queue};
}

}  // namespace

ExpandRunner::ExpandRunner(RunContext& run, std::uint32_t node)
    : NodeRunner(run, node), expansion_(plan_, limits(plan_, run.executor.worker_count())) {}

void ExpandRunner::pump() {
  static_cast<void>(flush_outbox());
  while (expansion_.takes()) {
    const std::optional<std::uint32_t> edge = run_.flow.next_edge(node_);
    if (!edge) {
      break;
    }
    ++active_;
    expansion_.take(run_.flow.pop(*edge));
  }
  for (const std::uint32_t which : expansion_.next_round()) {
    step(which);
  }
  if (expansion_.empty() && outbox_.empty() && input_ended()) {
    finish();
  }
}

void ExpandRunner::wind_down() {
  // Everything fits into closed edges.
  static_cast<void>(flush_outbox());
  // This iterates over a copy, because `discard` removes items from the list.
  for (const std::uint32_t which : std::vector<std::uint32_t>(expansion_.open())) {
    if (expansion_[which].session->idle()) {
      discard(which);
    }
  }
  if (active_ == 0) {
    finish();
  }
}

std::uint32_t ExpandRunner::room(std::uint32_t which) {
  if (expansion_.holds_back(which)) {
    return expansion_.room_to_hold(which);
  }
  if (!outbox_.empty()) {
    return 0;  // There is no room even for these. The pump that passes them on comes back here.
  }
  return run_.flow.room_for_step(plan_.outputs[0], expansion_[which].session->step(), expansion_.ahead(),
                                 expansion_.sharers());
}

void ExpandRunner::step(std::uint32_t which) {
  Expansion::Entry& entry = expansion_[which];
  StreamSession& session = *entry.session;
  if (!session.idle() || session.resumes_at() > run_.now) {
    return;
  }
  if (session.closed()) {
    session.open(run_.executor, node_, which, entry.item.reply.bytes_in_place());
  } else if (session.checkpoint_due()) {
    session.checkpoint();
  } else {
    const std::uint32_t most = room(which);
    if (most == 0) {
      return;
    }
    expansion_.asked(which, most);
    session.next(most, run_.now);
  }
  operation_began();
}

void ExpandRunner::ended(std::uint32_t which) {
  operation_ended();
  StreamSession& session = *expansion_[which].session;
  if (run_.aborted) {
    session.drop();
    return;
  }
  schedule();
  if (run_.flow.unwanted(node_)) {
    session.drop();
    expansion_.answered(which);
    discard(which);
    return;
  }
  StreamSession::Step step = session.take(run_.now);
  expansion_.answered(which);
  if (!session.idle()) {
    operation_began();
  }
  if (step.error) {
    recover(which, std::move(*step.error));
    return;
  }
  if (step.mismatch) {
    fail(which, Error{ErrorCode::kFailed,
                      "the task did not repeat its earlier results when its session was opened again: result " +
                          std::to_string(step.mismatch->result) + " of " + std::to_string(step.mismatch->of) + " " +
                          step.mismatch->how +
                          ". The data that the task reads has changed, so results would be lost or duplicated",
                      {}});
    return;
  }
  const bool idle = step.results.empty() && session.idle();
  if (!step.results.empty()) {
    run_.ledger.succeeded(node_);
  }
  ready_.clear();
  expansion_.gave(which, std::move(step.results), ready_);
  pass_on_ready();
  if (session.ended()) {
    complete(which);
  } else if (run_.draining && idle && session.resumes_at() > run_.now) {
    // Its task is waiting for more results to give, which would keep a stopping run alive.
    run_.flow.set_cut(node_, true);
    drop(which);
  } else {
    wake_at(session.resumes_at());
  }
}

void ExpandRunner::recover(std::uint32_t which, Error error) {
  Expansion::Entry& entry = expansion_[which];
  StreamSession& session = *entry.session;
  if (error.code == ErrorCode::kCrashed && error.context.charged) {
    run_.last_crash = node_;
  }
  Recovery recovery = session.recover(std::move(error), run_.ended_calls, run_.last_culprit(), run_.now);
  if (!recovery.reopens_after && session.can_reopen() && may_retry(plan_, recovery.error, entry.attempt)) {
    session.retry(run_.now +
                  std::chrono::duration_cast<Executor::Clock::duration>(backoff(plan_.retry, entry.attempt)));
    ++entry.attempt;
  } else if (!recovery.reopens_after) {
    if (!recovery.why.empty()) {
      recovery.error.message += "; " + recovery.why;
    }
    fail(which, std::move(recovery.error));
    return;
  }
  ++report_.retried;
  wake_at(session.resumes_at());
}

void ExpandRunner::fail(std::uint32_t which, Error error) {
  const Expansion::Entry& entry = expansion_[which];
  if (const std::uint64_t given = entry.session->given(); given > 0) {
    error.message +=
        "; its first " + std::to_string(given) + (given == 1 ? " result" : " results") + " had been passed on before";
  }
  ++run_.ended_calls;
  fail_item(entry.item, std::move(error));
  over(which);
}

void ExpandRunner::complete(std::uint32_t which) {
  ++run_.ended_calls;
  run_.ledger.succeeded(node_);
  ++report_.grouped;
  over(which);
}

void ExpandRunner::drop(std::uint32_t which) {
  ++report_.dropped;
  over(which);
}

void ExpandRunner::discard(std::uint32_t which) {
  ++report_.dropped;
  --active_;
  ready_.clear();
  expansion_.over(which, ready_);
  ready_.clear();
}

void ExpandRunner::over(std::uint32_t which) {
  --active_;
  ready_.clear();
  expansion_.over(which, ready_);
  pass_on_ready();
}

void ExpandRunner::pass_on_ready() {
  for (Reply& result : ready_) {
    outbox_.push_back({std::move(result), next_index_++});
  }
}

void ExpandRunner::cancel() {
  for (const std::uint32_t which : expansion_.open()) {
    StreamSession& session = *expansion_[which].session;
    if (!session.idle()) {
      session.cancel();
    }
  }
}

}  // namespace tenon::internal
