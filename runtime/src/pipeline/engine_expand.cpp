// Expands: a session of a task that gives many results for each item. Expansion decides which
// sessions run and whose results come next.
#include <utility>

#include "pipeline/engine.hpp"

namespace tenon::internal {

void Engine::pump_expand(std::uint32_t node) {
  NodeState& state = nodes_[node];
  Expansion& expansion = *state.expansion;
  static_cast<void>(flush_outbox(node));
  while (expansion.takes()) {
    const std::uint32_t edge = next_edge(state);
    if (edge == kNone) {
      break;
    }
    ++state.active;
    expansion.take(pop(edge));
  }
  for (const std::uint32_t which : expansion.next_round()) {
    step_expansion(node, which);
  }
  if (expansion.empty() && state.outbox.empty() && input_ended(state)) {
    finish_node(node);
  }
}

void Engine::step_expansion(std::uint32_t node, std::uint32_t which) {
  NodeState& state = nodes_[node];
  Expansion& expansion = *state.expansion;
  Expansion::Entry& entry = expansion[which];
  StreamSession& session = *entry.session;
  if (!session.idle() || session.resumes_at() > now_) {
    return;
  }
  if (session.closed()) {
    session.open(executor_, node, which, entry.item.reply.bytes_in_place());
  } else if (session.checkpoint_due()) {
    session.checkpoint();
  } else {
    const std::uint32_t room =
        expansion.holds_back(which) ? expansion.room_to_hold(which) : stream_room(state, session.step());
    if (room == 0) {
      return;
    }
    expansion.asked(which, room);
    session.next(room, now_);
  }
  operation_began(node);
}

void Engine::expansion_ended(std::uint32_t node, std::uint32_t which) {
  NodeState& state = nodes_[node];
  Expansion& expansion = *state.expansion;
  StreamSession& session = *expansion[which].session;
  if (aborted_) {
    session.drop();
    return;
  }
  schedule(node);
  if (state.unwanted) {
    session.drop();
    expansion.answered(which);
    drop_expansion(node, which);
    return;
  }
  StreamSession::Step step = session.take(now_);
  expansion.answered(which);
  if (!session.idle()) {
    operation_began(node);
  }
  if (step.error) {
    recover_expansion(node, which, std::move(*step.error));
    return;
  }
  if (step.mismatch) {
    end_expansion(node, which,
                  Error{ErrorCode::kFailed,
                        "the task did not repeat its earlier results when its session was opened again: result " +
                            std::to_string(step.mismatch->result) + " of " + std::to_string(step.mismatch->of) + " " +
                            step.mismatch->how +
                            ". The data that the task reads has changed, so results would be lost or duplicated",
                        {}});
    return;
  }
  const bool idle = step.results.empty() && session.idle();
  state.went_well = state.went_well || !step.results.empty();
  ready_.clear();
  expansion.gave(which, std::move(step.results), ready_);
  pass_on_ready(state);
  if (session.ended()) {
    end_expansion(node, which, std::nullopt);
  } else if (draining_ && idle && session.resumes_at() > now_) {
    cut_expansion(node, which);
  } else {
    wake_at(node, session.resumes_at());
  }
}

void Engine::recover_expansion(std::uint32_t node, std::uint32_t which, Error error) {
  NodeState& state = nodes_[node];
  Expansion::Entry& entry = (*state.expansion)[which];
  StreamSession& session = *entry.session;
  if (error.code == ErrorCode::kCrashed && error.context.charged) {
    last_crash_ = node;
  }
  Recovery recovery = session.recover(std::move(error), ended_calls_, last_culprit(), now_);
  if (!recovery.reopens_after && session.can_reopen() && may_retry(*state.plan, recovery.error, entry.attempt)) {
    session.retry(now_ + std::chrono::duration_cast<Clock::duration>(backoff(state.plan->retry, entry.attempt)));
    ++entry.attempt;
  } else if (!recovery.reopens_after) {
    if (!recovery.why.empty()) {
      recovery.error.message += "; " + recovery.why;
    }
    end_expansion(node, which, std::move(recovery.error));
    return;
  }
  ++state.report.retried;
  wake_at(node, session.resumes_at());
}

void Engine::end_expansion(std::uint32_t node, std::uint32_t which, std::optional<Error> error) {
  NodeState& state = nodes_[node];
  Expansion::Entry& entry = (*state.expansion)[which];
  ++ended_calls_;
  --state.active;
  if (error) {
    if (const std::uint64_t given = entry.session->given(); given > 0) {
      error->message +=
          "; its first " + std::to_string(given) + (given == 1 ? " result" : " results") + " had been passed on before";
    }
    ++state.report.failed;
    record_failure(node, identify(*state.plan, entry.item), std::move(*error));
  } else {
    state.went_well = true;
    ++state.report.grouped;
  }
  ready_.clear();
  state.expansion->over(which, ready_);
  pass_on_ready(state);
}

void Engine::cut_expansion(std::uint32_t node, std::uint32_t which) {
  // Its task is waiting for more results to give, which would keep a stopping run alive.
  NodeState& state = nodes_[node];
  state.cut = true;
  ++state.report.dropped;
  --state.active;
  ready_.clear();
  state.expansion->over(which, ready_);
  pass_on_ready(state);
}

void Engine::pass_on_ready(NodeState& state) {
  for (Reply& result : ready_) {
    state.outbox.push_back({std::move(result), state.next_index++});
  }
}

}  // namespace tenon::internal
