#include "platform/signals.hpp"

#include <array>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string_view>
#include <utility>

namespace tenon::internal {

void ignore_broken_pipe() noexcept {
  ::signal(SIGPIPE, SIG_IGN);
}

bool sent_by_others(int signal) noexcept {
  return signal == SIGKILL || signal == SIGTERM || signal == SIGINT || signal == SIGHUP;
}

std::string signal_state() {
  std::ifstream status("/proc/self/status");
  std::string line;
  std::string text;
  while (std::getline(status, line)) {
    for (const auto& [key, name] : {std::pair<std::string_view, std::string_view>{"SigBlk:\t", "blocked="},
                                    {"SigIgn:\t", "ignored="},
                                    {"SigCgt:\t", "caught="}}) {
      if (line.starts_with(key)) {
        // Without signals 32 and 33, which the C library reserves and ignores in programs started
        // by posix_spawn.
        constexpr unsigned long long kLibraryOwn = 3ull << 31;
        const unsigned long long bits = std::strtoull(line.c_str() + key.size(), nullptr, 16) & ~kLibraryOwn;
        std::array<char, 24> digits{};
        std::snprintf(digits.data(), digits.size(), "%llx", bits);
        text += text.empty() ? "" : " ";
        text += name;
        text += digits.data();
      }
    }
  }
  return text;
}

}  // namespace tenon::internal
