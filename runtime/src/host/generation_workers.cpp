#include "host/generation_workers.hpp"

#include <algorithm>
#include <chrono>
#include <memory>
#include <utility>

namespace tenon::internal {

GenerationWorkers::GenerationWorkers(std::int64_t cancel_grace_ns, const Parts& parts) noexcept
    : cancel_grace_ns_(cancel_grace_ns),
      slots_(parts.slots),
      trials_(parts.trials),
      wear_(parts.wear),
      roster_(parts.roster),
      backlog_(parts.backlog),
      ledger_(parts.ledger),
      recall_(parts.recall),
      placement_(parts.placement),
      dispatcher_(parts.dispatcher),
      limits_(parts.limits),
      closing_(parts.closing),
      effects_(parts.effects) {}

std::uint32_t GenerationWorkers::count_with(std::string_view plugin) const noexcept {
  return static_cast<std::uint32_t>(std::count_if(slots_.begin(), slots_.end(), [&](const WorkerSlot& slot) {
    return !slot.is_extra() && slot.link != nullptr && slot.link->state == WorkerLink::State::kReady &&
           slot.link->generation_of(plugin) != nullptr;
  }));
}

std::vector<std::uint32_t> GenerationWorkers::add_warm_slots(const GenerationRef& generation, std::uint32_t count) {
  std::vector<std::uint32_t> added;
  for (std::uint32_t i = 0; i < count; ++i) {
    added.push_back(slots_.occupy(SlotRole::kWarm, generation));
  }
  effects_->rearm = true;
  return added;
}

void GenerationWorkers::switch_to(const Switch& change) {
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
    placement_.relocate(from, primary);
    placement_.free_slot(from);
    roster_.relist(*slots_[primary].link);
  };
  const MonotonicNs session_deadline_ns = deadline_after(std::chrono::nanoseconds(change.session_drain_ns));
  std::vector<std::uint32_t> aside;
  for (std::uint32_t i = 0; i < slots_.primary_count(); ++i) {
    const std::shared_ptr<WorkerLink> link = slots_[i].link;
    const GenerationRef* bound = link == nullptr ? nullptr : link->generation_of(to.plugin->name);
    if (bound == nullptr || bound->get() == &to) {
      continue;
    }
    aside.push_back(placement_.move_aside(i, *bound));
    if (!link->sessions.empty()) {
      link->session_deadline_ns = session_deadline_ns;
      effects_->rearm = true;
    }
    if (!change.keeps_queued) {
      recall_.take_back_all(*link);
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
  // First the calls that must stay are placed, then idle workers are dismissed.
  dispatcher_.dispatch();
  for (const std::uint32_t index : aside) {
    if (slots_[index].link != nullptr) {
      roster_.dismiss_if_done(*slots_[index].link);
    }
  }
  effects_->changed = true;
  effects_->rearm = true;
}

void GenerationWorkers::cancel_loads(WorkerLink& link) {
  const InFlight& in_flight = link.in_flight;
  for (std::uint64_t position = in_flight.front_position(); position < in_flight.end_position(); ++position) {
    if (Call* call = in_flight.at(position); call != nullptr && call->kind == CallKind::kLoad) {
      const CallRef kept = CallRef::share(call);  // Kept because cancelling may remove it from the ring.
      limits_.cancel(*call);
    }
  }
}

void GenerationWorkers::drop_waiting(std::uint32_t slot) {
  std::vector<Call*> waiting;
  while (Call* call = slots_[slot].pinned.front()) {
    backlog_.dequeue(*call);
    waiting.push_back(call);
  }
  for (auto call = waiting.rbegin(); call != waiting.rend(); ++call) {
    if ((*call)->details().diverted) {
      Trials::undivert(**call);
      backlog_.enqueue(**call, true);
    } else {
      ledger_.finish_error(CallRef::adopt(*call), ErrorCode::kCancelled,
                           "the version that the call was meant for has been refused");
    }
  }
}

void GenerationWorkers::retire(const Generation& generation) {
  trials_.end(generation);
  for (std::uint32_t i = slots_.primary_count(); i < slots_.size(); ++i) {
    const WorkerSlot& slot = slots_[i];
    if ((slot.role != SlotRole::kWarm && slot.role != SlotRole::kTrial) || slot.generation.get() != &generation) {
      continue;
    }
    drop_waiting(i);
    if (slot.link != nullptr) {
      cancel_loads(*slot.link);
      recall_.take_back_all(*slot.link);
    }
    slots_.set_aside(i);
    if (slot.link != nullptr) {
      roster_.dismiss_if_done(*slot.link);
    } else {
      placement_.free_slot(i);
    }
  }
  dispatcher_.dispatch();
}

bool GenerationWorkers::has(const Generation& generation) const noexcept {
  return std::any_of(slots_.begin(), slots_.end(), [&](const WorkerSlot& slot) {
    const GenerationRef* bound = slot.link == nullptr ? nullptr : slot.link->generation_of(generation.plugin->name);
    return (bound != nullptr && bound->get() == &generation) ||
           (slot.generation.get() == &generation && (slot.link != nullptr || slot.starting || !slot.pinned.empty()));
  });
}

void GenerationWorkers::fill_tally(const Generation& generation, GenerationTally& tally) const {
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

bool GenerationWorkers::recycle_worn() {
  bool sessions = false;
  for (const std::uint64_t id : wear_.take_worn()) {
    const WorkerLink* const found = slots_.find(id);
    if (found == nullptr || closing_.stopping() || slots_[found->slot].is_extra() || found->reaper.exited() ||
        found->dismissed || found->state != WorkerLink::State::kReady) {
      continue;
    }
    // Keeps the link: a slot may be added, and the link may end.
    const std::shared_ptr<WorkerLink> link = slots_[found->slot].link;
    sessions = sessions || !link->sessions.empty();
    static_cast<void>(placement_.move_aside(link->slot, nullptr));
    recall_.take_back_all(*link);
    dispatcher_.dispatch();
    roster_.dismiss_if_done(*link);
    effects_->changed = true;
    effects_->rearm = true;
  }
  return sessions;
}

void GenerationWorkers::end_overstayed(WorkerLink& link, MonotonicNs now_ns) {
  link.session_deadline_ns = kNever;
  // Waits for a running step, which by contract ends within milliseconds.
  if (!link.in_flight.empty()) {
    link.session_deadline_ns = now_ns + cancel_grace_ns_;
    return;
  }
  std::erase_if(link.sessions, [](const std::shared_ptr<SessionRecord>& session) {
    session->overstayed = session->route->generation->counts.replaced();
    return session->overstayed;
  });
  roster_.dismiss_if_done(link);
}

}  // namespace tenon::internal
