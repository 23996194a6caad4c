#include "platform/service_manager.hpp"

#include <cstdint>
#include <cstdlib>
#include <string>

#include <systemd/sd-daemon.h>

#include "base/clock.hpp"
#include "base/text.hpp"

namespace tenon::internal {
namespace {

constexpr std::size_t kMaxStatusBytes = 500;

void notify(const std::string& state) noexcept {
  // A lost message cannot be recovered.
  static_cast<void>(::sd_notify(0, state.c_str()));
}

std::string status_line(std::string_view status) {
  return "\nSTATUS=" + printable(status, kMaxStatusBytes);
}

}  // namespace

bool ServiceManager::present() noexcept {
  const char* socket = std::getenv("NOTIFY_SOCKET");
  return socket != nullptr && *socket != '\0';
}

void ServiceManager::ready(std::string_view status) noexcept {
  notify("READY=1" + status_line(status));
}

void ServiceManager::reloading() noexcept {
  // Type=notify-reload needs the start time of the reload, in CLOCK_MONOTONIC.
  notify("RELOADING=1\nMONOTONIC_USEC=" + std::to_string(monotonic_now_ns() / 1000) + status_line("reloading"));
}

void ServiceManager::stopping(std::string_view status) noexcept {
  notify("STOPPING=1" + status_line(status));
}

void ServiceManager::status(std::string_view status) noexcept {
  notify("STATUS=" + printable(status, kMaxStatusBytes));
}

void ServiceManager::alive() noexcept {
  notify("WATCHDOG=1");
}

std::optional<std::chrono::microseconds> ServiceManager::watchdog_interval() noexcept {
  std::uint64_t interval_us = 0;
  if (::sd_watchdog_enabled(0, &interval_us) <= 0 || interval_us == 0) {
    return std::nullopt;
  }
  return std::chrono::microseconds(interval_us);
}

}  // namespace tenon::internal
