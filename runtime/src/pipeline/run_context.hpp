/// pipeline/run_context.hpp: what the nodes of one run share.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include <tenon/pipeline.hpp>

#include "pipeline/call_table.hpp"
#include "pipeline/executor.hpp"
#include "pipeline/flow.hpp"
#include "pipeline/node_timers.hpp"
#include "pipeline/output_names.hpp"
#include "pipeline/plan.hpp"
#include "pipeline/run_ledger.hpp"
#include "pipeline/stream_thread.hpp"

namespace tenon::internal {

/// The parts of a run that belong to no single node. Used only by the engine's thread.
struct RunContext {
  using TimePoint = Executor::Clock::time_point;

  /// All three arguments outlive it.
  RunContext(const Graph::Impl& checked_graph, Executor& run_executor, const RunOptions& options)
      : graph(checked_graph),
        executor(run_executor),
        input(options.input.get()),
        output(options.output.get()),
        ledger(checked_graph, options),
        flow(checked_graph, ledger),
        stream_ends(run_executor) {}

  /// Ends the run early, if nothing has ended it before: no node is pumped any more, and the engine
  /// cancels what is under way.
  void abort(RunReport::End end, std::optional<Error> error) {
    if (!aborted) {
      aborted = true;
      ledger.report().end = end;
      ledger.report().error = std::move(error);
    }
  }
  /// Returns the node of the item whose call crashed last, as "'name' (task)", for messages; empty
  /// if none has crashed.
  [[nodiscard]] std::string last_culprit() const {
    if (!last_crash) {
      return {};
    }
    const PlanNode& plan = graph.nodes[*last_crash];
    return "'" + plan.name + "' (" + plan.task + ")";
  }

  const Graph::Impl& graph;
  Executor& executor;
  ByteInput* const input;    ///< Null if the run has none.
  ByteOutput* const output;  ///< Null if the run has none.
  RunLedger ledger;
  Flow flow;
  NodeTimers timers;
  CallTable calls;
  OutputNames output_names;
  StreamEnds stream_ends;
  TimePoint now{};                          ///< The time of the present round.
  std::uint64_t under_way = 0;              ///< Operations of the executor, of all nodes.
  std::uint64_t ended_calls = 0;            ///< See SessionLosses::lost.
  std::optional<std::uint32_t> last_crash;  ///< The node of the item whose call crashed last.
  bool aborted = false;
  bool draining = false;                    ///< A stop was requested: sources give nothing more.
  bool paused = false;                      ///< Nothing new starts.
  std::chrono::nanoseconds paused_time{0};  ///< How long all pauses that have ended took.
};

}  // namespace tenon::internal
