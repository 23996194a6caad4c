#include "pipeline/engine.hpp"

#include <algorithm>
#include <utility>

namespace tenon::internal {
namespace {

/// The interval between two polls of RunOptions::stop. It cannot notify the engine, because a
/// signal handler sets it.
constexpr std::chrono::milliseconds kStopInterval{50};

}  // namespace

Engine::Engine(const Graph::Impl& graph, Executor& executor, const RunOptions& options)
    : graph_(graph),
      executor_(executor),
      options_(options),
      nodes_(graph.nodes.size()),
      verdicts_(graph.edges.size()),
      failure_notices_(options.on_failure),
      give_up_after_(options.give_up_after.value_or(graph.give_up_after.value_or(RunOptions::kUsualGiveUpAfter))) {
  const std::uint32_t workers = std::max(1U, executor.worker_count());
  edges_.reserve(graph.edges.size());
  for (const PlanEdge& edge : graph.edges) {
    edges_.emplace_back(edge, graph.nodes[edge.to].queue);
  }
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    NodeState& state = nodes_[i];
    const PlanNode& plan = graph.nodes[i];
    state.plan = &plan;
    state.open_producers = static_cast<std::uint32_t>(plan.inputs.size());
    state.call_options.params = plan.params;
    state.call_options.run_timeout = plan.timeout;
    if (plan.retries) {
      // The file's own retry policy replaces the runtime's.
      state.call_options.max_attempts = 1;
    }
    if (needs_no_task(plan.kind)) {
      state.items = make_item_stage(plan);
    } else if (plan.kind == NodeKind::kSource) {
      state.stream.emplace(plan, StreamSession::Checkpoints::kUnknown);
    } else if (plan.kind == NodeKind::kExpand) {
      state.expansion.emplace(plan, Expansion::Limits{.sessions = plan.workers > 0 ? plan.workers : 2 * workers,
                                                      .ordered = plan.order == OrderKind::kInput,
                                                      .held = plan.queue});
    } else if (!plan.collects) {
      state.window = plan.workers > 0 ? CallWindow::fixed(plan.workers) : CallWindow::adaptive(workers);
      if (plan.kind == NodeKind::kSink && plan.order == OrderKind::kInput) {
        // A sink has no outputs to order, so its calls themselves run in order.
        state.window = CallWindow::fixed(1);
      }
    } else if (plan.kind == NodeKind::kBatch) {
      state.sessions.resize(plan.workers > 0 ? plan.workers : workers);
    } else {
      state.sessions.resize(1);
    }
    state.report.name = plan.name;
    state.report.task = plan.task;
    state.report.kind = std::string(node_kind_name(plan.kind));
  }
}

RunReport Engine::run() {
  now_ = executor_.now();
  started_ = now_;
  report_.end = RunReport::End::kRunning;
  next_progress_ = now_ + kProgressInterval;
  open_nodes_ = nodes_.size();
  for (std::uint32_t i = 0; i < nodes_.size(); ++i) {
    schedule(i);
  }
  const Steered steered(options_.control.get(), executor_);
  if (!steered.admitted()) {
    report_.end = RunReport::End::kFailed;
    report_.error = Error{
        ErrorCode::kInvalidArgument, "the RunControl has controlled a run before; create a new one for each run", {}};
    fill_report();
    return std::move(report_);
  }
  read_requests();
  publish();
  while (true) {
    give_up_if_hopeless();
    pump_scheduled();
    if (open_nodes_ == 0 || (aborted_ && under_way_ == 0)) {
      break;
    }
    if (!aborted_ && !paused_ && under_way_ == 0 && timers_.empty()) {
      abort(RunReport::End::kFailed,
            Error{ErrorCode::kInternal,
                  "the pipeline is stalled with items left; this is a defect in tenon, please report it",
                  {}});
      break;
    }
    ended_.clear();
    executor_.flush();
    executor_.wait(next_deadline(), ended_);
    now_ = executor_.now();
    for (const Ended& one : ended_) {
      if (one.kind == Ended::Kind::kCall) {
        call_ended(one.first);
      } else {
        session_ended(one.first, one.second);
      }
    }
    fire_timers();
    read_requests();
    show_progress();
    failure_notices_.notify_due(now_);
    publish();
  }
  failure_notices_.finish();
  if (report_.end == RunReport::End::kRunning) {
    report_.end = draining_ ? RunReport::End::kInterrupted : RunReport::End::kDone;
  }
  fill_report();
  // Sessions are closed here, with no operation under way, not when the engine is destroyed.
  for (NodeState& state : nodes_) {
    state.sessions.clear();
    state.stream.reset();
    state.expansion.reset();
  }
  if (options_.control != nullptr) {
    options_.control->steering().end(report_);
  }
  return std::move(report_);
}

