#include "host/trials.hpp"

namespace tenon::internal {

namespace {

/// Maximum number of shadows that wait or run for each worker on trial; more would only pile up.
constexpr std::size_t kShadowsAhead = 16;

}  // namespace

void Trials::begin(const GenerationRef& generation, double share, bool shadow) {
  slots_.begin_trial(*generation);
  trials_.push_back({.generation = generation, .share = share, .shadow = shadow});
}

void Trials::end(const Generation& generation) {
  std::erase_if(trials_, [&](const Trial& trial) { return trial.generation.get() == &generation; });
}

Trials::Trial* Trials::trial_of(const HostRoute& route) noexcept {
  if (route.trial == nullptr || !route.ref.task->idempotent || route.ref.task->kind != TaskKind::kPlain) {
    return nullptr;
  }
  for (Trial& trial : trials_) {
    if (trial.generation.get() == route.trial->generation.get()) {
      return &trial;
    }
  }
  return nullptr;
}

std::optional<std::uint32_t> Trials::next_slot(Trial& trial) const noexcept {
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    trial.next_slot = trial.next_slot + 1 < slots_.size() ? trial.next_slot + 1 : 0;
    const WorkerSlot& slot = slots_[trial.next_slot];
    if (slot.role == SlotRole::kTrial && slot.generation.get() == trial.generation.get() &&
        slot.ready_link() != nullptr) {
      return static_cast<std::uint32_t>(trial.next_slot);
    }
  }
  return std::nullopt;
}

void Trials::divert(Call& call) {
  if ((call.kind != CallKind::kCall && call.kind != CallKind::kBulk) || call.details().pinned_slot >= 0) {
    return;
  }
  Trial* trial = trial_of(*call.route());
  if (trial == nullptr || trial->shadow) {
    return;
  }
  trial->credit += trial->share;
  if (trial->credit < 1) {
    return;
  }
  trial->credit -= 1;
  if (const auto slot = next_slot(*trial)) {
    call.set_run_route(call.route()->trial);
    call.make_details().pinned_slot = static_cast<std::int32_t>(*slot);
    call.make_details().diverted = true;
  }
}

void Trials::undivert(Call& call) {
  CallDetails& details = call.make_details();
  details.run_route = nullptr;
  details.pinned_slot = -1;
  details.diverted = false;
}

std::optional<std::uint32_t> Trials::slot_for_shadow(const Call& call) {
  Trial* trial = call.kind == CallKind::kCall && call.details().pinned_slot < 0 ? trial_of(*call.route()) : nullptr;
  if (trial == nullptr || !trial->shadow) {
    return std::nullopt;
  }
  trial->credit += trial->share;
  if (trial->credit < 1) {
    return std::nullopt;
  }
  const auto slot = next_slot(*trial);
  if (!slot || slots_[*slot].pinned.size() + slots_[*slot].link->in_flight.size() >= kShadowsAhead) {
    trial->credit = 1;  // The next call gets a shadow once there is room.
    return std::nullopt;
  }
  trial->credit -= 1;
  return slot;
}

}  // namespace tenon::internal
