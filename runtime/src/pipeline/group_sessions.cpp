// The sessions of a GroupRunner.
#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "host/storage.hpp"
#include "pipeline/group_runner.hpp"
#include "pipeline/session_recovery.hpp"

namespace tenon::internal {
namespace {

/// A group gets a session before its result is wanted when it has this many items, or bytes.
constexpr std::size_t kVisitItems = 64;
constexpr std::uint64_t kVisitBytes = std::uint64_t{1} << 20;
constexpr std::uint64_t kMostFeedBytes = std::uint64_t{16} << 20;
/// A checkpoint is requested when this many items, or bytes, came after the last one.
constexpr std::size_t kCheckpointItems = 4096;
constexpr std::uint64_t kCheckpointBytes = std::uint64_t{16} << 20;
/// How many results may wait for an earlier one.
constexpr std::uint64_t kMostGiven = 256;

}  // namespace

std::deque<GroupRunner::QueueEntry>& GroupRunner::entries(Queue queue) {
  switch (queue) {
    case Queue::kUrgent:
      return urgent_;
    case Queue::kCold:
      return cold_;
    case Queue::kWarm:
      return warm_;
    case Queue::kBlocked:
    case Queue::kNone:
      break;
  }
  return blocked_;
}

bool GroupRunner::has(Queue queue) {
  std::deque<QueueEntry>& all = entries(queue);
  while (!all.empty()) {
    const Group& group = groups_[all.front().group];
    if (group.number == all.front().number && group.queue == queue) {
      return true;
    }
    all.pop_front();
  }
  return false;
}

std::uint32_t GroupRunner::pop(Queue queue) {
  const std::uint32_t id = entries(queue).front().group;
  entries(queue).pop_front();
  groups_[id].queue = Queue::kNone;
  return id;
}

bool GroupRunner::ready(const Group& group) const {
  if (group.due || group.early) {
    return true;
  }
  const std::size_t items = group.session.items().size();
  if (group.session.closed()) {
    return items > 0 && (group.put_away || items >= kVisitItems || group.session.bytes() >= kVisitBytes);
  }
  const bool large = items >= kCheckpointItems || group.session.bytes() >= kCheckpointBytes;
  return group.put_away || group.session.fed() < items || (large && may_checkpoint(group));
}

void GroupRunner::settle(std::uint32_t id, bool continues) {
  Group& group = groups_[id];
  if (!group.session.idle() || group.waits || group.queue == Queue::kBlocked) {
    return;
  }
  if (ready(group)) {
    enqueue(id, continues);
  } else if (!group.session.closed()) {
    rest(id);
  }
}

void GroupRunner::enqueue(std::uint32_t id, bool continues) {
  Group& group = groups_[id];
  const Queue queue = group.due || group.early ? Queue::kUrgent : group.session.closed() ? Queue::kCold : Queue::kWarm;
  if (group.queue == queue) {
    return;
  }
  stop_resting(group);
  group.queue = queue;
  if (continues) {
    entries(queue).push_front({id, group.number});
  } else {
    entries(queue).push_back({id, group.number});
  }
}

void GroupRunner::rest(std::uint32_t id) {
  Group& group = groups_[id];
  if (!group.rests) {
    group.rests = true;
    group.rests_at = resting_.insert(resting_.end(), id);
  }
}

void GroupRunner::stop_resting(Group& group) {
  if (group.rests) {
    group.rests = false;
    resting_.erase(group.rests_at);
  }
}

void GroupRunner::unblock() {
  while (has(Queue::kBlocked)) {
    settle(pop(Queue::kBlocked), true);
  }
}

void GroupRunner::work() {
  while (!run_.aborted && under_way() < most_under_way_) {
    if (has(Queue::kUrgent)) {
      // What has begun continues first, so at most as many sessions as operations are opened for these.
      step(pop(Queue::kUrgent));
    } else if (has(Queue::kCold) && (open_sessions_ < most_open_ || make_room())) {
      step(pop(Queue::kCold));
    } else if (has(Queue::kWarm)) {
      const std::uint32_t id = pop(Queue::kWarm);
      // Otherwise the groups with a session could keep the others from getting one.
      groups_[id].put_away = groups_[id].put_away || (!gives_none_ && has(Queue::kCold));
      step(id);
    } else if (!has(Queue::kCold) || resting_.empty() || gives_none_) {
      return;
    }
  }
}

bool GroupRunner::make_room() {
  if (resting_.empty() || gives_none_) {
    return false;
  }
  const std::uint32_t id = resting_.front();
  Group& group = groups_[id];
  stop_resting(group);
  if (group.session.items().empty() || !may_checkpoint(group)) {
    close(id);
    return true;
  }
  group.put_away = true;
  checkpoint(id);
  return false;
}

void GroupRunner::step(std::uint32_t id) {
  Group& group = groups_[id];
  FedSession& session = group.session;
  if (session.closed()) {
    open(id);
  } else if (group.early && group.saved) {
    give(id);
  } else if (session.fed() < session.items().size()) {
    feed(id);
  } else if (group.early && may_checkpoint(group) && !session.items().empty()) {
    checkpoint(id);
  } else if (group.due || group.early) {
    group.saved = group.early;
    give(id);
  } else if (group.put_away && (session.items().empty() || !may_checkpoint(group))) {
    close(id);
  } else if (may_checkpoint(group) && ready(group)) {
    checkpoint(id);
  } else {
    rest(id);
  }
}

void GroupRunner::open(std::uint32_t id) {
  Group& group = groups_[id];
  ++open_sessions_;
  group.saved = false;
  group.session.open(run_.executor, plan_, node_, id, group.checkpoint.bytes_in_place(), plan_.timeout);
  operation_began();
}

void GroupRunner::feed(std::uint32_t id) {
  Group& group = groups_[id];
  const FedSession& session = group.session;
  std::size_t most = step_.size();
  if (session.fed() < group.counted) {
    most = std::min(most, group.counted - session.fed());  // As in StreamSession::next.
  }
  std::uint64_t bytes = 0;
  for (std::size_t i = 0; i < most && session.fed() + i < session.items().size(); ++i) {
    bytes += session.items()[session.fed() + i].bytes();
    if (bytes >= kMostFeedBytes) {
      most = i + 1;
    }
  }
  group.step_began = run_.now;
  group.saved = false;
  group.session.feed(most);
  operation_began();
}

void GroupRunner::checkpoint(std::uint32_t id) {
  groups_[id].session.checkpoint();
  operation_began();
}

bool GroupRunner::may_give(std::uint32_t id) {
  const bool first = !results_.empty() && results_.front().group == id;
  return outbox_.empty() && (first || given_ + giving_ < kMostGiven);
}

void GroupRunner::give(std::uint32_t id) {
  Group& group = groups_[id];
  if (!may_give(id)) {
    group.queue = Queue::kBlocked;
    blocked_.push_back({id, group.number});
    return;
  }
  group.gives_early = group.early;
  group.changed = group.session.fed() < group.session.items().size();
  ++giving_;
  group.session.finish();
  operation_began();
}

void GroupRunner::close(std::uint32_t id) {
  Group& group = groups_[id];
  stop_resting(group);
  if (!group.session.closed()) {
    --open_sessions_;
    group.session.close();
    group.session.shrink();
  }
  relieving_ -= group.relieves ? 1 : 0;
  group.put_away = false;
  group.relieves = false;
  group.saved = false;
}

void GroupRunner::ended(std::uint32_t which) {
  operation_ended();
  Group& group = groups_[which];
  FedSession::Step step = group.session.take();
  giving_ -= step.phase == FedSession::Phase::kFinishing ? 1 : 0;
  if (run_.aborted) {
    return;
  }
  schedule();
  if (group.dropped || run_.flow.unwanted(node_)) {
    discard(which);
    return;
  }
  switch (step.phase) {
    case FedSession::Phase::kOpening:
      was_opened(which, std::move(step.outcome));
      break;
    case FedSession::Phase::kFeeding:
      was_fed(which, std::move(step));
      break;
    case FedSession::Phase::kCheckpointing:
      was_saved(which, std::move(step.outcome));
      break;
    case FedSession::Phase::kFinishing:
      gave(which, std::move(step.outcome));
      return;
    case FedSession::Phase::kClosed:
    case FedSession::Phase::kIdle:
      break;
  }
  if (!run_.aborted) {
    settle(which, true);
  }
}

void GroupRunner::was_opened(std::uint32_t id, ExecutorSession::Outcome outcome) {
  if (outcome.error) {
    recover(id, std::move(*outcome.error));
  }
}

void GroupRunner::was_fed(std::uint32_t id, FedSession::Step step) {
  if (step.outcome.error) {
    recover(id, std::move(*step.outcome.error));
    return;
  }
  Group& group = groups_[id];
  step_.stepped(step.fed, run_.now - group.step_began);
  if (group.session.fed() == group.counted) {
    step_.lost();  // The next item may be the one that killed the worker.
  }
  if (group.session.fed() > group.counted) {
    group.counted = group.session.fed();
    group.losses.progressed();
  }
}

void GroupRunner::was_saved(std::uint32_t id, ExecutorSession::Outcome outcome) {
  if (outcome.error && loss_cause(*outcome.error, plan_.timeout.has_value())) {
    recover(id, std::move(*outcome.error));
    return;
  }
  Group& group = groups_[id];
  if (!outcome.error && !outcome.results.empty() && outcome.results.front().size_bytes() > 0) {
    Reply& saved = outcome.results.front();
    if (saved.size_bytes() > kCopiedResultBytes) {
      // It must not occupy the memory of its worker for long.
      StoredBytes copy = copy_to_host(saved.bytes_in_place());
      saved = Reply(std::move(copy.storage), copy.bytes);
    }
    group.checkpoint = std::move(saved);
    group.session.forget_fed();
    group.counted = 0;
    group.losses.progressed();
    group.saved = group.early;
    reweigh(group);
  } else if (!outcome.error || outcome.error->code == ErrorCode::kUnsupported) {
    gives_none_ = true;
  } else {
    group.refuses = true;
  }
  if (group.put_away && !group.early && !group.due) {
    close(id);
  }
}

void GroupRunner::gave(std::uint32_t id, ExecutorSession::Outcome outcome) {
  if (outcome.error) {
    recover(id, std::move(*outcome.error));
    if (!run_.aborted) {
      settle(id, true);
    }
    return;
  }
  Group& group = groups_[id];
  close(id);
  if (group.gives_early) {
    outbox_.push_back(make_result(id, std::move(outcome.results.front()), false));
    group.early = false;
    group.gives_early = false;
    settle(id);
    return;
  }
  active_ -= group.taken;
  report_.grouped += std::exchange(group.taken, 0);
  group.session.forget();
  group.session.shrink();
  group.checkpoint = {};
  reweigh(group);
  Due& due = results_[group.place - first_place_];
  due.result = std::move(outcome.results.front());
  due.given = true;
  ++given_;
  pass_results();
}

void GroupRunner::recover(std::uint32_t id, Error error) {
  Group& group = groups_[id];
  Recovery recovery = recover_session(std::move(error),
                                      {.has_timeout = plan_.timeout.has_value(),
                                       .can_reopen = true,
                                       .ended_calls = run_.ended_calls,
                                       .culprit = run_.last_culprit()},
                                      group.losses);
  if (!recovery.reopens_after) {
    const std::string name = grouping_.describe(id);
    if (!name.empty()) {
      recovery.error.message += "; it was the group " + name;
    }
    fail_run(std::move(recovery.error), recovery.why);
    return;
  }
  ++report_.retried;
  if (group.counted == 0) {
    step_.lost();  // If earlier work must be repeated, the step size stays.
  }
  close(id);
  if (recovery.reopens_after->count() > 0) {
    group.waits = true;
    ++waiting_;
    set_timer(run_.now + std::chrono::duration_cast<Executor::Clock::duration>(*recovery.reopens_after),
              NodeTimer::Kind::kReopen, id, group.number);
  }
}

void GroupRunner::cancel() {
  for (Group& group : groups_) {
    if (group.number != 0 && !group.session.idle()) {
      group.session.cancel();
    }
  }
}

}  // namespace tenon::internal
