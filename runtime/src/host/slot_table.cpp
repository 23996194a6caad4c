#include "host/slot_table.hpp"

#include <algorithm>
#include <cassert>
#include <functional>
#include <utility>

#include "base/hot.hpp"
#include "host/call.hpp"

namespace tenon::internal {

namespace {

/// The load that a session counts as; a call in flight counts as 1.
constexpr std::size_t kLoadOfSession = 2;
/// A session can wait for a worker that fails to start, but any other slot is better.
constexpr std::size_t kLoadWithoutWorker = 1000;

std::size_t pinned_slot_of(const Call& call) noexcept {
  return static_cast<std::size_t>(call.details().pinned_slot);
}

}  // namespace

std::int32_t slot_of_key(const std::string& key, std::uint32_t primary_slots) noexcept {
  return static_cast<std::int32_t>(std::hash<std::string>{}(key) % primary_slots);
}

SlotTable::SlotTable(const SlotTableOptions& options) : options_(options), slots_(options.primary_slots) {
  for (WorkerSlot& slot : slots_) {
    slot.role = SlotRole::kPrimary;
  }
}

WorkerLink* SlotTable::find(std::uint64_t link_id) const noexcept {
  for (const WorkerSlot& slot : slots_) {
    if (slot.link != nullptr && slot.link->id == link_id) {
      return slot.link.get();
    }
  }
  return nullptr;
}

std::uint32_t SlotTable::ready_count() const noexcept {
  return static_cast<std::uint32_t>(std::count_if(slots_.begin(), slots_.end(), [](const WorkerSlot& slot) {
    return !slot.is_extra() && slot.ready_link() != nullptr;
  }));
}

std::uint32_t SlotTable::worker_count() const noexcept {
  return static_cast<std::uint32_t>(std::count_if(
      slots_.begin(), slots_.end(), [](const WorkerSlot& slot) { return slot.link != nullptr || slot.starting; }));
}

std::size_t SlotTable::load_of(const WorkerSlot& slot) noexcept {
  if (const WorkerLink* link = slot.ready_link()) {
    return link->sessions.size() * kLoadOfSession + link->in_flight.size();
  }
  // A worker that is being stopped may take long to exit.
  const bool comes = slot.link == nullptr || slot.link->state == WorkerLink::State::kStarting;
  return comes && !slot.starts.failed() ? kLoadOfSession - 1 : kLoadWithoutWorker;
}

std::int32_t SlotTable::for_session() const noexcept {
  std::size_t best = 0;
  std::size_t best_load = SIZE_MAX;
  for (std::size_t i = 0; i < options_.primary_slots; ++i) {
    const WorkerSlot& slot = slots_[i];
    const std::size_t load = load_of(slot) + slot.pinned.size();
    if (load < best_load) {
      best_load = load;
      best = i;
    }
  }
  return static_cast<std::int32_t>(best);
}

// -- calls that are bound to a slot -------------------------------------------------------------

TENON_HOT void SlotTable::push(Call& call, bool at_front) {
  CallQueue& queue = slots_[pinned_slot_of(call)].pinned;
  if (at_front) {
    queue.push_front(call);
  } else {
    queue.push_back(call);
  }
  ++pinned_calls_;
}

TENON_HOT void SlotTable::remove(Call& call) noexcept {
  slots_[pinned_slot_of(call)].pinned.remove(call);
  --pinned_calls_;
}

// -- starts -------------------------------------------------------------------------------------

bool SlotTable::wants_start(const WorkerSlot& slot) const noexcept {
  if (slot.link != nullptr || slot.starting || stopped_) {
    return false;
  }
  switch (slot.role) {
    case SlotRole::kPrimary:
      return true;
    case SlotRole::kWarm:
      return !slot.started_once;
    case SlotRole::kAside:
      return !slot.pinned.empty();
    case SlotRole::kFree:
    case SlotRole::kTrial:
      break;
  }
  return false;
}

bool SlotTable::may_start() const noexcept {
  return !stopped_ && (options_.first_workers == kEveryWorker || worker_count() < options_.first_workers);
}

std::optional<std::uint32_t> SlotTable::next_start(MonotonicNs now_ns) {
  if (!may_start()) {
    return std::nullopt;
  }
  for (std::size_t turn = 0; turn < slots_.size(); ++turn) {
    const std::size_t i = (start_cursor_ + turn) % slots_.size();
    WorkerSlot& slot = slots_[i];
    if (wants_start(slot) && slot.starts.due_ns() <= now_ns) {
      slot.starting = true;
      slot.started_once = true;
      start_cursor_ = i + 1;
      return static_cast<std::uint32_t>(i);
    }
  }
  return std::nullopt;
}

MonotonicNs SlotTable::next_start_ns() const noexcept {
  MonotonicNs next_ns = kNever;
  if (may_start()) {
    for (const WorkerSlot& slot : slots_) {
      if (wants_start(slot)) {
        next_ns = std::min(next_ns, slot.starts.due_ns());
      }
    }
  }
  return next_ns;
}

bool SlotTable::start_freely(MonotonicNs from_ns) {
  options_.first_workers = kEveryWorker;
  bool any = false;
  for (WorkerSlot& slot : slots_) {
    if (wants_start(slot)) {
      slot.starts.delay_until(from_ns);
      any = true;
    }
  }
  return any;
}

SlotTable::AfterFailure SlotTable::note_start_failure(std::uint32_t slot, MonotonicNs now_ns) {
  WorkerSlot& failed = slots_[slot];
  failed.starts.note_failure(now_ns);
  options_.first_workers = kEveryWorker;
  const bool hopeless = std::all_of(slots_.begin(), slots_.end(), [&](const WorkerSlot& each) {
    return each.is_extra() || (each.link == nullptr && given_up(each, now_ns));
  });
  if (hopeless) {
    return AfterFailure::kAllGivenUp;
  }
  return given_up(failed, now_ns) || failed.role == SlotRole::kWarm ? AfterFailure::kSlotGivenUp
                                                                    : AfterFailure::kTryAgain;
}

bool SlotTable::given_up(const WorkerSlot& slot, MonotonicNs now_ns) const noexcept {
  return ever_ready_ ? slot.starts.failed_for(options_.start_patience_ns, now_ns) : slot.starts.failed_often();
}

void SlotTable::note_ready(std::uint32_t slot) noexcept {
  slots_[slot].starts.note_ready();
  ever_ready_ = true;
}

void SlotTable::note_exit(std::uint32_t slot, bool useless, MonotonicNs now_ns) noexcept {
  if (useless) {
    slots_[slot].starts.note_useless(now_ns);
  } else {
    slots_[slot].starts.note_end();
  }
}

// -- workers and roles --------------------------------------------------------------------------

void SlotTable::put(std::shared_ptr<WorkerLink> link) {
  WorkerSlot& slot = slots_[link->slot];
  assert(slot.link == nullptr && slot.starting);
  slot.starting = false;
  slot.link = std::move(link);
}

std::shared_ptr<WorkerLink> SlotTable::take(std::uint32_t slot) noexcept {
  return std::exchange(slots_[slot].link, nullptr);
}

void SlotTable::move(std::uint32_t from, std::uint32_t to) noexcept {
  assert(slots_[from].link != nullptr && slots_[to].link == nullptr);
  slots_[to].link = std::exchange(slots_[from].link, nullptr);
  slots_[to].link->slot = to;
}

std::uint32_t SlotTable::occupy(SlotRole role, GenerationRef generation) {
  assert(role == SlotRole::kWarm || role == SlotRole::kAside);
  std::size_t index = options_.primary_slots;
  while (index < slots_.size() && slots_[index].role != SlotRole::kFree) {
    ++index;
  }
  if (index == slots_.size()) {
    slots_.emplace_back();
  }
  slots_[index].role = role;
  slots_[index].generation = std::move(generation);
  return static_cast<std::uint32_t>(index);
}

void SlotTable::free(std::uint32_t index) noexcept {
  WorkerSlot& slot = slots_[index];
  assert(slot.is_extra() && slot.link == nullptr && !slot.starting && slot.pinned.empty());
  slot.role = SlotRole::kFree;
  slot.generation = nullptr;
  slot.starts = {};
  slot.started_once = false;
}

void SlotTable::begin_trial(const Generation& generation) noexcept {
  for (WorkerSlot& slot : slots_) {
    if (slot.role == SlotRole::kWarm && slot.generation.get() == &generation) {
      slot.role = SlotRole::kTrial;
    }
  }
}

void SlotTable::set_aside(std::uint32_t slot) noexcept {
  assert(slots_[slot].role == SlotRole::kWarm || slots_[slot].role == SlotRole::kTrial);
  slots_[slot].role = SlotRole::kAside;
}

}  // namespace tenon::internal
