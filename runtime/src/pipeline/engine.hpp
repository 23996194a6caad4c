/// Runs a checked graph over an executor: one thread, driven by completions. See DESIGN.md.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <queue>
#include <string>
#include <unordered_map>
#include <vector>

#include <tenon/pipeline.hpp>

#include "pipeline/edge.hpp"
#include "pipeline/executor.hpp"
#include "pipeline/expansion.hpp"
#include "pipeline/failure_notices.hpp"
#include "pipeline/item_stage.hpp"
#include "pipeline/output_names.hpp"
#include "pipeline/pace.hpp"
#include "pipeline/plan.hpp"
#include "pipeline/ring.hpp"
#include "pipeline/run_control.hpp"
#include "pipeline/session_losses.hpp"
#include "pipeline/stream_session.hpp"

namespace tenon::internal {

/// One run. Not thread-safe; `run` is called only once.
class Engine {
 public:
  /// All three arguments outlive the engine.
  Engine(const Graph::Impl& graph, Executor& executor, const RunOptions& options);
  [[nodiscard]] RunReport run();

 private:
  using Clock = Executor::Clock;
  using TimePoint = Clock::time_point;

  static constexpr std::uint32_t kNone = UINT32_MAX;
  static constexpr std::chrono::milliseconds kProgressInterval{100};

  /// A slot in the input order. Its item is passed on when all earlier slots are done.
  struct Ordered {
    bool done = false;
    bool failed = false;
    Item item;
  };

  /// Busy keys and the calls that wait for them.
  using Keys = std::unordered_map<std::string, Ring<std::uint32_t>>;
  using KeyEntry = Keys::value_type;

  /// A call from the moment its item leaves the queue to its final result, retries included.
  struct Call {
    Item item;
    std::uint32_t node = kNone;
    std::uint32_t attempt = 1;
    std::uint64_t call_id = 0;  ///< The id of its attempts so far; 0 before the first has
                                ///< completed.
    bool under_way = false;
    std::uint64_t sequence = 0;  ///< For order = "input".
    KeyEntry* key = nullptr;     ///< For order = "key:...".
    std::string claimed;         ///< Its output file; empty if it has none.
  };

  enum class SessionPhase { kClosed, kOpening, kProbing, kIdle, kWorking, kCheckpointing, kFinishing };

  /// One session of a reduce and the state that its recovery needs.
  struct SessionState {
    std::unique_ptr<ExecutorSession> session;
    SessionPhase phase = SessionPhase::kClosed;
    bool recoverable = false;  ///< The session has a checkpoint.
    bool probed = false;       ///< The engine knows whether the task gives checkpoints.
    bool ended = false;        ///< It has given its result.
    Reply checkpoint;
    std::vector<Item> kept;  ///< Reduce: items taken since the checkpoint, at most kMaxKept. Batch:
                             ///< its items.
    std::uint64_t kept_bytes = 0;
    bool kept_all = true;     ///< Reduce: every item that was taken is in `kept` or in the
                              ///< checkpoint.
    std::size_t fed = 0;      ///< How many items of `kept` this session has.
    std::size_t counted = 0;  ///< How many items of `kept` any session has had; each counts once.
    std::size_t feeding = 0;  ///< How many items the feed under way carries.
    SessionLosses losses;
    bool reopens = false;          ///< A timer will open the session again.
    std::uint32_t attempt = 1;     ///< For a batch.
    std::uint64_t number = 0;      ///< For a batch.
    std::uint64_t generation = 0;  ///< Identifies timers that were set for an earlier use.
    bool timed_out = false;
    StepSize step;
    TimePoint step_began{};
  };

  struct NodeState {
    const PlanNode* plan = nullptr;
    CallOptions call_options;
    CallWindow window;
    std::uint32_t under_way = 0;  ///< How many operations of the executor are under way.
    std::uint64_t active = 0;     ///< Items that the node has taken and not yet passed on.
    std::uint64_t active_bytes = 0;
    std::uint32_t open_producers = 0;
    std::size_t next_input = 0;
    bool scheduled = false;
    bool finished = false;
    Ring<Item> outbox;
    Ring<std::uint32_t> again;  ///< Calls whose delay before a retry has passed.
    Ring<Ordered> sequence;
    std::uint64_t sequence_base = 0;  ///< The number of the first slot in `sequence`.
    Keys keys;
    std::uint64_t next_index = 0;
    std::vector<SessionState> sessions;   ///< One for a reduce; for a batch, as many as run at once.
    std::optional<StreamSession> stream;  ///< For a source.
    std::optional<Expansion> expansion;   ///< For an expand.
    std::vector<Item> gathered;           ///< The items of the next batch.
    std::uint64_t gathered_generation = 0;
    bool gathered_due = false;
    bool draining = false;
    bool cut = false;                  ///< Its input, or the output of a source, ended early because
                                       ///< of a stop.
    bool went_well = false;            ///< At least one of its calls has succeeded.
    bool unwanted = false;             ///< No consumer takes its output; it starts nothing new.
    std::unique_ptr<ItemStage> items;  ///< For nodes that need no task.
    TimePoint wakes_at{};              ///< When its latest timer to continue fires.
    TimePoint busy_since{};
    std::chrono::nanoseconds busy{0};
    StageReport report;
  };

