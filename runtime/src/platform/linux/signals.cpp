#include "platform/signals.hpp"

#include <csignal>
#include <fstream>
#include <string_view>
#include <utility>

namespace tenon::internal {

void ignore_broken_pipe() noexcept {
  ::signal(SIGPIPE, SIG_IGN);
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
        const std::size_t first = line.find_first_not_of('0', key.size());
        text += text.empty() ? "" : " ";
        text += name;
        text += first == std::string::npos ? "0" : line.substr(first);
      }
    }
  }
  return text;
}

}  // namespace tenon::internal