void Engine::schedule(std::uint32_t node) {
  NodeState& state = nodes_[node];
  if (!state.scheduled && !state.finished) {
    state.scheduled = true;
    scheduled_.push_back(node);
  }
}

void Engine::pump_scheduled() {
  if (paused_ && !aborted_) {
    return;  // The node stays scheduled.
  }
  unpublished_ = unpublished_ || (options_.control != nullptr && !scheduled_.empty());
  while (!scheduled_.empty()) {
    const std::uint32_t node = scheduled_.pop_front();
    nodes_[node].scheduled = false;
    if (!aborted_ && !nodes_[node].finished) {
      pump(node);
    }
  }
}

void Engine::pump(std::uint32_t node) {
  const PlanNode& plan = *nodes_[node].plan;
  if (nodes_[node].unwanted) {
    wind_down(node);
    return;
  }
  switch (plan.kind) {
    case NodeKind::kSource:
      pump_source(node);
      return;
    case NodeKind::kExpand:
      pump_expand(node);
      return;
    case NodeKind::kBatch:
      pump_batch(node);
      return;
    case NodeKind::kReduce:
      pump_reduce(node);
      return;
    case NodeKind::kMap:
      pump_calls(node);
      return;
    case NodeKind::kSink:
      plan.collects ? pump_reduce(node) : pump_calls(node);
      return;
    case NodeKind::kRoute:
    case NodeKind::kFilter:
    case NodeKind::kProject:
    case NodeKind::kSample:
    case NodeKind::kLimit:
    case NodeKind::kThrottle:
    case NodeKind::kDelay:
      pump_items(node);
      return;
  }
}

void Engine::fire_timers() {
  while (!timers_.empty() && timers_.top().at <= now_) {
    const Timer timer = timers_.top();
    timers_.pop();
    if (aborted_) {
      continue;
    }
    switch (timer.kind) {
      case Timer::Kind::kRetry:
        nodes_[calls_[timer.first].node].again.push_back(timer.first);
        schedule(calls_[timer.first].node);
        break;
      case Timer::Kind::kGather:
        if (nodes_[timer.first].gathered_generation == timer.generation) {
          nodes_[timer.first].gathered_due = true;
          schedule(timer.first);
        }
        break;
      case Timer::Kind::kWake:
        schedule(timer.first);
        break;
      case Timer::Kind::kBatchTimeout: {
        SessionState& session = nodes_[timer.first].sessions[timer.second];
        if (session.generation == timer.generation && session.phase != SessionPhase::kClosed) {
          session.timed_out = true;
          session.session->cancel();
        }
        break;
      }
      case Timer::Kind::kReopen:
        nodes_[timer.first].sessions[timer.second].reopens = false;
        // Its pump opens the session again, unless the node no longer needs one.
        schedule(timer.first);
        break;
      case Timer::Kind::kBatchRetry:
        if (paused_) {
          held_timers_.push_back(timer);
        } else {
          begin_batch(timer.first, timer.second);
        }
        break;
    }
  }
}

