#include "pipeline/group_runner.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include "base/text.hpp"
#include "pipeline/time_text.hpp"

namespace tenon::internal {
namespace {

/// How many groups may be due and not have given their results. Then no further items are taken.
constexpr std::size_t kMostDue = 1024;
/// What an item and a group occupy besides their bytes.
constexpr std::uint64_t kItemCost = 96;
constexpr std::uint64_t kGroupCost = 768;
/// The least sessions that may be open at once.
constexpr std::uint32_t kLeastOpen = 64;
constexpr std::uint32_t kOperationsPerWorker = 4;

std::uint32_t operations(const PlanNode& plan, unsigned workers) {
  return plan.workers > 0 ? plan.workers : kOperationsPerWorker * std::max(1U, workers);
}

}  // namespace

GroupRunner::GroupRunner(RunContext& run, std::uint32_t node)
    : NodeRunner(run, node),
      rule_(*plan_.groups),
      grouping_(rule_, plan_.inputs.size()),
      input_of_edge_(run.graph.edges.size()),
      inputs_(plan_.inputs.size()),
      most_under_way_(operations(plan_, run.executor.worker_count())),
      most_open_(std::max(kLeastOpen, 2 * most_under_way_)) {
  for (std::uint32_t i = 0; i < plan_.inputs.size(); ++i) {
    input_of_edge_[plan_.inputs[i]] = i;
  }
}

void GroupRunner::start() {
  if (std::exchange(started_, true)) {
    return;
  }
  first_now_ = run_.now;
  first_wall_ns_ = run_.executor.wall_clock_ns();
  for (Input& input : inputs_) {
    input.last_item = run_.now - run_.paused_time;
  }
  if (rule_.window && rule_.window->early) {
    next_early_ = run_.now + *rule_.window->early;
  }
}

std::int64_t GroupRunner::wall_clock_ns() const {
  // The wall clock itself may be set back.
  return first_wall_ns_ + std::chrono::nanoseconds(run_.now - first_now_).count();
}

void GroupRunner::pump() {
  start();
  const bool room = flush_outbox();
  if (run_.flow.cut(node_)) {
    drop_input();
  } else {
    take_items();
    want_early_results();
  }
  if (run_.aborted) {
    return;
  }
  if (room) {
    unblock();
  }
  relieve();
  work();
  check_memory();
  if (input_ended() && in_use_ == 0 && grouping_.held() == 0 && outbox_.empty()) {
    finish();
    return;
  }
  set_timers();
}

bool GroupRunner::accepts() const {
  return results_.size() < kMostDue;
}

void GroupRunner::take_items() {
  grouping_.clock(wall_clock_ns());
  apply_events();
  while (!run_.aborted && accepts() && occupied() < rule_.memory_bytes) {
    const std::optional<std::uint32_t> edge = run_.flow.next_edge(node_);
    if (!edge) {
      break;
    }
    take_item(*edge);
    apply_events();
  }
  notice_inputs();
  apply_events();
}

void GroupRunner::take_item(std::uint32_t edge) {
  const std::uint32_t input = input_of_edge_[edge];
  Item item = run_.flow.pop(edge);
  inputs_[input].last_item = run_.now - run_.paused_time;
  inputs_[input].idle = false;
  Result<Grouping::Taken> taken = grouping_.take(input, item, wall_clock_ns());
  if (!taken) {
    fail_item(item, std::move(taken.error()));
    return;
  }
  run_.ledger.succeeded(node_);
  if (*taken == Grouping::Taken::kLate) {
    ++late_;
    ++report_.dropped;
    return;
  }
  ++active_;
}

void GroupRunner::apply_events() {
  while (!run_.aborted && accepts()) {
    std::optional<Grouping::Event> event = grouping_.next();
    if (!event) {
      return;
    }
    if (event->kind == Grouping::Event::Kind::kDue) {
      make_due(event->group);
    } else {
      add(std::move(*event));
    }
  }
}

void GroupRunner::add(Grouping::Event event) {
  if (groups_.size() <= event.group) {
    groups_.resize(event.group + std::size_t{1});
  }
  Group& group = groups_[event.group];
  if (event.opens) {
    group.number = grouping_[event.group].number;
    ++in_use_;
    if (grouping_.open() > rule_.most_groups) {
      fail_run(Error{ErrorCode::kTooLarge,
                     "more than " + std::to_string(rule_.most_groups) +
                         " groups are open at once, the limit ('groups'); the one beyond it is " +
                         grouping_.describe(event.group) +
                         ". Raise the limit, take fields with fewer values for 'by', or let windows end earlier",
                     {}});
      return;
    }
  }
  group.session.add(std::move(event.item));
  group.changed = true;
  if (event.counts) {
    ++group.taken;
  }
  reweigh(group);
  settle(event.group);
}

void GroupRunner::make_due(std::uint32_t id) {
  Group& group = groups_[id];
  group.due = true;
  group.early = false;
  group.place = first_place_ + results_.size();
  results_.push_back({id, false, {}});
  settle(id);
}

void GroupRunner::notice_inputs() {
  const TimePoint now = run_.now - run_.paused_time;
  for (std::size_t i = 0; i < inputs_.size(); ++i) {
    Input& input = inputs_[i];
    const Edge& edge = run_.flow.edge(plan_.inputs[i]);
    if (input.ended || !edge.empty()) {
      continue;
    }
    if (run_.flow.finished(edge.from())) {
      input.ended = true;
      grouping_.ended(i);
    } else if (rule_.window && rule_.window->idle && !input.idle && now - input.last_item >= *rule_.window->idle) {
      input.idle = true;
      grouping_.idle(i);
    }
  }
}

void GroupRunner::want_early_results() {
  if (!rule_.window || !rule_.window->early || run_.now < next_early_) {
    return;
  }
  const auto interval = std::chrono::duration_cast<Executor::Clock::duration>(*rule_.window->early);
  next_early_ += (1 + (run_.now - next_early_) / interval) * interval;
  for (std::uint32_t id = 0; id < groups_.size(); ++id) {
    Group& group = groups_[id];
    if (group.number != 0 && !group.due && !group.dropped && group.changed) {
      group.early = true;
      settle(id);
    }
  }
}

Item GroupRunner::make_result(std::uint32_t id, Reply reply, bool is_final) {
  const Grouping::Group& group = grouping_[id];
  std::string start;
  std::string end;
  if (rule_.window) {
    start = time_text(group.start_ns);
    end = time_text(group.end_ns);
  }
  return {std::move(reply), next_index_++,
          make_shared_object<const ItemGroup>(group.key, std::move(start), std::move(end), is_final)};
}

void GroupRunner::pass_results() {
  while (!results_.empty() && results_.front().given) {
    Due due = std::move(results_.front());
    results_.pop_front();
    ++first_place_;
    --given_;
    outbox_.push_back(make_result(due.group, std::move(due.result), true));
    release(due.group);
  }
}

void GroupRunner::drop_input() {
  drop_open();
  while (const std::optional<std::uint32_t> edge = run_.flow.next_edge(node_)) {
    static_cast<void>(run_.flow.pop(*edge));
    ++report_.dropped;
  }
}

void GroupRunner::drop_open() {
  report_.dropped += grouping_.held();
  active_ -= grouping_.held();
  for (const std::uint32_t id : grouping_.drop_open()) {
    ++cut_groups_;
    groups_[id].dropped = true;
    if (groups_[id].session.idle()) {
      discard(id);
    }
  }
}

void GroupRunner::discard(std::uint32_t id) {
  Group& group = groups_[id];
  close(id);
  active_ -= group.taken;
  report_.dropped += group.taken;
  release(id);
}

void GroupRunner::release(std::uint32_t id) {
  Group& group = groups_[id];
  stop_resting(group);
  weight_ -= group.weight;
  item_weight_ -= group.item_weight;
  waiting_ -= group.waits ? 1 : 0;
  group = Group();
  --in_use_;
  grouping_.release(id);
}

void GroupRunner::set_timers() {
  if (const std::optional<std::int64_t> end = grouping_.next_end_ns()) {
    wake_no_later(first_now_ + std::chrono::nanoseconds(*end - first_wall_ns_));
  }
  if (!rule_.window || (grouping_.open() == 0 && grouping_.held() == 0)) {
    return;
  }
  if (rule_.window->early) {
    wake_no_later(next_early_);
  }
  if (rule_.window->idle) {
    for (const Input& input : inputs_) {
      if (!input.ended && !input.idle) {
        wake_no_later(input.last_item + run_.paused_time + *rule_.window->idle);
      }
    }
  }
}

void GroupRunner::wake_no_later(TimePoint at) {
  // An earlier timer also wakes the node, but then it sets another one.
  if (wakes_at_ <= run_.now || at < wakes_at_) {
    wakes_at_ = at;
    wake_at(at);
  }
}

void GroupRunner::wind_down() {
  // Everything fits into closed edges.
  static_cast<void>(flush_outbox());
  report_.dropped += grouping_.held();
  active_ -= grouping_.held();
  static_cast<void>(grouping_.drop_open());
  results_.clear();
  for (std::uint32_t id = 0; id < groups_.size(); ++id) {
    if (groups_[id].number != 0 && groups_[id].session.idle()) {
      discard(id);
    }
  }
  if (in_use_ == 0) {
    finish();
  }
}

void GroupRunner::fired(const NodeTimer& timer) {
  if (timer.kind == NodeTimer::Kind::kReopen) {
    Group& group = groups_[timer.which];
    if (group.number == timer.generation && group.waits) {
      group.waits = false;
      --waiting_;
      settle(timer.which, true);
    }
  }
  schedule();
}

void GroupRunner::fill_report() {
  NodeRunner::fill_report();
  std::string note;
  if (late_ > 0) {
    note = count_of(late_, "item was late: its windows were over", "items were late: their windows were over");
  }
  if (cut_groups_ > 0) {
    note += (note.empty() ? "" : "; ") + std::string("no result for ") +
            count_of(cut_groups_, "open group", "open groups") + ": the run was interrupted before its input ended";
  }
  report_.note = std::move(note);
}

void GroupRunner::reweigh(Group& group) {
  const std::uint64_t items = group.session.bytes() + group.session.items().size() * kItemCost;
  const std::uint64_t all = items + group.checkpoint.size_bytes() + kGroupCost;
  weight_ += all - group.weight;
  item_weight_ += items - group.item_weight;
  group.weight = all;
  group.item_weight = items;
}

void GroupRunner::relieve() {
  const std::uint64_t most = rule_.memory_bytes;
  if (gives_none_ || relieving_ > 0 || occupied() < most / 2 || item_weight_ < most / 8) {
    return;
  }
  std::vector<std::uint32_t> ids;
  for (std::uint32_t id = 0; id < groups_.size(); ++id) {
    const Group& group = groups_[id];
    const bool free = group.number != 0 && !group.due && !group.dropped && !group.waits && !group.refuses;
    if (free && group.session.idle() && !group.session.items().empty()) {
      ids.push_back(id);
    }
  }
  std::sort(ids.begin(), ids.end(), [this](std::uint32_t one, std::uint32_t other) {
    return groups_[one].item_weight > groups_[other].item_weight;
  });
  std::uint64_t freed = 0;
  for (std::size_t i = 0; i < ids.size() && freed < most / 4; ++i) {
    Group& group = groups_[ids[i]];
    freed += group.item_weight;
    group.put_away = true;
    group.relieves = true;
    ++relieving_;
    settle(ids[i]);
  }
}

void GroupRunner::check_memory() {
  const bool busy = under_way() > 0 || waiting_ > 0 || relieving_ > 0 || !results_.empty() || !outbox_.empty();
  // Without checkpoints, no session is closed for those that wait for one.
  const bool cold = has(Queue::kCold) && !gives_none_;
  if (occupied() < rule_.memory_bytes || busy || cold || has(Queue::kUrgent) || has(Queue::kWarm)) {
    return;
  }
  std::string why = count_of(grouping_.open(), "open group holds ", "open groups hold ") + format_size(occupied()) +
                    " of items and checkpoints, and the limit ('memory') is " + format_size(rule_.memory_bytes);
  if (gives_none_) {
    why += "; the task gives no checkpoints, so all items of a group are kept until it gives its result";
  }
  if (grouping_.held() > 0) {
    why +=
        "; " + count_of(grouping_.held(), "item waits", "items wait") + " until no earlier one can come ('lateness')";
  }
  fail_run(Error{ErrorCode::kTooLarge,
                 why + ". Raise the limit, let windows end earlier, or take fields with fewer values for 'by'",
                 {}});
}

}  // namespace tenon::internal
