/// pipeline/group_runner.hpp: a reduce by keys and windows, which gives a result for each group.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <list>
#include <optional>
#include <vector>

#include <tenon/reply.hpp>

#include "pipeline/fed_session.hpp"
#include "pipeline/grouping.hpp"
#include "pipeline/node_runner.hpp"
#include "pipeline/pace.hpp"
#include "pipeline/session_losses.hpp"

namespace tenon::internal {

/// Grouping decides what belongs together. Here, a group is a checkpoint of the task and the items that
/// came after it. Only some groups have a session at a time: when it is opened, it is fed those items;
/// when another group needs its place, it gives a checkpoint and is closed. So a worker's death costs
/// a group nothing but a repetition, and the number of sessions does not depend on the number of keys.
class GroupRunner final : public NodeRunner {
 public:
  GroupRunner(RunContext& run, std::uint32_t node);

  void pump() override;
  void wind_down() override;
  void ended(std::uint32_t which) override;
  void fired(const NodeTimer& reopen) override;
  void cancel() override;
  void fill_report() override;

 private:
  /// Which queue a group is in.
  enum class Queue : std::uint8_t {
    kNone,
    kUrgent,   ///< A result is wanted.
    kCold,     ///< It has items and no session.
    kWarm,     ///< It has items and a session.
    kBlocked,  ///< Its result waits until there is room for it.
  };
  struct Group {
    FedSession session;        ///< With the items since the checkpoint.
    Reply checkpoint;          ///< Empty: the start.
    std::uint64_t number = 0;  ///< As in Grouping; 0 if it is free.
    std::uint64_t taken = 0;   ///< How many items of the report it has.
    std::uint64_t weight = 0;  ///< What it occupies, and what of that its items do.
    std::uint64_t item_weight = 0;
    std::size_t counted = 0;  ///< How many of the items any session has had.
    std::uint64_t place = 0;  ///< Its place in `results_`, if it is due.
    SessionLosses losses;
    TimePoint step_began{};
    std::list<std::uint32_t>::iterator rests_at;
    Queue queue = Queue::kNone;
    bool rests = false;        ///< It is in `resting_`.
    bool due = false;          ///< Its last result is wanted.
    bool early = false;        ///< A result over what it has so far is wanted.
    bool saved = false;        ///< Its session can give that result now, and be lost with it.
    bool gives_early = false;  ///< The result under way is not the last one.
    bool put_away = false;     ///< Its session is to be closed.
    bool relieves = false;     ///< It is put away to free memory.
    bool changed = false;      ///< It has had an item since its last result.
    bool waits = false;        ///< A timer will let its session be opened again.
    bool refuses = false;      ///< The task gave no checkpoint of it.
    bool dropped = false;      ///< It gives no result.
  };
  /// The result of a group that is due, in order.
  struct Due {
    std::uint32_t group = 0;
    bool given = false;
    Reply result;
  };
  struct QueueEntry {
    std::uint32_t group = 0;
    std::uint64_t number = 0;
  };
  struct Input {
    TimePoint last_item{};  ///< Pauses do not count.
    bool idle = false;
    bool ended = false;
  };

  // group_runner.cpp: items and results
  void start();
  [[nodiscard]] std::int64_t wall_clock_ns() const;
  void take_items();
  void take_item(std::uint32_t edge);
  void apply_events();
  void add(Grouping::Event event);
  void make_due(std::uint32_t id);
  /// Whether further groups may become due.
  [[nodiscard]] bool accepts() const;
  void notice_inputs();
  void want_early_results();
  void pass_results();
  [[nodiscard]] Item make_result(std::uint32_t id, Reply reply, bool is_final);
  /// Drops the open groups and the input of a run that was interrupted.
  void drop_input();
  void drop_open();
  /// Drops a group whose session is idle.
  void discard(std::uint32_t id);
  void release(std::uint32_t id);
  void set_timers();
  void wake_no_later(TimePoint at);

  // group_runner.cpp: memory
  [[nodiscard]] std::uint64_t occupied() const { return weight_ + grouping_.held_bytes(); }
  void reweigh(Group& group);
  /// Has checkpoints taken of the groups with the most items.
  void relieve();
  void check_memory();

  // group_sessions.cpp: sessions
  /// Begins as many operations as may be under way.
  void work();
  void step(std::uint32_t id);
  void open(std::uint32_t id);
  void feed(std::uint32_t id);
  void checkpoint(std::uint32_t id);
  void give(std::uint32_t id);
  void close(std::uint32_t id);
  /// Makes room for another session. Returns false if there is none yet.
  [[nodiscard]] bool make_room();
  [[nodiscard]] bool may_checkpoint(const Group& group) const noexcept { return !gives_none_ && !group.refuses; }
  [[nodiscard]] bool may_give(std::uint32_t id);
  [[nodiscard]] bool ready(const Group& group) const;
  /// Queues a group that is not under way, if there is something to do for it.
  void settle(std::uint32_t id, bool continues = false);
  void enqueue(std::uint32_t id, bool continues);
  void rest(std::uint32_t id);
  void stop_resting(Group& group);
  [[nodiscard]] bool has(Queue queue);
  [[nodiscard]] std::uint32_t pop(Queue queue);
  [[nodiscard]] std::deque<QueueEntry>& entries(Queue queue);
  void unblock();

  void was_opened(std::uint32_t id, ExecutorSession::Outcome outcome);
  void was_fed(std::uint32_t id, FedSession::Step step);
  void was_saved(std::uint32_t id, ExecutorSession::Outcome outcome);
  void gave(std::uint32_t id, ExecutorSession::Outcome outcome);
  void recover(std::uint32_t id, Error error);

  const GroupRule& rule_;
  Grouping grouping_;
  std::vector<std::uint32_t> input_of_edge_;
  std::vector<Input> inputs_;
  const std::uint32_t most_under_way_;
  const std::uint32_t most_open_;

  std::deque<Group> groups_;  ///< By Grouping's numbers.
  std::uint64_t in_use_ = 0;
  std::deque<Due> results_;
  std::uint64_t first_place_ = 0;  ///< The place of the first one.
  std::uint64_t given_ = 0;        ///< How many of them have been given.
  std::uint32_t giving_ = 0;       ///< How many results are under way.
  std::deque<QueueEntry> urgent_;  ///< The queues may have entries that are out of date.
  std::deque<QueueEntry> cold_;
  std::deque<QueueEntry> warm_;
  std::deque<QueueEntry> blocked_;
  std::list<std::uint32_t> resting_;  ///< Groups with a session and nothing to do; the first one longest.
  std::uint32_t open_sessions_ = 0;
  std::uint32_t waiting_ = 0;  ///< Groups that wait for a timer.
  std::uint32_t relieving_ = 0;
  bool gives_none_ = false;  ///< The task gives no checkpoints.
  StepSize step_;

  std::uint64_t weight_ = 0;
  std::uint64_t item_weight_ = 0;
  std::uint64_t next_index_ = 0;
  std::uint64_t late_ = 0;
  std::uint64_t cut_groups_ = 0;
  bool started_ = false;
  TimePoint first_now_{};
  std::int64_t first_wall_ns_ = 0;
  TimePoint next_early_{};
  TimePoint wakes_at_{};
};

}  // namespace tenon::internal
