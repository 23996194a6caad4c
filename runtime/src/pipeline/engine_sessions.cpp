// Reduces: one session each, which is recovered from its checkpoint when its worker dies.
#include <algorithm>
#include <utility>

#include "pipeline/engine.hpp"

namespace tenon::internal {
namespace {

constexpr std::uint64_t kMaxFeedBytes = std::uint64_t{16} << 20;
/// A new checkpoint is requested after this many items, or after this many bytes kept for feeding
/// again.
constexpr std::uint64_t kCheckpointItems = 4096;
constexpr std::uint64_t kCheckpointBytes = std::uint64_t{64} << 20;

}  // namespace

void Engine::open_session(std::uint32_t node, std::uint32_t which) {
  NodeState& state = nodes_[node];
  SessionState& session = state.sessions[which];
  SessionOptions options;
  options.params = state.plan->params;
  options.checkpoint = session.checkpoint.bytes_in_place();
  if (state.plan->kind != NodeKind::kBatch) {
    // The timeout of a batch covers all of its operations.
    options.step_timeout = state.plan->timeout;
  }
  session.session = executor_.make_session(node, which);
  session.phase = SessionPhase::kOpening;
  operation_began(node);
  session.session->open(state.plan->task, options);
}

void Engine::session_ended(std::uint32_t node, std::uint32_t which) {
  NodeState& state = nodes_[node];
  operation_ended(node);
  if (state.plan->kind == NodeKind::kSource) {
    source_ended(node);
    return;
  }
  if (state.plan->kind == NodeKind::kExpand) {
    expansion_ended(node, which);
    return;
  }
  SessionState& session = state.sessions[which];
  ExecutorSession::Outcome outcome = session.session->take();
  if (aborted_) {
    session.phase = SessionPhase::kIdle;
    return;
  }
  schedule(node);
  if (state.unwanted) {
    wind_down_session(node, session);
    return;
  }
  if (state.plan->kind == NodeKind::kBatch) {
    batch_stepped(node, which, std::move(outcome));
    return;
  }
  switch (session.phase) {
    case SessionPhase::kOpening:
      if (outcome.error) {
        recover(node, session, std::move(*outcome.error));
      } else if (session.probed) {
        session.phase = SessionPhase::kIdle;
      } else {
        // The first checkpoint is requested at the start, which shows whether the session can
        // survive a crash.
        session.phase = SessionPhase::kProbing;
        operation_began(node);
        session.session->checkpoint();
      }
      return;
    case SessionPhase::kProbing:
    case SessionPhase::kCheckpointing:
      checkpoint_ended(node, session, std::move(outcome));
      return;
    case SessionPhase::kWorking:
    case SessionPhase::kFinishing:
      reduce_stepped(node, session, std::move(outcome));
      return;
    case SessionPhase::kClosed:
    case SessionPhase::kIdle:
      return;
  }
}

void Engine::checkpoint_ended(std::uint32_t node, SessionState& session, ExecutorSession::Outcome outcome) {
  if (outcome.error && loss_cause(*outcome.error, nodes_[node].plan->timeout.has_value())) {
    recover(node, session, std::move(*outcome.error));
    return;
  }
  const bool first = !session.probed;
  session.probed = true;
  session.phase = SessionPhase::kIdle;
  // Without a checkpoint the session continues, but it cannot be opened again. An empty checkpoint
  // means the start.
  session.recoverable =
      !outcome.error && !outcome.results.empty() && (first || outcome.results.front().size_bytes() > 0);
  session.checkpoint = session.recoverable ? std::move(outcome.results.front()) : Reply();
  session.losses.progressed();
  session.kept_all = session.kept_all && (session.recoverable || first);
  session.kept.clear();
  session.kept_bytes = 0;
  session.fed = 0;
  session.counted = 0;
}

void Engine::pump_reduce(std::uint32_t node) {
  NodeState& state = nodes_[node];
  SessionState& session = state.sessions[0];
  if (session.ended) {
    if (flush_outbox(node)) {
      finish_node(node);
    }
    return;
  }
  if (state.cut) {
    drop_reduce(node);
    return;
  }
  if (session.phase == SessionPhase::kClosed) {
    if (!session.reopens) {
      open_session(node, 0);
    }
    return;
  }
  if (session.phase != SessionPhase::kIdle) {
    return;
  }
  if (session.fed < session.kept.size()) {
    feed_kept(node, 0);
    return;
  }
  if (session.recoverable && (session.kept.size() >= kCheckpointItems || session.kept_bytes >= kCheckpointBytes)) {
    session.phase = SessionPhase::kCheckpointing;
    operation_began(node);
    session.session->checkpoint();
    return;
  }
  std::uint64_t bytes = 0;
  for (std::size_t i = 0; i < session.step.size() && bytes < kMaxFeedBytes; ++i) {
    const std::uint32_t edge = next_edge(state);
    if (edge == kNone) {
      break;
    }
    session.kept.push_back(pop(edge));
    bytes += session.kept.back().reply.size_bytes();
    ++state.active;
  }
  session.kept_bytes += bytes;
  if (session.fed < session.kept.size()) {
    feed_kept(node, 0);
  } else if (input_ended(state)) {
    session.phase = SessionPhase::kFinishing;
    operation_began(node);
    session.session->finish();
  }
}

void Engine::drop_reduce(std::uint32_t node) {
  NodeState& state = nodes_[node];
  SessionState& session = state.sessions[0];
  if (session.phase != SessionPhase::kClosed && session.phase != SessionPhase::kIdle) {
    return;
  }
  session.session.reset();
  session.phase = SessionPhase::kClosed;
  // A result over a part of the stream would look like a result over all of it.
  state.report.dropped += state.active + std::exchange(state.report.grouped, 0);
  state.active = 0;
  session.kept.clear();
  session.kept_bytes = 0;
  session.fed = 0;
  session.counted = 0;
  for (std::uint32_t edge = next_edge(state); edge != kNone; edge = next_edge(state)) {
    static_cast<void>(pop(edge));
    ++state.report.dropped;
  }
  if (input_ended(state)) {
    session.ended = true;
    state.report.note = "no result: the run was interrupted before its input ended";
    finish_node(node);
  }
}

void Engine::feed_kept(std::uint32_t node, std::uint32_t which) {
  SessionState& session = nodes_[node].sessions[which];
  // A batch already is one unit of work.
  std::size_t most = nodes_[node].plan->kind == NodeKind::kBatch ? StepSize::kMost : session.step.size();
  if (session.fed < session.counted) {
    most = std::min<std::size_t>(most, session.counted - session.fed);  // As in StreamSession::next.
  }
  session.feeding = std::min(most, session.kept.size() - session.fed);
  feed_.clear();
  for (std::size_t i = 0; i < session.feeding; ++i) {
    feed_.push_back(session.kept[session.fed + i].reply);
  }
  session.phase = SessionPhase::kWorking;
  session.step_began = now_;
  operation_began(node);
  session.session->feed(feed_);
  feed_.clear();
}

void Engine::reduce_stepped(std::uint32_t node, SessionState& session, ExecutorSession::Outcome outcome) {
  NodeState& state = nodes_[node];
  if (!outcome.error && session.phase == SessionPhase::kFinishing && outcome.results.empty()) {
    outcome.error = Error{ErrorCode::kCorrupt, "the task ended without a result", {}};
  }
  if (outcome.error) {
    recover(node, session, std::move(*outcome.error));
    return;
  }
  if (session.phase == SessionPhase::kFinishing) {
    session.phase = SessionPhase::kIdle;
    session.ended = true;
    session.kept.clear();
    if (state.plan->kind == NodeKind::kSink) {
      ++state.report.items_out;
      report_.outputs.emplace_back(state.plan->name, std::move(outcome.results.front()));
    } else {
      state.outbox.push_back({std::move(outcome.results.front()), state.next_index++});
    }
    return;
  }
  session.phase = SessionPhase::kIdle;
  session.step.stepped(session.feeding, now_ - session.step_began);
  session.fed += session.feeding;
  if (session.fed == session.counted) {
    session.step.lost();
  }
  if (session.fed > session.counted) {
    state.active -= session.fed - session.counted;
    state.report.grouped += session.fed - session.counted;
    session.counted = session.fed;
    session.losses.progressed();
  }
  if (!session.recoverable) {
    session.kept_all = false;
    session.kept.clear();
    session.kept_bytes = 0;
    session.fed = 0;
    session.counted = 0;
  }
}

}  // namespace tenon::internal