Engine::TimePoint Engine::next_deadline() const {
  TimePoint deadline = now_ + std::chrono::hours(1);
  if (!timers_.empty()) {
    deadline = std::min(deadline, timers_.top().at);
  }
  if (options_.stop != nullptr) {
    deadline = std::min(deadline, now_ + kStopInterval);
  }
  if (options_.on_progress) {
    deadline = std::min(deadline, next_progress_);
  }
  if (unpublished_) {
    deadline = std::min(deadline, next_publish_);
  }
  deadline = std::min(deadline, failure_notices_.next_time().value_or(deadline));
  return deadline;
}

bool Engine::has_room(const PlanOutput& output, std::uint64_t bytes) const {
  return std::all_of(output.edges.begin(), output.edges.end(),
                     [&](std::uint32_t edge) { return edges_[edge].has_room(bytes); });
}

void Engine::push(const PlanOutput& output, Item item) {
  for (std::size_t i = 0; i < output.edges.size(); ++i) {
    Edge& edge = edges_[output.edges[i]];
    StageReport& consumer = nodes_[edge.to()].report;
    ++consumer.items_in;
    if (edge.closed()) {
      ++consumer.dropped;
      continue;
    }
    if (i + 1 == output.edges.size()) {
      edge.push(std::move(item));
    } else {
      edge.push(item);
    }
    schedule(edge.to());
  }
}

bool Engine::deliver(std::uint32_t node, std::uint32_t output, Item& item) {
  const PlanOutput& target = nodes_[node].plan->outputs[output];
  if (!has_room(target, item.bytes())) {
    return false;
  }
  ++nodes_[node].report.items_out;
  push(target, std::move(item));
  return true;
}

bool Engine::flush_outbox(std::uint32_t node) {
  NodeState& state = nodes_[node];
  while (!state.outbox.empty()) {
    if (!deliver(node, 0, state.outbox.front())) {
      return false;
    }
    static_cast<void>(state.outbox.pop_front());
    if (state.plan->kind == NodeKind::kMap) {
      --state.active;
    }
  }
  return true;
}

std::uint32_t Engine::next_edge(NodeState& state) const {
  const std::vector<std::uint32_t>& inputs = state.plan->inputs;
  std::size_t at = state.next_input;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const std::uint32_t edge = inputs[at];
    at = at + 1 < inputs.size() ? at + 1 : 0;
    if (!edges_[edge].empty()) {
      state.next_input = at;
      return edge;
    }
  }
  return kNone;
}

Item Engine::pop(std::uint32_t edge) {
  schedule(edges_[edge].from());
  return edges_[edge].pop();
}

bool Engine::input_ended(const NodeState& state) const {
  return state.open_producers == 0 && std::all_of(state.plan->inputs.begin(), state.plan->inputs.end(),
                                                  [&](std::uint32_t edge) { return edges_[edge].empty(); });
}

void Engine::finish_node(std::uint32_t node) {
  NodeState& state = nodes_[node];
  if (state.finished) {
    return;
  }
  state.finished = true;
  state.report.ended = true;
  --open_nodes_;
  for (const PlanOutput& output : state.plan->outputs) {
    for (const std::uint32_t edge : output.edges) {
      const std::uint32_t to = graph_.edges[edge].to;
      --nodes_[to].open_producers;
      nodes_[to].cut = nodes_[to].cut || state.cut;
      schedule(to);
    }
  }
}

void Engine::operation_began(std::uint32_t node) {
  NodeState& state = nodes_[node];
  ++under_way_;
  if (state.under_way++ == 0) {
    state.busy_since = now_;
    state.window.began(now_);
  }
}

void Engine::operation_ended(std::uint32_t node) {
  NodeState& state = nodes_[node];
  --under_way_;
  if (--state.under_way == 0) {
    state.busy += now_ - state.busy_since;
    state.window.became_idle(now_);
  }
}

