/// Tells the system's service manager (systemd) how a service is.
#pragma once

#include <chrono>
#include <optional>
#include <string_view>

namespace tenon::internal {

/// Talks to the manager that started this process; without one ($NOTIFY_SOCKET is not set) nothing happens. A message
/// that cannot be sent is lost: the manager has its own time-outs. [any-thread] as long as nothing changes the
/// environment.
class ServiceManager {
 public:
  /// Whether there is one.
  [[nodiscard]] static bool present() noexcept;

  /// The service works, or works again after `reloading`. `status` is one line for people.
  static void ready(std::string_view status) noexcept;
  static void reloading() noexcept;
  static void stopping(std::string_view status) noexcept;
  static void status(std::string_view status) noexcept;
  /// The service is not stuck.
  static void alive() noexcept;

  /// Within which time the manager wants to hear `alive`; nullopt when it does not.
  [[nodiscard]] static std::optional<std::chrono::microseconds> watchdog_interval() noexcept;
};

}  // namespace tenon::internal
