// Nodes that need no task, and the end of nodes whose output no consumer takes any more.
#include <algorithm>
#include <utility>

#include "pipeline/engine.hpp"

namespace tenon::internal {

void Engine::pump_items(std::uint32_t node) {
  NodeState& state = nodes_[node];
  const std::vector<std::uint32_t>& inputs = state.plan->inputs;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const bool decided = verdicts_[inputs[i]].action != ItemVerdict::Action::kOpen;
    state.items->notice(i, edges_[inputs[i]].size() - (decided ? 1 : 0), now_);
  }
  // The inputs take turns. An input whose first item must wait does not stop the others.
  for (std::size_t waiting = 0; waiting < inputs.size();) {
    const std::size_t input = state.next_input;
    const Passed passed = pass_item(node, input);
    if (passed == Passed::kLast) {
      state.cut = false;  // Its output is complete, even in a run that is stopping.
      close_inputs(node);
      finish_node(node);
      return;
    }
    state.next_input = input + 1 < inputs.size() ? input + 1 : 0;
    waiting = passed == Passed::kYes ? 0 : waiting + 1;
  }
  if (input_ended(state)) {
    finish_node(node);
  }
}

Engine::Passed Engine::pass_item(std::uint32_t node, std::size_t input) {
  NodeState& state = nodes_[node];
  const std::uint32_t edge_index = state.plan->inputs[input];
  Edge& edge = edges_[edge_index];
  ItemVerdict& verdict = verdicts_[edge_index];
  if (edge.empty()) {
    return Passed::kNo;
  }
  if (verdict.action == ItemVerdict::Action::kOpen) {
    Result<ItemVerdict> decided = state.items->decide(input, edge, now_);
    if (!decided) {
      const Item item = pop(edge_index);
      ++state.report.failed;
      record_failure(node, identify(*state.plan, item), std::move(decided.error()));
      return Passed::kYes;
    }
    if (decided->action == ItemVerdict::Action::kWait) {
      // An earlier timer also wakes the node, but then it sets another one.
      if (state.wakes_at <= now_ || decided->until < state.wakes_at) {
        state.wakes_at = decided->until;
        wake_at(node, decided->until);
      }
      return Passed::kNo;
    }
    verdict = *decided;
  }
  if (verdict.action == ItemVerdict::Action::kDrop) {
    ++state.report.dropped;
    static_cast<void>(pop(edge_index));
  } else {
    const PlanOutput& output = state.plan->outputs[verdict.output];
    if (!has_room(output, edge.front().bytes())) {
      return Passed::kNo;
    }
    ++state.report.items_out;
    push(output, pop(edge_index));
  }
  verdict.action = ItemVerdict::Action::kOpen;
  // An item of another input may have been admitted, and wait for room.
  const std::vector<std::uint32_t>& inputs = state.plan->inputs;
  const bool admitted = std::any_of(inputs.begin(), inputs.end(), [&](std::uint32_t one) {
    return verdicts_[one].action == ItemVerdict::Action::kPass;
  });
  return state.items->complete() && !admitted ? Passed::kLast : Passed::kYes;
}

void Engine::close_inputs(std::uint32_t node) {
  std::vector<std::uint32_t> ending{node};
  while (!ending.empty()) {
    NodeState& state = nodes_[ending.back()];
    ending.pop_back();
    for (const std::uint32_t edge : state.plan->inputs) {
      state.report.dropped += edges_[edge].close();
      const std::uint32_t from = edges_[edge].from();
      NodeState& producer = nodes_[from];
      const std::vector<PlanOutput>& outputs = producer.plan->outputs;
      const bool taken = std::any_of(outputs.begin(), outputs.end(), [&](const PlanOutput& output) {
        return std::any_of(output.edges.begin(), output.edges.end(),
                           [&](std::uint32_t one) { return !edges_[one].closed(); });
      });
      if (!taken && !producer.unwanted && !producer.finished) {
        producer.unwanted = true;
        schedule(from);
        ending.push_back(from);
      } else {
        // It may have waited for room in this edge.
        schedule(from);
      }
    }
  }
  hurry_unwanted();
}

void Engine::hurry_unwanted() {
  std::vector<Timer> timers;
  for (; !timers_.empty(); timers_.pop()) {
    Timer timer = timers_.top();
    const std::uint32_t node = timer.kind == Timer::Kind::kRetry ? calls_[timer.first].node : timer.first;
    if (nodes_[node].unwanted) {
      timer.at = std::min(timer.at, now_);
    }
    timers.push_back(timer);
  }
  timers_ = std::priority_queue<Timer>(std::less<Timer>(), std::move(timers));
}

void Engine::wind_down(std::uint32_t node) {
  NodeState& state = nodes_[node];
  const PlanNode& plan = *state.plan;
  if (plan.kind == NodeKind::kSource) {
    // Stops only this source.
    state.draining = true;
    pump_source(node);
    return;
  }
  while (!state.again.empty()) {
    // It waited for its next attempt.
    ++state.report.dropped;
    remove_call(state.again.pop_front());
  }
  // Everything fits into closed edges.
  flush_sequence(node);
  static_cast<void>(flush_outbox(node));
  if (!state.gathered.empty()) {
    state.report.dropped += state.gathered.size();
    state.active -= state.gathered.size();
    state.gathered.clear();
    ++state.gathered_generation;
  }
  if (state.expansion) {
    // `drop_expansion` removes them from the list.
    for (const std::uint32_t which : std::vector<std::uint32_t>(state.expansion->open())) {
      if ((*state.expansion)[which].session->idle()) {
        drop_expansion(node, which);
      }
    }
  }
  if (plan.kind == NodeKind::kReduce) {
    SessionState& session = state.sessions[0];
    if (session.phase != SessionPhase::kClosed && session.phase != SessionPhase::kIdle) {
      return;
    }
    session.session.reset();
    session.phase = SessionPhase::kClosed;
    if (!session.ended) {
      state.report.dropped += state.active + std::exchange(state.report.grouped, 0);
      state.active = 0;
      session.ended = true;
    }
  }
  if (state.active == 0 && state.sequence.empty()) {
    finish_node(node);
  }
}

void Engine::drop_expansion(std::uint32_t node, std::uint32_t which) {
  NodeState& state = nodes_[node];
  ++state.report.dropped;
  --state.active;
  ready_.clear();
  state.expansion->over(which, ready_);
  ready_.clear();
}

void Engine::wind_down_session(std::uint32_t node, SessionState& session) {
  NodeState& state = nodes_[node];
  if (state.plan->kind == NodeKind::kBatch) {
    state.report.dropped += session.kept.size();
    free_batch(node, static_cast<std::uint32_t>(&session - state.sessions.data()));
    return;
  }
  session.phase = SessionPhase::kIdle;
}

}  // namespace tenon::internal
