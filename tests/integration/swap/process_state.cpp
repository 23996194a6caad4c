#include "process_state.hpp"

#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <optional>
#include <system_error>

namespace tenon::test {
namespace {

namespace fs = std::filesystem;

struct Stat {
  char state = '?';
  std::int64_t parent = 0;
};

/// Returns state and parent of a process, from /proc/PID/stat: "pid (name) state parent ...", where
/// the name may contain any character.
std::optional<Stat> stat_of(const std::string& pid) {
  std::ifstream file("/proc/" + pid + "/stat");
  // If the process exits between opening and reading, the read fails. getline() treats that as the
  // end; the iterators of the stream would throw.
  std::string text;
  std::getline(file, text, '\0');
  const auto end = text.rfind(')');
  if (end == std::string::npos || end + 4 >= text.size()) {
    return std::nullopt;
  }
  return Stat{text[end + 2], std::stoll(text.substr(end + 4))};
}

std::size_t entries(const char* directory) {
  std::error_code ignored;
  return static_cast<std::size_t>(std::distance(fs::directory_iterator(directory, ignored), fs::directory_iterator()));
}

}  // namespace

std::vector<std::int64_t> children() {
  std::vector<std::int64_t> found;
  for (const auto& entry : fs::directory_iterator("/proc")) {
    const std::string name = entry.path().filename();
    if (name.find_first_not_of("0123456789") == std::string::npos) {
      const auto stat = stat_of(name);
      if (stat && stat->parent == ::getpid()) {
        found.push_back(std::stoll(name));
      }
    }
  }
  return found;
}

bool alive(std::int64_t pid) {
  const auto stat = stat_of(std::to_string(pid));
  return stat && stat->state != 'Z' && stat->state != 'X';
}

std::size_t open_descriptors() {
  return entries("/proc/self/fd") - 1;  // One of them belongs to the directory itself.
}

std::size_t threads() {
  return entries("/proc/self/task");
}

std::vector<std::string> memory_map(std::int64_t pid) {
  std::vector<std::string> lines;
  std::ifstream file("/proc/" + std::to_string(pid) + "/maps");
  for (std::string line; std::getline(file, line);) {
    lines.push_back(line);
  }
  return lines;
}

std::size_t file_mappings() {
  const auto lines = memory_map(::getpid());
  return static_cast<std::size_t>(std::count_if(
      lines.begin(), lines.end(), [](const std::string& line) { return line.find('/') != std::string::npos; }));
}

bool maps(std::int64_t pid, const std::string& text) {
  const auto lines = memory_map(pid);
  return std::any_of(lines.begin(), lines.end(),
                     [&](const std::string& line) { return line.find(text) != std::string::npos; });
}

std::uint64_t memory_kib(const std::string& key) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with(key + ":")) {
      return std::stoull(line.substr(key.size() + 1));
    }
  }
  return 0;
}

std::size_t files_below(const fs::path& directory) {
  std::size_t count = 0;
  std::error_code ignored;
  for (const auto& entry : fs::recursive_directory_iterator(directory, ignored)) {
    count += entry.is_regular_file(ignored) ? 1 : 0;
  }
  return count;
}

}  // namespace tenon::test