void Engine::record_failure(std::uint32_t node, std::string item, Error error) {
  ++report_.failure_count;
  const NodeState& state = nodes_[node];
  failure_notices_.add(state.plan->name, item, error, now_);
  const StageReport& counts = state.report;
  const bool only_failed = !state.went_well && counts.items_out == 0 && counts.grouped == 0 && counts.dropped == 0;
  // If the stage has only these items, an early end saves nothing.
  const bool has_more_items = counts.items_in > give_up_after_;
  if (only_failed && has_more_items && give_up_after_ > 0 && counts.failed >= give_up_after_ && hopeless_ == kNone) {
    hopeless_ = node;
    hopeless_error_ = error;
  }
  if (report_.failures.size() < options_.max_reported_failures) {
    report_.failures.push_back({nodes_[node].plan->name, std::move(item), std::move(error)});
  }
}

void Engine::give_up_if_hopeless() {
  if (hopeless_ == kNone || aborted_) {
    return;
  }
  const NodeState& state = nodes_[hopeless_];
  if (state.went_well) {
    hopeless_ = kNone;  // Calls that started earlier have succeeded meanwhile.
    return;
  }
  Error error = std::move(hopeless_error_);
  error.message =
      "stage '" + state.plan->name + "': the first " + std::to_string(state.report.failed) +
      " items have all failed, so the run was ended (give_up_after); the last failed with: " + error.message;
  abort(RunReport::End::kFailed, std::move(error));
}

std::string Engine::identify(const PlanNode& plan, const Item& item) const {
  std::string text;
  if (plan.identity_name) {
    text = plan.identity_name(item.reply.bytes()).value_or(std::string());
  }
  if (plan.identity_number) {
    const std::string number = plan.identity_number(item.reply.bytes()).value_or(std::string());
    if (!number.empty()) {
      text += (text.empty() ? "number " : ":") + number;
    }
  }
  return text.empty() ? "item " + std::to_string(item.index) : text;
}

void Engine::abort(RunReport::End end, std::optional<Error> error) {
  if (aborted_) {
    return;
  }
  aborted_ = true;
  report_.end = end;
  report_.error = std::move(error);
  for (std::uint32_t slot = 0; slot < calls_.size(); ++slot) {
    if (calls_[slot].under_way) {
      executor_.cancel(slot);
    }
  }
  for (NodeState& state : nodes_) {
    if (state.stream && !state.stream->idle()) {
      state.stream->cancel();
    }
    if (state.expansion) {
      for (const std::uint32_t which : state.expansion->open()) {
        StreamSession& session = *(*state.expansion)[which].session;
        if (!session.idle()) {
          session.cancel();
        }
      }
    }
    for (SessionState& session : state.sessions) {
      const bool working = session.phase != SessionPhase::kClosed && session.phase != SessionPhase::kIdle;
      if (working) {
        session.session->cancel();
      }
    }
  }
}

void Engine::fill_report() {
  report_.stages.resize(nodes_.size());
  report_.seconds = std::chrono::duration<double>(now_ - started_).count();
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    NodeState& state = nodes_[i];
    state.report.in_flight = state.active;
    state.report.queued = 0;
    for (const std::uint32_t edge : state.plan->inputs) {
      state.report.queued += edges_[edge].size();
    }
    std::chrono::nanoseconds busy = state.busy;
    if (state.under_way > 0) {
      busy += now_ - state.busy_since;
    }
    state.report.busy_seconds = std::chrono::duration<double>(busy).count();
    if (state.stream) {
      if (const auto progress = state.stream->progress()) {
        state.report.expected_items = progress->total;
      }
    }
    report_.stages[i] = state.report;
    // Items may be dropped after the end: those that still come to a limit that is reached.
    if (state.finished && state.items != nullptr && state.report.dropped > 0) {
      report_.stages[i].note = state.items->explain(state.report.dropped);
    }
  }
}

}  // namespace tenon::internal
