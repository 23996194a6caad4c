#include "host/placement.hpp"

#include <optional>
#include <utility>
#include <vector>

#include "base/hot.hpp"
#include "host/trials.hpp"

namespace tenon::internal {

bool Placement::place_pinned(Call& call) {
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

TENON_HOT bool Placement::keep_apart(const WorkerLink& link, Call& call) {
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
  backlog_.dequeue(call);
  call.make_details().pinned_slot =
      static_cast<std::int32_t>(best ? *best : slots_.occupy(SlotRole::kAside, generation));
  backlog_.enqueue(call, false);
  effects_->rearm = true;
  effects_->again = true;
  return true;
}

TENON_HOT const RouteRef& Placement::follow_route(Call& call) {
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

Error Placement::lost_call_error(const Call& call) {
  if (call.details().session == nullptr) {
    return Error{ErrorCode::kUnavailable, "the worker that the call was meant for has ended",
                 CallLedger::context_of(call)};
  }
  const PluginInfo& plugin = *call.run_route()->ref.plugin;
  if (call.details().session->ended) {
    return Error{ErrorCode::kInvalidArgument,
                 "the session of " + call.run_route()->ref.task->full_name + " has ended; open a new one",
                 CallLedger::context_of(call)};
  }
  if (call.details().session->overstayed) {
    return Error{ErrorCode::kUnavailable,
                 "the session could not move from " + plugin.name + " " + plugin.version +
                     ", which was replaced, and was ended after session_drain; open a new one",
                 CallLedger::context_of(call)};
  }
  return Error{ErrorCode::kCrashed, "the worker of this session is gone; open a new session from the last checkpoint",
               CallLedger::context_of(call)};
}

WorkerLink* Placement::link_of(const SessionRecord& session) const noexcept {
  if (session.link_id == 0) {
    return nullptr;
  }
  WorkerLink* seen = slots_[static_cast<std::size_t>(session.slot)].link.get();
  if (seen != nullptr && seen->id == session.link_id) {
    return seen;
  }
  return slots_.find(session.link_id);
}

bool Placement::should_move(const SessionRecord& session) const noexcept {
  const WorkerLink* link = link_of(session);
  if (link == nullptr || slots_[link->slot].role != SlotRole::kAside) {
    return false;
  }
  // The worker of a current generation is aside if its generation cannot share a process with others.
  const Generation& generation = *session.route->generation;
  return slots_[link->slot].generation.get() != &generation || generation.counts.replaced();
}

void Placement::fail_sessions(std::uint64_t link_id, std::uint32_t slot) {
  std::vector<Call*> lost;
  std::vector<Call*> kept;
  const CallQueue& pinned = slots_[slot].pinned;
  while (Call* call = pinned.front()) {
    backlog_.dequeue(*call);
    (call->session_bound && call->details().session->link_id == link_id ? lost : kept).push_back(call);
  }
  for (Call* call : kept) {
    slots_.push(*call, false);
  }
  for (Call* call : lost) {
    Error error = lost_call_error(*call);
    ledger_.finish(CallRef::adopt(call), fail(std::move(error)));
  }
}

void Placement::relocate(std::uint32_t from, std::uint32_t to) {
  const WorkerSlot& source = slots_[from];
  slots_.move(from, to);
  WorkerLink& link = *slots_[to].link;
  // Steps of a session move with the worker. Calls diverted to a trial there are no longer bound to it.
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
    backlog_.dequeue(*call);
    const bool own = call->session_bound && call->details().session->link_id == link.id;
    (own || source.is_extra() ? moving : staying).push_back(call);
  }
  for (Call* call : staying) {
    backlog_.enqueue(*call, false);
  }
  for (Call* call : moving) {
    rebind(*call);
    backlog_.enqueue(*call, false);
  }
  for (const auto& session : link.sessions) {
    session->slot = static_cast<std::int32_t>(to);
  }
}

std::uint32_t Placement::move_aside(std::uint32_t primary, GenerationRef generation) {
  const std::uint32_t aside = slots_.occupy(SlotRole::kAside, std::move(generation));
  relocate(primary, aside);
  roster_.unlist(*slots_[aside].link);
  return aside;
}

void Placement::free_slot(std::uint32_t index) {
  const WorkerSlot& slot = slots_[index];
  if (slot.link != nullptr || slot.starting) {
    return;
  }
  if (slot.role == SlotRole::kAside && !slot.pinned.empty() && !slots_.given_up(slot, monotonic_now_ns())) {
    return;  // Another worker will start for these calls.
  }
  std::vector<Call*> diverted;
  while (Call* call = slot.pinned.front()) {
    backlog_.dequeue(*call);
    if (call->details().diverted) {
      diverted.push_back(call);
    } else {
      ledger_.finish_error(CallRef::adopt(call), ErrorCode::kUnavailable,
                           "no worker can be started for the version of the plugin that the call is for");
    }
  }
  while (!diverted.empty()) {
    Trials::undivert(*diverted.back());
    backlog_.enqueue(*diverted.back(), true);
    diverted.pop_back();
  }
  slots_.free(index);
}

}  // namespace tenon::internal
