/// Reports the state of a service to the system's service manager (systemd).
#pragma once

#include <chrono>
#include <optional>
#include <string_view>

namespace tenon::internal {

/// Talks to the manager that started this process; does nothing without one ($NOTIFY_SOCKET is not
/// set). A message that cannot be sent is lost: the manager has its own time-outs. [any-thread]
/// while nothing changes the environment.
class ServiceManager {
 public:
  /// Whether there is a service manager.
  [[nodiscard]] static bool present() noexcept;

  /// The service is running, or running again after `reloading`. `status` is one line for people.
  static void ready(std::string_view status) noexcept;
  static void reloading() noexcept;
  static void stopping(std::string_view status) noexcept;
  static void status(std::string_view status) noexcept;
  /// The watchdog signal: the service is not stuck.
  static void alive() noexcept;

  /// The interval within which the manager expects `alive`; nullopt if it expects none.
  [[nodiscard]] static std::optional<std::chrono::microseconds> watchdog_interval() noexcept;
};

}  // namespace tenon::internal
