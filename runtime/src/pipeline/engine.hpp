/// Runs a checked graph over an executor: one thread, driven by completions. See DESIGN.md.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <vector>

#include <tenon/pipeline.hpp>

#include "pipeline/executor.hpp"
#include "pipeline/node_runner.hpp"
#include "pipeline/plan.hpp"
#include "pipeline/run_context.hpp"

namespace tenon::internal {

/// One run: the loop that pumps nodes, hands completions and timers to them, and obeys requests from
/// outside. Not thread-safe; `run` is called only once.
class Engine {
 public:
  /// All three arguments outlive the engine.
  Engine(const Graph::Impl& graph, Executor& executor, const RunOptions& options);
  [[nodiscard]] RunReport run();

 private:
  using TimePoint = RunContext::TimePoint;

  static constexpr std::chrono::milliseconds kProgressInterval{100};

  // engine.cpp: the loop
  void loop();
  void pump_scheduled();
  void fire_timers();
  /// Cancels everything under way after an abort, once.
  void cancel_if_aborted();
  [[nodiscard]] TimePoint next_deadline() const;
  void fill_report();

  // engine_control.cpp: requests from outside and the state that is published
  void read_requests();
  void set_paused(bool paused);
  void show_progress();
  void publish();

  const RunOptions& options_;
  RunContext run_;
  std::vector<std::unique_ptr<NodeRunner>> nodes_;
  std::vector<Ended> ended_;                 ///< Reused: the completions of a round.
  std::vector<std::uint32_t> stream_ended_;  ///< Reused: the nodes whose stream operation ended.
  bool cancelled_ = false;
  bool quiet_ = false;        ///< Paused, and nothing is under way any more.
  bool unpublished_ = false;  ///< Something has changed since the last publication to the control.
  TimePoint started_{};
  TimePoint paused_at_{};
  TimePoint next_progress_{};
  TimePoint next_publish_{};
};

}  // namespace tenon::internal