  struct Timer {
    enum class Kind { kRetry, kGather, kWake, kBatchTimeout, kBatchRetry, kReopen };
    TimePoint at;
    Kind kind = Kind::kRetry;
    std::uint32_t first = 0;
    std::uint32_t second = 0;
    std::uint64_t generation = 0;
    bool operator<(const Timer& other) const noexcept { return at > other.at; }
  };

  // engine.cpp: the loop, edges, accounting
  void schedule(std::uint32_t node);
  void pump_scheduled();
  void pump(std::uint32_t node);
  void fire_timers();
  [[nodiscard]] TimePoint next_deadline() const;
  [[nodiscard]] bool has_room(const PlanOutput& output, std::uint64_t bytes) const;
  void push(const PlanOutput& output, Item item);
  [[nodiscard]] bool deliver(std::uint32_t node, std::uint32_t output, Item& item);
  [[nodiscard]] bool flush_outbox(std::uint32_t node);
  /// Returns the next edge with an item, in turn; kNone if all are empty.
  [[nodiscard]] std::uint32_t next_edge(NodeState& state) const;
  [[nodiscard]] Item pop(std::uint32_t edge);
  [[nodiscard]] bool input_ended(const NodeState& state) const;
  void finish_node(std::uint32_t node);
  void operation_began(std::uint32_t node);
  void operation_ended(std::uint32_t node);
  void record_failure(std::uint32_t node, std::string item, Error error);
  /// Ends the run if all items of a stage have failed so far.
  void give_up_if_hopeless();
  [[nodiscard]] std::string identify(const PlanNode& plan, const Item& item) const;
  void abort(RunReport::End end, std::optional<Error> error);
  void fill_report();

  // engine_items.cpp: nodes that need no task, and the end of nodes whose output no stage takes
  void pump_items(std::uint32_t node);
  enum class Passed { kYes, kNo, kLast };
  /// Decides about the first item of an input and passes it on. Returns kNo if that must wait, and
  /// kLast if the node takes no further item.
  [[nodiscard]] Passed pass_item(std::uint32_t node, std::size_t input);
  /// Drops what is queued for a node that takes no further items, and ends producers none of whose outputs is taken any
  /// more.
  void close_inputs(std::uint32_t node);
  /// Ends an unwanted node once what it has under way is done.
  void wind_down(std::uint32_t node);
  /// Lets every timer of unwanted nodes fire now.
  void hurry_unwanted();
  /// Drops an item of an unwanted expand.
  void cut_expansion(std::uint32_t node, std::uint32_t which);
  void drop_expansion(std::uint32_t node, std::uint32_t which);
  /// Takes the end of an operation of a batch or reduce that is unwanted.
  void wind_down_session(std::uint32_t node, SessionState& session);

  // engine_control.cpp: requests from outside and the state that is published
  void read_requests();
  void drain();
  void set_paused(bool paused);
  void show_progress();
  void publish();

  // engine_calls.cpp: map stages and plain sinks
  void pump_calls(std::uint32_t node);
  void take_item(std::uint32_t node, Item item);
  [[nodiscard]] std::uint32_t new_call();
  void start_call(std::uint32_t slot);
  /// Returns whether a result waits for the results of the items before it.
  [[nodiscard]] static bool resequences(const PlanNode& plan) noexcept;
  /// Returns how many items a node may have taken and not yet passed on.
  [[nodiscard]] static std::uint32_t hold(const NodeState& state) noexcept;
  void call_ended(std::uint32_t slot);
  void answer(std::uint32_t slot, Reply reply);
  void fail_call(std::uint32_t slot, Error error);
  /// Removes a call that gives no result.
  void remove_call(std::uint32_t slot);
  void release_call(std::uint32_t slot);
  void flush_sequence(std::uint32_t node);
  [[nodiscard]] bool may_retry(const PlanNode& plan, const Error& error, std::uint32_t attempt) const;
  [[nodiscard]] static std::chrono::nanoseconds backoff(const RetryPolicy& retry, std::uint32_t attempt);

