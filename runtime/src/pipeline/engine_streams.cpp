// Sources: one session each, which is asked for results while the queues behind it have room.
#include <algorithm>
#include <utility>

#include "pipeline/engine.hpp"

namespace tenon::internal {

std::uint32_t Engine::stream_room(const NodeState& state, const StepSize& step) const {
  std::uint64_t room = step.size();
  // Results requested from other sessions of the node need room too.
  ResultsAhead ahead;
  std::uint32_t sharers = 1;
  if (state.expansion) {
    if (!state.outbox.empty()) {
      return 0;  // There is no room even for these. The pump that passes them on comes back here.
    }
    ahead = state.expansion->ahead();
    sharers = state.expansion->sharers();
  }
  for (const std::uint32_t index : state.plan->outputs[0].edges) {
    const Edge& edge = edges_[index];
    const QueueLimits& limits = edge.limits();
    const std::uint64_t bytes = edge.bytes() + ahead.bytes;
    if (bytes >= limits.bytes) {
      return 0;
    }
    const std::uint64_t free = limits.items - std::min<std::uint64_t>(limits.items, edge.size() + ahead.items);
    // A step needs half a queue of room, so that a full queue does not cause steps for single
    // items.
    if (free * 2 < limits.items) {
      return 0;
    }
    const std::uint64_t share = sharers == 1 ? free : std::max<std::uint64_t>(1, limits.items / (2 * sharers));
    room = std::min({room, free, share, std::uint64_t{step.within((limits.bytes - bytes + sharers - 1) / sharers)}});
  }
  return static_cast<std::uint32_t>(room);
}

void Engine::wake_at(std::uint32_t node, TimePoint at) {
  if (at > now_) {
    timers_.push({at, Timer::Kind::kWake, node, 0, 0});
  }
}

void Engine::pump_source(std::uint32_t node) {
  NodeState& state = nodes_[node];
  StreamSession& stream = *state.stream;
  if (!flush_outbox(node) || !stream.idle()) {
    return;
  }
  if (stream.ended() || state.draining) {
    // Its output is complete only if the source itself reported the end.
    state.cut = !stream.ended();
    finish_node(node);
    return;
  }
  if (stream.resumes_at() > now_) {
    return;
  }
  if (stream.closed()) {
    stream.open(executor_, node, 0, state.plan->argument);
  } else if (stream.checkpoint_due()) {
    stream.checkpoint();
  } else if (const std::uint32_t room = stream_room(state, stream.step()); room > 0) {
    stream.next(room, now_);
  } else {
    return;
  }
  operation_began(node);
}

void Engine::source_ended(std::uint32_t node) {
  NodeState& state = nodes_[node];
  StreamSession& stream = *state.stream;
  if (aborted_) {
    stream.drop();
    return;
  }
  schedule(node);
  if (state.unwanted) {
    stream.drop();
    return;
  }
  StreamSession::Step step = stream.take(now_);
  if (!stream.idle()) {
    operation_began(node);
  }
  if (step.error) {
    recover_source(node, std::move(*step.error));
    return;
  }
  if (step.mismatch) {
    Error error{ErrorCode::kFailed,
                "its worker died, and the source did not repeat its earlier items: item " +
                    std::to_string(step.mismatch->result) + " of " + std::to_string(step.mismatch->of) + " " +
                    step.mismatch->how +
                    ". The data that the source reads has changed, so items would be lost or duplicated. Run the "
                    "pipeline again while nothing changes the data, or make the task give quick checkpoints",
                {}};
    error.context.task = state.plan->task;
    fail_session(node, std::move(error), {});
    return;
  }
  for (Reply& reply : step.results) {
    state.outbox.push_back({std::move(reply), state.next_index++});
  }
  wake_at(node, stream.resumes_at());
}

void Engine::recover_source(std::uint32_t node, Error error) {
  NodeState& state = nodes_[node];
  Recovery recovery = state.stream->recover(std::move(error), ended_calls_, last_culprit(), now_);
  if (!recovery.reopens_after) {
    fail_session(node, std::move(recovery.error), recovery.why);
    return;
  }
  ++state.report.retried;
  wake_at(node, state.stream->resumes_at());
}

}  // namespace tenon::internal
