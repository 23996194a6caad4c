/// The scheduler's part about generations of plugins, and the workers that are bound to them. See swap/DESIGN.md.
#include <algorithm>
#include <utility>

#include "base/hot.hpp"
#include "host/scheduler.hpp"

namespace tenon::internal {

void Scheduler::free_extra_slot(std::uint32_t index) {
  const WorkerSlot& slot = slots_[index];
  if (slot.link != nullptr || slot.starting) {
    return;
  }
  if (slot.role == SlotRole::kAside && !slot.pinned.empty() && !slots_.given_up(slot, monotonic_now_ns())) {
    return;  // A further worker comes for these.
  }
  std::vector<Call*> diverted;
  while (Call* call = slot.pinned.front()) {
    dequeue(*call);
    if (call->details().diverted) {
      diverted.push_back(call);
    } else {
      finish_error(CallRef::adopt(call), ErrorCode::kUnavailable,
                   "no worker can be started for the version of the plugin that the call is for");
    }
  }
  while (!diverted.empty()) {
    Trials::undivert(*diverted.back());
    enqueue(*diverted.back(), true);
    diverted.pop_back();
  }
  slots_.free(index);
}

void Scheduler::relocate(std::uint32_t from, std::uint32_t to) {
  const WorkerSlot& source = slots_[from];
  slots_.move(from, to);
  WorkerLink& link = *slots_[to].link;
  // Steps of a session go with the worker. What was on trial there is not bound to it any more.
  const auto rebind = [&](Call& call) {
    CallDetails& details = call.make_details();
    details.pinned_slot = call.session_bound ? static_cast<std::int32_t>(to) : -1;
    details.diverted = false;
  };
  for (std::uint64_t position = link.in_flight.front_position(); position < link.in_flight.end_position(); ++position) {
    Call* call = link.in_flight.at(position);
    if (call == nullptr) {
      continue;
    }
    call->slot = static_cast<std::uint16_t>(to);
    if (call->details().pinned_slot == static_cast<std::int32_t>(from) && (call->session_bound || source.is_extra())) {
      rebind(*call);
    }
  }
  std::vector<Call*> staying;
  std::vector<Call*> moving;
  while (Call* call = source.pinned.front()) {
    dequeue(*call);
    const bool own = call->session_bound && call->details().session->link_id == link.id;
    (own || source.is_extra() ? moving : staying).push_back(call);
  }
  for (Call* call : staying) {
    enqueue(*call, false);
  }
  for (Call* call : moving) {
    rebind(*call);
    enqueue(*call, false);
  }
  for (const auto& session : link.sessions) {
    session->slot = static_cast<std::int32_t>(to);
  }
}

std::uint32_t Scheduler::move_aside(std::uint32_t primary, GenerationRef generation) {
  const std::uint32_t aside = slots_.occupy(SlotRole::kAside, std::move(generation));
  relocate(primary, aside);
  board_.remove(*slots_[aside].link);
  return aside;
}

void Scheduler::take_back_all(WorkerLink& link) {
  for (std::uint64_t position = link.in_flight.end_position(); position-- > link.in_flight.front_position();) {
    Call* call = link.in_flight.at(position);
    if (call == nullptr || call->session_bound || call->stop_reason != StopReason::kNone) {
      continue;
    }
    if (call->kind == CallKind::kBulk) {
      if (CallRef rest = take_items_back(link, *call)) {
        requeue(std::move(rest));
      }
    }
    if (!take_back(link, *call)) {
      call->moving = true;
      continue;
    }
    CallRef taken = take_out(link, *call);
    --taken->attempt;
    if (taken->kind == CallKind::kOpen) {
      taken->details().session->link_id = 0;
    }
    if (taken->details().diverted) {
      Trials::undivert(*taken);
    }
    requeue(std::move(taken));
  }
}

void Scheduler::dismiss(WorkerLink& link) {
  if (link.dismissed) {
    return;
  }
  link.dismissed = true;
  if (link.state == WorkerLink::State::kStarting) {
    link.kill();
    return;
  }
  if (link.state != WorkerLink::State::kReady) {
    return;
  }
  link.state = WorkerLink::State::kStopping;
  board_.remove(link);
  link.stop_deadline_ns = monotonic_now_ns() + options_.cancel_grace_ns;
  effects_->rearm = true;
  link.send_stop();
}

void Scheduler::dismiss_if_done(WorkerLink& link) {
  const WorkerSlot& slot = slots_[link.slot];
  if (slot.role == SlotRole::kAside && link.in_flight.empty() && link.sessions.empty() && slot.pinned.empty()) {
    dismiss(link);
  }
}

void Scheduler::end_overstayed(WorkerLink& link, MonotonicNs now_ns) {
  link.session_deadline_ns = kNever;
  // A step that runs is waited for: it ends within milliseconds by contract.
  if (!link.in_flight.empty()) {
    link.session_deadline_ns = now_ns + options_.cancel_grace_ns;
    return;
  }
  std::erase_if(link.sessions, [](const std::shared_ptr<SessionRecord>& session) {
    session->overstayed = session->route->generation->counts.replaced();
    return session->overstayed;
  });
  dismiss_if_done(link);
}

// -- routes -----------------------------------------------------------------------------------

TENON_HOT const RouteRef& Scheduler::follow_route(Call& call) {
  const std::int32_t pinned_slot = call.details().pinned_slot;
  if (pinned_slot < 0 || !slots_[static_cast<std::size_t>(pinned_slot)].is_extra()) {
    const RouteRef* newest = &call.run_route();
    while ((*newest)->successor != nullptr) {
      newest = &(*newest)->successor;
    }
    if (newest != &call.run_route()) {
      call.set_run_route(*newest);
    }
  }
  return call.run_route();
}

TENON_HOT bool Scheduler::keep_apart(const WorkerLink& link, Call& call) {
  const std::int32_t pinned_slot = call.details().pinned_slot;
  const Generation& wanted = *follow_route(call)->generation;
  const bool fits = !wanted.counts.replaced() && !(wanted.has_libraries && link.clashes_with(wanted));
  if (fits || (pinned_slot >= 0 && slots_[static_cast<std::size_t>(pinned_slot)].is_extra())) {
    return false;
  }
  const GenerationRef& generation = call.run_route()->generation;
  std::optional<std::uint32_t> best;
  for (std::uint32_t i = slots_.primary_count(); i < slots_.size(); ++i) {
    const WorkerSlot& slot = slots_[i];
    const bool takes = slot.role == SlotRole::kAside && slot.generation.get() == generation.get() &&
                       (slot.link == nullptr || !slot.link->dismissed);
    if (takes && (!best || slot.pinned.size() < slots_[*best].pinned.size())) {
      best = i;
    }
  }
  dequeue(call);
  call.make_details().pinned_slot =
      static_cast<std::int32_t>(best ? *best : slots_.occupy(SlotRole::kAside, generation));
  enqueue(call, false);
  effects_->rearm = true;
  effects_->again = true;
  return true;
}

bool Scheduler::place_pinned(Call& call) {
  CallDetails& details = call.make_details();
  if (call.session_bound) {
    const WorkerLink* link = link_of(*details.session);
    if (link == nullptr || details.session->overstayed) {
      return false;
    }
    details.pinned_slot = static_cast<std::int32_t>(link->slot);
    return true;
  }
  return slots_[static_cast<std::size_t>(details.pinned_slot)].role != SlotRole::kFree;
}

WorkerLink* Scheduler::link_of(const SessionRecord& session) const noexcept {
  if (session.link_id == 0) {
    return nullptr;
  }
  WorkerLink* seen = slots_[static_cast<std::size_t>(session.slot)].link.get();
  if (seen != nullptr && seen->id == session.link_id) {
    return seen;
  }
  return slots_.find(session.link_id);
}

Error Scheduler::lost_session_error(const Call& call) const {
  if (call.details().session == nullptr) {
    return Error{ErrorCode::kUnavailable, "the worker that the call was meant for has ended", context_of(call)};
  }
  const PluginInfo& plugin = *call.run_route()->ref.plugin;
  if (call.details().session->ended) {
    return Error{ErrorCode::kInvalidArgument,
                 "the session of " + call.run_route()->ref.task->full_name + " has ended; open a new one",
                 context_of(call)};
  }
  if (call.details().session->overstayed) {
    return Error{ErrorCode::kUnavailable,
                 "the session could not move from " + plugin.name + " " + plugin.version +
                     ", which was replaced, and was ended after session_drain; open a new one",
                 context_of(call)};
  }
  return Error{ErrorCode::kCrashed, "the worker of this session is gone; open a new session from the last checkpoint",
               context_of(call)};
}

bool Scheduler::should_move(const SessionRecord& session) const noexcept {
  const WorkerLink* link = link_of(session);
  if (link == nullptr || slots_[link->slot].role != SlotRole::kAside) {
    return false;
  }
  // A current generation is in a worker aside when it does not go together with what others have.
  const Generation& generation = *session.route->generation;
  return slots_[link->slot].generation.get() != &generation || generation.counts.replaced();
}

void Scheduler::count_crash(const Call& call) {
  effects_->trouble = true;
  // A call that had crashed before, on this version or another, says nothing of the version: it may be the argument.
  if (call.kind != CallKind::kLoad && call.attempt <= 1) {
    call.run_route()->generation->counts.add_crash();
  }
}

// -- trials -----------------------------------------------------------------------------------

std::uint32_t Scheduler::workers_with(std::string_view plugin) const noexcept {
  return static_cast<std::uint32_t>(std::count_if(slots_.begin(), slots_.end(), [&](const WorkerSlot& slot) {
    return !slot.is_extra() && slot.link != nullptr && slot.link->state == WorkerLink::State::kReady &&
           slot.link->generation_of(plugin) != nullptr;
  }));
}

std::vector<std::uint32_t> Scheduler::add_warm_slots(const GenerationRef& generation, std::uint32_t count) {
  std::vector<std::uint32_t> added;
  for (std::uint32_t i = 0; i < count; ++i) {
    added.push_back(slots_.occupy(SlotRole::kWarm, generation));
  }
  effects_->rearm = true;
  return added;
}

// -- the switch -------------------------------------------------------------------------------

void Scheduler::switch_generation(const Switch& change) {
  const Generation& to = *change.to;
  trials_.end(to);
  std::vector<std::uint32_t> fresh;
  for (std::uint32_t i = slots_.primary_count(); i < slots_.size(); ++i) {
    const WorkerSlot& slot = slots_[i];
    const bool loaded = (slot.role == SlotRole::kWarm || slot.role == SlotRole::kTrial) && slot.generation.get() == &to;
    if (loaded && slot.link != nullptr && slot.link->state == WorkerLink::State::kReady &&
        !slot.link->reaper.exited()) {
      fresh.push_back(i);
    }
  }
  const auto fill = [&](std::uint32_t primary) {
    const std::uint32_t from = fresh.back();
    fresh.pop_back();
    relocate(from, primary);
    free_extra_slot(from);
    relist(*slots_[primary].link);
  };
  const MonotonicNs session_deadline_ns = deadline_after(std::chrono::nanoseconds(change.session_drain_ns));
  std::vector<std::uint32_t> aside;
  for (std::uint32_t i = 0; i < slots_.primary_count(); ++i) {
    const std::shared_ptr<WorkerLink> link = slots_[i].link;
    const GenerationRef* bound = link == nullptr ? nullptr : link->generation_of(to.plugin->name);
    if (bound == nullptr || bound->get() == &to) {
      continue;
    }
    aside.push_back(move_aside(i, *bound));
    if (!link->sessions.empty()) {
      link->session_deadline_ns = session_deadline_ns;
      effects_->rearm = true;
    }
    if (!change.keeps_queued) {
      take_back_all(*link);
    }
    if (!fresh.empty()) {
      fill(i);
    }
  }
  for (std::uint32_t i = 0; i < slots_.primary_count() && !fresh.empty(); ++i) {
    if (slots_[i].link == nullptr && !slots_[i].starting) {
      fill(i);
    }
  }
  for (const std::uint32_t surplus : fresh) {
    slots_.set_aside(surplus);
    aside.push_back(surplus);
  }
  // First what must stay where it was finds its place, then those that have nothing go.
  dispatch();
  for (const std::uint32_t index : aside) {
    if (slots_[index].link != nullptr) {
      dismiss_if_done(*slots_[index].link);
    }
  }
  effects_->changed = true;
  effects_->rearm = true;
}

void Scheduler::cancel_loads(WorkerLink& link) {
  const InFlight& in_flight = link.in_flight;
  for (std::uint64_t position = in_flight.front_position(); position < in_flight.end_position(); ++position) {
    if (Call* call = in_flight.at(position); call != nullptr && call->kind == CallKind::kLoad) {
      const CallRef kept = CallRef::share(call);  // To the end of this: it may be taken out.
      cancel(*call);
    }
  }
}

void Scheduler::retire_generation(const Generation& generation) {
  trials_.end(generation);
  for (std::uint32_t i = slots_.primary_count(); i < slots_.size(); ++i) {
    const WorkerSlot& slot = slots_[i];
    if ((slot.role != SlotRole::kWarm && slot.role != SlotRole::kTrial) || slot.generation.get() != &generation) {
      continue;
    }
    std::vector<Call*> waiting;
    while (Call* call = slot.pinned.front()) {
      dequeue(*call);
      waiting.push_back(call);
    }
    for (auto call = waiting.rbegin(); call != waiting.rend(); ++call) {
      if ((*call)->details().diverted) {
        Trials::undivert(**call);
        enqueue(**call, true);
      } else {
        finish_error(CallRef::adopt(*call), ErrorCode::kCancelled,
                     "the version that the call was meant for has been refused");
      }
    }
    if (slot.link != nullptr) {
      cancel_loads(*slot.link);
      take_back_all(*slot.link);
    }
    slots_.set_aside(i);
    if (slot.link != nullptr) {
      dismiss_if_done(*slot.link);
    } else {
      free_extra_slot(i);
    }
  }
  dispatch();
}

bool Scheduler::has_generation(const Generation& generation) const noexcept {
  return std::any_of(slots_.begin(), slots_.end(), [&](const WorkerSlot& slot) {
    const GenerationRef* bound = slot.link == nullptr ? nullptr : slot.link->generation_of(generation.plugin->name);
    return (bound != nullptr && bound->get() == &generation) ||
           (slot.generation.get() == &generation && (slot.link != nullptr || slot.starting || !slot.pinned.empty()));
  });
}

void Scheduler::fill_tally(const Generation& generation, GenerationTally& tally) const {
  tally.calls = generation.counts.calls();
  tally.failed = generation.counts.failed();
  tally.crashed = generation.counts.crashed();
  tally.idle_deaths = generation.counts.idle_deaths();
  tally.age = std::chrono::nanoseconds(monotonic_now_ns() - generation.made_ns);
  tally.p99_ns = generation.counts.p99_ns();
  for (const WorkerSlot& slot : slots_) {
    const GenerationRef* bound = slot.link == nullptr ? nullptr : slot.link->generation_of(generation.plugin->name);
    if (bound == nullptr || bound->get() != &generation) {
      continue;
    }
    ++tally.workers;
    const InFlight& in_flight = slot.link->in_flight;
    if (!in_flight.empty() && slot.link->transport->end().may_have_begun(in_flight.front_position())) {
      const Call& front = in_flight.front();
      const bool plain = front.kind == CallKind::kCall || front.kind == CallKind::kBulk;
      tally.running += plain && front.run_route()->generation.get() == &generation ? 1 : 0;
    }
    tally.sessions += static_cast<std::uint32_t>(
        std::count_if(slot.link->sessions.begin(), slot.link->sessions.end(),
                      [&](const auto& session) { return session->route->generation.get() == &generation; }));
  }
}

}  // namespace tenon::internal
