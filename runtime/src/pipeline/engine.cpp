#include "pipeline/engine.hpp"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <utility>

#include "pipeline/run_control.hpp"

namespace tenon::internal {
namespace {

/// The interval between two polls of RunOptions::stop. It cannot notify the engine, because a
/// signal handler sets it.
constexpr std::chrono::milliseconds kStopInterval{50};

}  // namespace

Engine::Engine(const Graph::Impl& graph, Executor& executor, const RunOptions& options)
    : options_(options), run_(graph, executor, options) {
  nodes_.reserve(graph.nodes.size());
  for (std::uint32_t node = 0; node < graph.nodes.size(); ++node) {
    nodes_.push_back(make_node_runner(run_, node));
  }
}

RunReport Engine::run() {
  run_.now = run_.executor.now();
  started_ = run_.now;
  next_progress_ = run_.now + kProgressInterval;
  RunReport& report = run_.ledger.report();
  const Steered steered(options_.control.get(), run_.executor);
  if (!steered.admitted()) {
    report.end = RunReport::End::kFailed;
    report.error = Error{
        ErrorCode::kInvalidArgument, "the RunControl has controlled a run before; create a new one for each run", {}};
    fill_report();
    return std::move(report);
  }
  for (std::uint32_t node = 0; node < nodes_.size(); ++node) {
    run_.flow.schedule(node);
  }
  read_requests();
  publish();
  loop();
  run_.ledger.notices().finish();
  if (report.end == RunReport::End::kRunning) {
    report.end = run_.draining ? RunReport::End::kInterrupted : RunReport::End::kDone;
  }
  fill_report();
  // Sessions are closed here, with no operation under way, not when the engine is destroyed.
  nodes_.clear();
  if (options_.control != nullptr) {
    options_.control->steering().end(report);
  }
  return std::move(report);
}

void Engine::loop() {
  while (true) {
    if (!run_.aborted) {
      if (std::optional<Error> error = run_.ledger.take_hopeless()) {
        run_.abort(RunReport::End::kFailed, std::move(error));
      }
    }
    pump_scheduled();
    if (run_.flow.open_nodes() == 0 || (run_.aborted && run_.under_way == 0)) {
      return;
    }
    if (!run_.aborted && !run_.paused && run_.under_way == 0 && run_.timers.empty()) {
      run_.abort(RunReport::End::kFailed,
                 Error{ErrorCode::kInternal,
                       "the pipeline is stalled with items left; this is a defect in tenon, please report it",
                       {}});
      return;
    }
    cancel_if_aborted();
    ended_.clear();
    run_.executor.flush();
    run_.executor.wait(next_deadline(), ended_);
    run_.now = run_.executor.now();
    for (const Ended& one : ended_) {
      if (one.kind == Ended::Kind::kCall) {
        nodes_[run_.calls[one.first].node]->ended(one.first);
      } else {
        nodes_[one.first]->ended(one.second);
      }
    }
    run_.stream_ends.take(stream_ended_);
    for (const std::uint32_t node : stream_ended_) {
      nodes_[node]->ended(0);
    }
    fire_timers();
    read_requests();
    cancel_if_aborted();  // Before the callbacks, which may be slow.
    show_progress();
    run_.ledger.notices().notify_due(run_.now);
    publish();
  }
}

void Engine::pump_scheduled() {
  if (run_.paused && !run_.aborted) {
    return;  // The nodes stay scheduled.
  }
  unpublished_ = unpublished_ || (options_.control != nullptr && run_.flow.has_scheduled());
  while (const std::optional<std::uint32_t> node = run_.flow.next_scheduled()) {
    if (run_.aborted) {
      continue;
    }
    if (run_.flow.unwanted(*node)) {
      nodes_[*node]->wind_down();
    } else {
      nodes_[*node]->pump();
    }
  }
}

void Engine::fire_timers() {
  while (const std::optional<NodeTimer> timer = run_.timers.take_due(run_.now)) {
    if (!run_.aborted) {
      nodes_[timer->node]->fired(*timer);
    }
  }
}

void Engine::cancel_if_aborted() {
  if (!run_.aborted || std::exchange(cancelled_, true)) {
    return;
  }
  for (const auto& node : nodes_) {
    node->cancel();
  }
}

Engine::TimePoint Engine::next_deadline() const {
  TimePoint deadline = run_.now + std::chrono::hours(1);
  deadline = std::min(deadline, run_.timers.next().value_or(deadline));
  if (options_.stop != nullptr) {
    deadline = std::min(deadline, run_.now + kStopInterval);
  }
  if (options_.on_progress) {
    deadline = std::min(deadline, next_progress_);
  }
  if (unpublished_) {
    deadline = std::min(deadline, next_publish_);
  }
  return std::min(deadline, run_.ledger.notices().next_time().value_or(deadline));
}

void Engine::fill_report() {
  run_.ledger.report().seconds = std::chrono::duration<double>(run_.now - started_).count();
  for (const auto& node : nodes_) {
    node->fill_report();
  }
}

}  // namespace tenon::internal
