#include "platform/memory_limit.hpp"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <sys/types.h>
#include <unistd.h>

#include "base/unique_id.hpp"
#include "platform/file_descriptor.hpp"
#include "platform/linux/kernel_file.hpp"

namespace tenon::internal {

namespace {

namespace fs = std::filesystem;

constexpr std::string_view kGroupPrefix = "tenon-worker-";

/// Whether a line of smaps starts a mapping: "7f00-7f10 rw-s 00000000 00:01 3076 /memfd:x
/// (deleted)".
bool begins_mapping(std::string_view line) {
  const std::size_t space = line.find(' ');
  return space != std::string_view::npos && line.substr(0, space).find('-') != std::string_view::npos &&
         line.substr(0, space).find(':') == std::string_view::npos;
}

/// Bytes of shared memory that the process can write. Memory that it can only read belongs to
/// another process: the host's arguments.
std::optional<std::uint64_t> own_shared_bytes(const std::string& process) {
  const std::string maps = read_kernel_file(process + "/smaps");
  std::string_view rest = maps;
  std::uint64_t kib = 0;
  bool counts = false;
  while (const auto taken = take_line(rest)) {
    const std::string_view line = *taken;
    if (begins_mapping(line)) {
      const std::size_t access = line.find(' ') + 1;
      // Shared memory in every form: memfd, files of /dev/shm, anonymous, System V.
      const bool memory =
          line.find("/memfd:") != std::string_view::npos || line.find("/dev/shm/") != std::string_view::npos ||
          line.find("/dev/zero") != std::string_view::npos || line.find("/SYSV") != std::string_view::npos;
      counts = memory && line.size() > access + 3 && line[access + 1] == 'w' && line[access + 3] == 's';
    } else if (const auto resident = counts ? number_behind(line, "Rss:") : std::nullopt) {
      kib += *resident;
    }
  }
  return maps.empty() ? std::nullopt : std::optional(kib * 1024);
}

/// Directory of this process's memory control group, and whether it is a version 2 group.
std::optional<std::pair<fs::path, bool>> own_group() {
  const std::string groups = read_kernel_file("/proc/self/cgroup");
  std::string_view rest = groups;
  std::optional<std::pair<fs::path, bool>> unified;
  while (const auto group = take_group(rest)) {
    const fs::path path = fs::path(group->path).relative_path();
    std::error_code ignored;
    if (group->controllers == "memory" && fs::exists(fs::path("/sys/fs/cgroup/memory") / path, ignored)) {
      return std::pair(fs::path("/sys/fs/cgroup/memory") / path, false);
    }
    if (group->controllers.empty() && fs::exists(fs::path("/sys/fs/cgroup") / path / "cgroup.procs", ignored)) {
      unified = std::pair(fs::path("/sys/fs/cgroup") / path, true);
    }
  }
  return unified;
}

/// Possible parents of a group for workers: the own group, and that group's parent, because a
/// version 2 group that has processes cannot limit groups below it.
std::vector<std::pair<fs::path, bool>> parents_of_groups() {
  std::vector<std::pair<fs::path, bool>> parents;
  if (const auto own = own_group()) {
    parents.push_back(*own);
    if (own->second && own->first != "/sys/fs/cgroup") {
      parents.emplace_back(own->first.parent_path(), true);
    }
  }
  return parents;
}

std::optional<std::uint64_t> number_in(const fs::path& path, std::string_view key) {
  const std::string text = read_kernel_file(path.string());
  std::string_view rest = text;
  while (const auto line = take_line(rest)) {
    if (const auto number = number_behind(*line, key)) {
      return number;
    }
  }
  return std::nullopt;
}

/// Writes a group setting, which must be a single write.
bool write_setting(const fs::path& path, const std::string& value) noexcept {
  const FileDescriptor file(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  return file.valid() && ::write(file.get(), value.data(), value.size()) == static_cast<ssize_t>(value.size());
}

std::optional<std::uint64_t> kills_of(const fs::path& group, bool unified) {
  return number_in(group / (unified ? "memory.events" : "memory.oom_control"), "oom_kill ");
}

}  // namespace

std::optional<std::uint64_t> process_memory_bytes(std::int64_t pid, std::uint64_t limit_bytes) {
  const std::string process = "/proc/" + std::to_string(pid);
  const std::string status = read_kernel_file(process + "/status");
  std::string_view rest = status;
  std::uint64_t private_kib = 0;
  std::uint64_t shared_kib = 0;
  bool any = false;
  while (const auto line = take_line(rest)) {
    if (const auto anonymous = number_behind(*line, "RssAnon:")) {
      private_kib += *anonymous;
      any = true;
    } else if (const auto swapped = number_behind(*line, "VmSwap:")) {
      private_kib += *swapped;
    } else if (const auto shared = number_behind(*line, "RssShmem:")) {
      shared_kib = *shared;
    }
  }
  if (!any) {
    return std::nullopt;  // The process is gone or about to be.
  }
  if ((private_kib + shared_kib) * 1024 <= limit_bytes) {
    return (private_kib + shared_kib) * 1024;
  }
  const auto own_shared = own_shared_bytes(process);
  return own_shared ? std::optional(private_kib * 1024 + *own_shared) : std::nullopt;
}

std::uint64_t out_of_memory_kills() {
  if (const auto own = own_group()) {
    if (const auto kills = kills_of(own->first, own->second)) {
      return *kills;
    }
  }
  return number_in("/proc/vmstat", "oom_kill ").value_or(0);
}

std::optional<MemoryGroup> MemoryGroup::create(std::uint64_t limit_bytes) {
  const std::string name = std::string(kGroupPrefix) + std::to_string(::getpid()) + "-" + random_name();
  for (const auto& [parent, unified] : parents_of_groups()) {
    std::error_code refused;
    const fs::path path = parent / name;
    if (!fs::create_directory(path, refused)) {
      continue;
    }
    MemoryGroup group(path, unified);
    if (write_setting(path / (unified ? "memory.max" : "memory.limit_in_bytes"), std::to_string(limit_bytes))) {
      return group;
    }
  }
  return std::nullopt;
}

void MemoryGroup::sweep() {
  for (const auto& [parent, unified] : parents_of_groups()) {
    std::error_code ignored;
    for (const auto& entry : fs::directory_iterator(parent, ignored)) {
      const auto maker = number_behind(entry.path().filename().native(), kGroupPrefix);
      if (maker && ::kill(static_cast<pid_t>(*maker), 0) != 0 && errno == ESRCH) {
        ::rmdir(entry.path().c_str());
      }
    }
  }
}

MemoryGroup::MemoryGroup(MemoryGroup&& other) noexcept
    : path_(std::exchange(other.path_, {})), unified_(other.unified_) {}

MemoryGroup& MemoryGroup::operator=(MemoryGroup&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(unified_, other.unified_);
  return *this;
}

MemoryGroup::~MemoryGroup() {
  if (!path_.empty()) {
    ::rmdir(path_.c_str());
  }
}

bool MemoryGroup::add(std::int64_t pid) noexcept {
  return write_setting(path_ / "cgroup.procs", std::to_string(pid));
}

bool MemoryGroup::has_killed() const {
  return kills_of(path_, unified_).value_or(0) > 0;
}

}  // namespace tenon::internal
