/// Runs a checked graph over an executor: one thread, driven by what ends. See DESIGN.md.
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
#include "pipeline/failure_news.hpp"
#include "pipeline/given_items.hpp"
#include "pipeline/output_names.hpp"
#include "pipeline/pace.hpp"
#include "pipeline/plan.hpp"
#include "pipeline/ring.hpp"
#include "pipeline/run_control.hpp"
#include "pipeline/session_losses.hpp"

namespace tenon::internal {

/// One run. Not thread-safe; `run` is called once.
class Engine {
 public:
  /// All three outlive the engine.
  Engine(const Graph::Impl& graph, Executor& executor, const RunOptions& options);
  [[nodiscard]] RunReport run();

 private:
  using Clock = Executor::Clock;
  using TimePoint = Clock::time_point;

  static constexpr std::uint32_t kNone = UINT32_MAX;
  static constexpr std::chrono::milliseconds kProgressInterval{100};

  /// A place in the input order, given on when everything before it is.
  struct Ordered {
    bool done = false;
    bool failed = false;
    Item item;
  };

  /// Busy keys with the calls that wait for them.
  using Keys = std::unordered_map<std::string, Ring<std::uint32_t>>;
  using KeyEntry = Keys::value_type;

  /// A call from its item's leaving the queue to its terminal answer, retries included.
  struct Call {
    Item item;
    std::uint32_t node = kNone;
    std::uint32_t attempt = 1;
    std::uint64_t call_id = 0;  ///< Of the attempts so far; 0 before the first has ended.
    bool under_way = false;
    std::uint64_t sequence = 0;  ///< order = "input".
    KeyEntry* key = nullptr;     ///< order = "key:...".
    std::string claimed;         ///< Its output file; empty when it has none.
  };

  enum class SessionPhase { kClosed, kOpening, kProbing, kIdle, kWorking, kCheckpointing, kFinishing };

  /// One session with what its recovery needs.
  struct SessionState {
    std::unique_ptr<ExecutorSession> session;
    SessionPhase phase = SessionPhase::kClosed;
    bool recoverable = false;  ///< It has a checkpoint.
    bool probed = false;       ///< It is known whether the task gives checkpoints.
    bool ended = false;        ///< A source has given its last result; a reduce its only one.
    Reply checkpoint;
    std::vector<Item> kept;  ///< Reduce: taken since the checkpoint, at most kMaxKept. Batch: its items.
    std::uint64_t kept_bytes = 0;
    bool kept_all = true;     ///< Reduce: no item was taken that is neither in `kept` nor in the checkpoint.
    std::size_t fed = 0;      ///< How many of `kept` the session has.
    std::size_t counted = 0;  ///< How many of `kept` any session has had; each counts once.
    std::size_t feeding = 0;  ///< How many the feed under way carries.
    GivenItems given;         ///< Source: results since the checkpoint.
    std::uint64_t given_bytes = 0;
    SessionLosses losses;
    bool reopens = false;          ///< A timer opens it again.
    std::uint32_t attempt = 1;     ///< Batch.
    std::uint64_t number = 0;      ///< Batch.
    std::uint64_t generation = 0;  ///< Tells timers of an earlier use.
    bool timed_out = false;
    StepSize step;
    TimePoint step_began{};
  };

  struct NodeState {
    const PlanNode* plan = nullptr;
    CallOptions call_options;
    CallWindow window;
    std::uint32_t under_way = 0;  ///< Operations of the executor.
    std::uint64_t active = 0;     ///< Items taken and not given on.
    std::uint64_t active_bytes = 0;
    std::uint32_t open_producers = 0;
    std::size_t next_input = 0;
    bool scheduled = false;
    bool finished = false;
    Ring<Item> outbox;
    Ring<std::uint32_t> again;  ///< Calls whose wait before a retry is over.
    Ring<Ordered> sequence;
    std::uint64_t sequence_base = 0;  ///< Number of the first place in `sequence`.
    Keys keys;
    std::uint64_t next_index = 0;
    std::vector<SessionState> sessions;  ///< Source, reduce: one. Batch: as many as run at once.
    std::vector<Item> gathered;          ///< Batch: the next one.
    std::uint64_t gathered_generation = 0;
    bool gathered_due = false;
    bool draining = false;
    bool cut = false;        ///< Its input, or a source's output, ended early because of a stop.
    bool waiting = false;    ///< A source that had nothing to give.
    bool went_well = false;  ///< A call of it has succeeded.
    std::chrono::nanoseconds pause{0};
    TimePoint busy_since{};
    std::chrono::nanoseconds busy{0};
    StageReport report;
  };

  struct Timer {
    enum class Kind { kRetry, kGather, kSourcePause, kBatchTimeout, kBatchRetry, kReopen };
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
  void pump_route(std::uint32_t node);
  void fire_timers();
  [[nodiscard]] TimePoint next_deadline() const;
  [[nodiscard]] bool has_room(const PlanOutput& output, std::uint64_t bytes) const;
  void push(const PlanOutput& output, Item item);
  [[nodiscard]] bool deliver(std::uint32_t node, std::uint32_t output, Item& item);
  [[nodiscard]] bool flush_outbox(std::uint32_t node);
  /// The next edge with an item, taking turns; kNone when all are empty.
  [[nodiscard]] std::uint32_t next_edge(NodeState& state) const;
  [[nodiscard]] Item pop(std::uint32_t edge);
  [[nodiscard]] bool input_ended(const NodeState& state) const;
  void finish_node(std::uint32_t node);
  void operation_began(std::uint32_t node);
  void operation_ended(std::uint32_t node);
  void record_failure(std::uint32_t node, std::string item, Error error);
  /// Ends the run if a stage has only ever failed.
  void give_up_if_hopeless();
  [[nodiscard]] std::string identify(const PlanNode& plan, const Item& item) const;
  void abort(RunReport::End end, std::optional<Error> error);
  void fill_report();

