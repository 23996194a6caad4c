/// swap/event_log.hpp: the events of a runtime, in order.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <tenon/log.hpp>
#include <tenon/swap.hpp>

#include "base/guarded.hpp"
#include "swap/listeners.hpp"

namespace tenon::internal {

/// "image 1.2.0 (sha256:ab12cd34ef56)"; empty parts are left out. [any-thread]
[[nodiscard]] std::string describe_version(std::string_view plugin, std::string_view version, std::string_view sha256);

/// Numbers events, keeps the latest ones, writes each to the log as a line, and passes them to
/// listeners. [any-thread] except `deliver`.
class EventLog {
 public:
  static constexpr std::size_t kKept = 1024;

  explicit EventLog(LogSink log) : log_(std::move(log)), listeners_(std::make_shared<SwapListeners>()) {}

  /// Adds an event; its number and time are filled in.
  void add(SwapEvent event);
  /// Passes the events that were added since the last call to the listeners. One thread at a time,
  /// outside every lock.
  void deliver();

  /// The kept events whose number is above `number`, oldest first.
  [[nodiscard]] std::vector<SwapEvent> since(std::uint64_t number);
  [[nodiscard]] EventSubscription subscribe(SwapListeners::Function function);

 private:
  struct State {
    std::deque<SwapEvent> kept;
    std::deque<SwapEvent> undelivered;
    std::uint64_t last = 0;
  };
  const LogSink log_;
  const std::shared_ptr<SwapListeners> listeners_;
  Guarded<State> state_;
};

}  // namespace tenon::internal
