#include "platform/process_state.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstring>
#include <string>
#include <string_view>

#include "platform/linux/kernel_file.hpp"

namespace tenon::internal {

namespace {

/// PF_EXITING of the kernel's flags; set before a process closes its descriptors.
constexpr unsigned long kExiting = 0x4;

}  // namespace

std::optional<ProcessState> process_state(std::int64_t pid) noexcept {
  if (pid <= 0) {
    return std::nullopt;
  }
  std::array<char, 512> text{};
  std::array<char, 64> path{};
  static_cast<void>(std::snprintf(path.data(), path.size(), "/proc/%lld/stat", static_cast<long long>(pid)));
  const int file = ::open(path.data(), O_RDONLY | O_CLOEXEC);
  if (file < 0) {
    return std::nullopt;
  }
  const ssize_t size = ::read(file, text.data(), text.size() - 1);
  ::close(file);
  // "pid (name) state ppid pgrp session tty tpgid flags ...": the name may contain any character.
  const char* behind_name = size > 0 ? std::strrchr(text.data(), ')') : nullptr;
  char state = 0;
  unsigned long flags = 0;
  if (behind_name == nullptr || std::sscanf(behind_name + 1, " %c %*d %*d %*d %*d %*d %lu", &state, &flags) != 2) {
    return std::nullopt;
  }
  return ProcessState{
      .stopped = state == 'T', .main_thread_ended = state == 'Z' || state == 'X', .ending = (flags & kExiting) != 0};
}

bool process_frozen(std::int64_t pid) {
  // Only the groups are read, because the names of kernel functions in /proc/PID/wchan differ between kernels.
  const std::string groups = read_kernel_file("/proc/" + std::to_string(pid) + "/cgroup");
  std::string_view rest = groups;
  while (const auto group = take_group(rest)) {
    const std::string path(group->path);
    if (path.starts_with("/..")) {
      continue;  // Outside the groups that this process sees.
    }
    if (group->controllers == "freezer") {
      if (read_kernel_file("/sys/fs/cgroup/freezer" + path + "/freezer.state") == "FROZEN\n") {
        return true;
      }
    } else if (group->controllers.empty()) {
      // Systems that use both versions mount version 2 at "unified".
      for (const char* const root : {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"}) {
        if (read_kernel_file(root + path + "/cgroup.events").find("frozen 1") != std::string::npos) {
          return true;
        }
      }
    }
  }
  return false;
}

}  // namespace tenon::internal