  // engine_control.cpp: what is asked for from outside, and what is told there
  void read_wishes();
  void drain();
  void set_paused(bool paused);
  void show_progress();
  void publish();

  // engine_calls.cpp: map stages and plain sinks
  void pump_calls(std::uint32_t node);
  void take_item(std::uint32_t node, Item item);
  [[nodiscard]] std::uint32_t new_call();
  void start_call(std::uint32_t slot);
  /// Whether results wait for those of the items before them.
  [[nodiscard]] static bool resequences(const PlanNode& plan) noexcept;
  /// Items that a node has taken and not given on, at most.
  [[nodiscard]] static std::uint32_t hold(const NodeState& state) noexcept;
  void call_ended(std::uint32_t slot);
  void answer(std::uint32_t slot, Reply reply);
  void fail_call(std::uint32_t slot, Error error);
  void release_call(std::uint32_t slot);
  void flush_sequence(std::uint32_t node);
  [[nodiscard]] bool may_retry(const PlanNode& plan, const Error& error, std::uint32_t attempt) const;
  [[nodiscard]] static std::chrono::nanoseconds backoff(const RetryPolicy& retry, std::uint32_t attempt);

  // engine_sessions.cpp: sources, reduces; engine_recovery.cpp: when their workers die
  void session_ended(std::uint32_t node, std::uint32_t which);
  void open_session(std::uint32_t node, std::uint32_t which);
  void checkpoint_ended(std::uint32_t node, SessionState& session, ExecutorSession::Outcome outcome);
  /// Why a session that failed was lost, by its error; nullopt for a failure of the task itself.
  [[nodiscard]] static std::optional<SessionLosses::Cause> loss_of(const PlanNode& plan, const Error& error);
  /// Whether a new session can take the place of a lost one without losing or doubling anything.
  [[nodiscard]] static bool can_reopen(const NodeState& node, const SessionState& session) noexcept;
  /// Opens a session again that was lost, or ends the run.
  void recover(std::uint32_t node, SessionState& session, Error error);
  void fail_session(std::uint32_t node, SessionState& session, Error error, const std::string& why);
  void pump_source(std::uint32_t node);
  /// Ends the run because an item, counted from 1, that a source had to give again is not the one that it gave before.
  void fail_repeat(std::uint32_t node, SessionState& session, std::uint64_t item, const std::string& how);
  void source_stepped(std::uint32_t node, SessionState& state, ExecutorSession::Outcome outcome);
  [[nodiscard]] std::uint32_t source_room(const NodeState& state) const;
  void pump_reduce(std::uint32_t node);
  void drop_reduce(std::uint32_t node);
  void feed_kept(std::uint32_t node, std::uint32_t which);
  void reduce_stepped(std::uint32_t node, SessionState& state, ExecutorSession::Outcome outcome);

  // engine_batches.cpp
  void pump_batch(std::uint32_t node);
  void begin_batch(std::uint32_t node, std::uint32_t which);
  void batch_stepped(std::uint32_t node, std::uint32_t which, ExecutorSession::Outcome outcome);
  void batch_failed(std::uint32_t node, std::uint32_t which, Error error);
  /// Begins a batch again whose session was lost before it could do anything, or to something else. False: it counts.
  [[nodiscard]] bool restart_batch(std::uint32_t node, std::uint32_t which, const Error& error);
  void free_batch(std::uint32_t node, std::uint32_t which);

  const Graph::Impl& graph_;
  Executor& executor_;
  const RunOptions& options_;
  std::vector<NodeState> nodes_;
  std::vector<Edge> edges_;
  std::vector<std::uint32_t> decided_outputs_;  ///< By edge into a route: of its first item, once that has been read.
  OutputNames output_names_;
  std::deque<Call> calls_;  ///< A deque, because arguments stay where they are.
  std::vector<std::uint32_t> free_calls_;
  Ring<std::uint32_t> scheduled_;
  std::priority_queue<Timer> timers_;
  std::vector<Ended> ended_;
  std::vector<Reply> feed_;  ///< Reused for each feed.
  std::size_t open_nodes_ = 0;
  std::uint64_t under_way_ = 0;
  std::uint64_t ended_calls_ = 0;
  std::uint32_t last_crash_ = kNone;  ///< Node of the item whose call crashed last.
  bool aborted_ = false;
  bool draining_ = false;
  bool paused_ = false;
  bool quiet_ = false;              ///< Paused, and nothing is under way any more.
  bool unpublished_ = false;        ///< Something has changed since the control was told.
  std::vector<Timer> held_timers_;  ///< While paused: those whose time stands still, or that would begin something.
  TimePoint paused_at_{};
  TimePoint now_{};
  TimePoint started_{};
  TimePoint next_progress_{};
  TimePoint next_publish_{};
  FailureNews news_;
  const std::uint64_t give_up_after_;
  /// A node whose first items, `give_up_after_` of them, have all failed, and how the last did.
  std::uint32_t hopeless_ = kNone;
  Error hopeless_error_;
  RunReport report_;
};

}  // namespace tenon::internal
