/// pipeline/node_runner.hpp: a node of a running graph.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include <tenon/error.hpp>
#include <tenon/pipeline.hpp>

#include "pipeline/edge.hpp"
#include "pipeline/node_timers.hpp"
#include "pipeline/plan.hpp"
#include "pipeline/ring.hpp"
#include "pipeline/run_context.hpp"

namespace tenon::internal {

/// Runs one node. Each kind of node is a class of its own, with its own state; what they share is
/// here and in RunContext. Used only by the engine's thread; nothing here blocks.
class NodeRunner {
 public:
  using TimePoint = RunContext::TimePoint;

  /// `run` outlives the runner.
  NodeRunner(RunContext& run, std::uint32_t node)
      : run_(run), node_(node), plan_(run.graph.nodes[node]), report_(run.ledger.stage(node)) {}
  NodeRunner(const NodeRunner&) = delete;
  NodeRunner& operator=(const NodeRunner&) = delete;
  /// Closes its sessions. No operation may be under way.
  virtual ~NodeRunner() = default;

  /// Does everything that can be done now: passes results on, takes items, begins operations. Called
  /// when something has changed for the node.
  virtual void pump() = 0;
  /// Called instead of `pump` when no consumer takes the output any more: begins nothing, drops what
  /// has not begun, and finishes when nothing is under way.
  virtual void wind_down() = 0;
  /// An operation has ended: a call by its slot, or one of the node's sessions. Also called in a run
  /// that was aborted.
  virtual void ended(std::uint32_t which) = 0;
  /// A timer of the node has fired.
  virtual void fired(const NodeTimer& /*timer*/) { schedule(); }
  /// A stop was requested.
  virtual void drain() {}
  /// Requests that everything under way ends soon.
  virtual void cancel() {}
  /// Brings the node's part of the report up to date.
  virtual void fill_report();

 protected:
  void schedule() { run_.flow.schedule(node_); }
  /// Wakes the node at the time `at`; does nothing if that has passed.
  void wake_at(TimePoint at);
  void set_timer(TimePoint at, NodeTimer::Kind kind, std::uint32_t which = 0, std::uint64_t generation = 0);
  void finish() { run_.flow.finish(node_); }
  [[nodiscard]] bool input_ended() const { return run_.flow.input_ended(node_); }

  /// Passes an item on to the only output of the node if there is room behind it.
  [[nodiscard]] bool deliver(Item& item) {
    const PlanOutput& target = plan_.outputs[0];
    if (!run_.flow.has_room(target, item.bytes())) {
      return false;
    }
    ++report_.items_out;
    run_.flow.push(target, std::move(item));
    return true;
  }
  /// Passes on what waits in `outbox_`, as far as there is room. Returns whether it is empty now.
  [[nodiscard]] bool flush_outbox();

  /// Notes that the executor has begun an operation. Returns whether it is the only one.
  bool operation_began() {
    ++run_.under_way;
    if (under_way_++ > 0) {
      return false;
    }
    busy_since_ = run_.now;
    return true;
  }
  /// Notes that an operation has ended. Returns whether none is under way any more.
  bool operation_ended() {
    --run_.under_way;
    if (--under_way_ > 0) {
      return false;
    }
    busy_ += run_.now - busy_since_;
    return true;
  }
  [[nodiscard]] std::uint32_t under_way() const noexcept { return under_way_; }

  /// Returns the name of an item in messages.
  [[nodiscard]] std::string identify(const Item& item) const;
  void fail_item(const Item& item, Error error);
  /// Reports that something with a name fails, which stands for a number of items.
  void record_failure(std::string name, std::uint64_t items, Error error);
  /// Ends the run because the node's session has failed. `why` says why it is not opened again;
  /// empty if the error says it.
  void fail_run(Error error, const std::string& why = {});

  RunContext& run_;
  const std::uint32_t node_;
  const PlanNode& plan_;
  StageReport& report_;
  Ring<Item> outbox_;  ///< Results that found no room yet.
  /// Items that the node has taken and that have not ended: a call's item until its result is passed
  /// on, an item of a session until the session has processed it.
  std::uint64_t active_ = 0;

 private:
  std::uint32_t under_way_ = 0;  ///< How many operations of the executor are under way.
  TimePoint busy_since_{};
  std::chrono::nanoseconds busy_{0};
};

/// Creates the runner of a node, by its kind.
[[nodiscard]] std::unique_ptr<NodeRunner> make_node_runner(RunContext& run, std::uint32_t node);

}  // namespace tenon::internal