  // engine_streams.cpp: sources
  void pump_source(std::uint32_t node);
  void source_ended(std::uint32_t node);
  void recover_source(std::uint32_t node, Error error);
  /// Returns how many results a session of the node may be asked for, by the room in the queues
  /// behind it.
  [[nodiscard]] std::uint32_t stream_room(const NodeState& state, const StepSize& step) const;
  /// Schedules the node at a time, if that is in the future.
  void wake_at(std::uint32_t node, TimePoint at);

  // engine_expand.cpp
  void pump_expand(std::uint32_t node);
  /// Begins the next operation of an item's session, if there is room for its results.
  void step_expansion(std::uint32_t node, std::uint32_t which);
  void expansion_ended(std::uint32_t node, std::uint32_t which);
  /// Opens the session of an item again, or fails the item.
  void recover_expansion(std::uint32_t node, std::uint32_t which, Error error);
  void end_expansion(std::uint32_t node, std::uint32_t which, std::optional<Error> error);
  /// Moves `ready_` to the outbox.
  void pass_on_ready(NodeState& state);

  // engine_sessions.cpp: reduces; engine_recovery.cpp: what happens when workers of sessions die
  void session_ended(std::uint32_t node, std::uint32_t which);
  void open_session(std::uint32_t node, std::uint32_t which);
  void checkpoint_ended(std::uint32_t node, SessionState& session, ExecutorSession::Outcome outcome);
  /// Opens a lost session again, or ends the run.
  void recover(std::uint32_t node, SessionState& session, Error error);
  /// Returns the node of the item whose call crashed last, for messages; empty if there is none.
  [[nodiscard]] std::string last_culprit() const;
  /// Ends the run because a source or a reduce has failed.
  void fail_session(std::uint32_t node, Error error, const std::string& why);
  void pump_reduce(std::uint32_t node);
  void drop_reduce(std::uint32_t node);
  void feed_kept(std::uint32_t node, std::uint32_t which);
  void reduce_stepped(std::uint32_t node, SessionState& state, ExecutorSession::Outcome outcome);

  // engine_batches.cpp
  void pump_batch(std::uint32_t node);
  void begin_batch(std::uint32_t node, std::uint32_t which);
  void batch_stepped(std::uint32_t node, std::uint32_t which, ExecutorSession::Outcome outcome);
  void batch_failed(std::uint32_t node, std::uint32_t which, Error error);
  /// Restarts a batch whose session was lost before it took an item, or by a cause outside the
  /// batch. Returns false if the loss counts as an attempt.
  [[nodiscard]] bool restart_batch(std::uint32_t node, std::uint32_t which, const Error& error);
  void free_batch(std::uint32_t node, std::uint32_t which);

  const Graph::Impl& graph_;
  Executor& executor_;
  const RunOptions& options_;
  std::vector<NodeState> nodes_;
  std::vector<Edge> edges_;
  std::vector<ItemVerdict> verdicts_;  ///< Indexed by edge into a node that needs no task: the
                                       ///< decision about its first item.
  OutputNames output_names_;
  std::deque<Call> calls_;  ///< A deque, because arguments must not move.
  std::vector<std::uint32_t> free_calls_;
  Ring<std::uint32_t> scheduled_;
  std::priority_queue<Timer> timers_;
  std::vector<Ended> ended_;
  std::vector<Reply> feed_;   ///< Reused for each feed.
  std::vector<Reply> ready_;  ///< Reused: results of an expand that can be passed on.
  std::size_t open_nodes_ = 0;
  std::uint64_t under_way_ = 0;
  std::uint64_t ended_calls_ = 0;
  std::uint32_t last_crash_ = kNone;  ///< The node of the item whose call crashed last.
  bool aborted_ = false;
  bool draining_ = false;
  bool paused_ = false;
  bool quiet_ = false;              ///< Paused, and nothing is under way any more.
  bool unpublished_ = false;        ///< Something has changed since the last publication to the
                                    ///< control.
  std::vector<Timer> held_timers_;  ///< Set while paused: stopped timers, and timers that would
                                    ///< start work.
  TimePoint paused_at_{};
  TimePoint now_{};
  TimePoint started_{};
  TimePoint next_progress_{};
  TimePoint next_publish_{};
  FailureNotices failure_notices_;
  const std::uint64_t give_up_after_;
  /// A node whose first `give_up_after_` items have all failed, and the error of the last one.
  std::uint32_t hopeless_ = kNone;
  Error hopeless_error_;
  RunReport report_;
};

}  // namespace tenon::internal
