#include "swap/listeners.hpp"

#include <utility>

namespace tenon {

std::string_view generation_state_name(GenerationState state) noexcept {
  switch (state) {
    case GenerationState::kTrial:
      return "trial";
    case GenerationState::kCanary:
      return "canary";
    case GenerationState::kCurrent:
      return "current";
    case GenerationState::kDraining:
      return "draining";
    case GenerationState::kRetired:
      return "retired";
    case GenerationState::kRefused:
      return "refused";
  }
  return "unknown";
}

std::string_view swap_event_name(SwapEvent::Kind kind) noexcept {
  switch (kind) {
    case SwapEvent::Kind::kDetected:
      return "detected";
    case SwapEvent::Kind::kStaged:
      return "staged";
    case SwapEvent::Kind::kRefused:
      return "refused";
    case SwapEvent::Kind::kForced:
      return "forced";
    case SwapEvent::Kind::kCanary:
      return "canary";
    case SwapEvent::Kind::kSwitched:
      return "switched";
    case SwapEvent::Kind::kDrained:
      return "drained";
    case SwapEvent::Kind::kRolledBack:
      return "rolled_back";
    case SwapEvent::Kind::kQuarantined:
      return "quarantined";
    case SwapEvent::Kind::kWatch:
      return "watch";
    case SwapEvent::Kind::kRestored:
      return "restored";
  }
  return "unknown";
}

EventSubscription::EventSubscription(EventSubscription&& other) noexcept
    : listeners_(std::move(other.listeners_)), id_(std::exchange(other.id_, 0)) {
  other.listeners_.reset();
}

EventSubscription& EventSubscription::operator=(EventSubscription&& other) noexcept {
  // The old subscription ends with `before`.
  EventSubscription before(std::move(*this));
  listeners_ = std::move(other.listeners_);
  other.listeners_.reset();
  id_ = std::exchange(other.id_, 0);
  return *this;
}

EventSubscription::~EventSubscription() {
  if (const auto listeners = listeners_.lock(); listeners != nullptr && id_ != 0) {
    listeners->remove(id_);
  }
}

namespace internal {

EventSubscription SwapListeners::add(Function function, std::uint64_t last) {
  auto state = state_.lock();
  const std::uint64_t id = state->next_id++;
  state->listeners.emplace(id, Listener{std::make_shared<const Function>(std::move(function)), last});
  return {weak_from_this(), id};
}

void SwapListeners::remove(std::uint64_t id) {
  auto state = state_.lock();
  const auto found = state->listeners.find(id);
  if (found == state->listeners.end()) {
    return;
  }
  // Destroyed outside the lock, because its captures may subscribe or unsubscribe.
  const auto function = std::move(found->second.function);
  state->listeners.erase(found);
  if (state->teller != std::this_thread::get_id()) {
    state.wait(ended_, [&] { return state->running != id; });
  }
  state.unlock();
}

void SwapListeners::tell(const SwapEvent& event) {
  std::uint64_t id = 0;
  for (;;) {
    std::shared_ptr<const Function> function;
    {
      auto state = state_.lock();
      auto next = state->listeners.upper_bound(id);
      while (next != state->listeners.end() && next->second.last >= event.number) {
        ++next;
      }
      if (next == state->listeners.end()) {
        return;
      }
      id = next->first;
      function = next->second.function;
      state->running = id;
      state->teller = std::this_thread::get_id();
    }
    (*function)(event);
    {
      auto state = state_.lock();
      state->running = 0;
      state->teller = {};
    }
    ended_.notify_all();
  }
}

}  // namespace internal
}  // namespace tenon
