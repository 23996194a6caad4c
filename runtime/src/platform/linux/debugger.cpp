#include "platform/debugger.hpp"

#include <fcntl.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "platform/environment.hpp"

namespace tenon::internal {

bool debugger_attached(std::int64_t pid) noexcept {
  if (pid <= 0) {
    return false;
  }
  std::array<char, 4096> text{};
  std::array<char, 64> path{};
  static_cast<void>(std::snprintf(path.data(), path.size(), "/proc/%lld/status", static_cast<long long>(pid)));
  const int file = ::open(path.data(), O_RDONLY | O_CLOEXEC);
  if (file < 0) {
    return false;
  }
  const ssize_t size = ::read(file, text.data(), text.size() - 1);
  ::close(file);
  constexpr std::string_view kKey = "\nTracerPid:";
  const std::string_view status(text.data(), size > 0 ? static_cast<std::size_t>(size) : 0);
  const std::size_t found = status.find(kKey);
  return found != std::string_view::npos && std::strtoll(text.data() + found + kKey.size(), nullptr, 10) != 0;
}

void allow_debuggers() noexcept {
  // Fails if the system does not require permission.
  static_cast<void>(::prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0));
}

bool debuggers_wanted() {
  return !get_environment("TENON_DEBUG").value_or("").empty();
}

void want_debuggers() {
  static_cast<void>(::setenv("TENON_DEBUG", "1", 1));
}

}  // namespace tenon::internal
