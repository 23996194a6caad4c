#include "swap/event_log.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

namespace tenon::internal {
namespace {

/// How many digits of a hash are shown; people compare no more.
constexpr std::size_t kShownDigits = 12;

LogLevel level_of(SwapEvent::Kind kind) {
  switch (kind) {
    case SwapEvent::Kind::kRefused:
    case SwapEvent::Kind::kForced:
    case SwapEvent::Kind::kRolledBack:
    case SwapEvent::Kind::kQuarantined:
      return LogLevel::kWarning;
    default:
      return LogLevel::kInfo;
  }
}

std::string line_of(const SwapEvent& event) {
  std::string line = "swap: " + std::string(swap_event_name(event.kind));
  const std::string version = describe_version(event.plugin, event.version, event.sha256);
  if (!version.empty()) {
    line += ": " + version;
  }
  if (event.generation != 0) {
    line += " generation " + std::to_string(event.generation);
  }
  return event.message.empty() ? line : line + ": " + event.message;
}

}  // namespace

std::string describe_version(std::string_view plugin, std::string_view version, std::string_view sha256) {
  std::string text(plugin);
  if (!version.empty()) {
    text.append(text.empty() ? "" : " ").append(version);
  }
  if (!sha256.empty()) {
    text.append(text.empty() ? "" : " ").append("(sha256:").append(sha256.substr(0, kShownDigits)).append(")");
  }
  return text;
}

void EventLog::add(SwapEvent event) {
  event.time = std::chrono::system_clock::now();
  const std::string line = log_ ? line_of(event) : std::string();
  {
    auto state = state_.lock();
    event.number = ++state->last;
    state->kept.push_back(event);
    if (state->kept.size() > kKept) {
      state->kept.pop_front();
    }
    state->undelivered.push_back(event);
  }
  if (log_) {
    LogRecord record;
    record.level = level_of(event.kind);
    record.message = line;
    record.plugin = event.plugin;
    log_(record);
  }
}

void EventLog::deliver() {
  for (;;) {
    SwapEvent event;
    {
      auto state = state_.lock();
      if (state->undelivered.empty()) {
        return;
      }
      event = std::move(state->undelivered.front());
      state->undelivered.pop_front();
    }
    listeners_->tell(event);
  }
}

std::vector<SwapEvent> EventLog::since(std::uint64_t number) {
  auto state = state_.lock();
  const std::uint64_t first = state->last - state->kept.size() + 1;
  const std::uint64_t skipped = number < first ? 0 : std::min<std::uint64_t>(number - first + 1, state->kept.size());
  return {state->kept.begin() + static_cast<std::ptrdiff_t>(skipped), state->kept.end()};
}

EventSubscription EventLog::subscribe(SwapListeners::Function function) {
  // Under the lock, so that no event falls between the number and the subscription.
  auto state = state_.lock();
  return listeners_->add(std::move(function), state->last);
}

}  // namespace tenon::internal
