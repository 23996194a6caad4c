/// Reads text files of /proc and /sys without streams, which would load the C++ library's locales
/// into each worker.
#pragma once

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <fcntl.h>
#include <unistd.h>

#include "platform/file_descriptor.hpp"

namespace tenon::internal {

/// The whole text; empty if the file cannot be read.
inline std::string read_kernel_file(const std::string& path) {
  std::string text;
  const FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  char buffer[4096];
  while (file.valid()) {
    const ssize_t count = ::read(file.get(), buffer, sizeof buffer);
    if (count <= 0) {
      break;
    }
    text.append(buffer, static_cast<std::size_t>(count));
  }
  return text;
}

/// Removes the first line from `text` and returns it without its newline; nullopt if `text` is
/// empty.
inline std::optional<std::string_view> take_line(std::string_view& text) {
  if (text.empty()) {
    return std::nullopt;
  }
  const std::string_view line = text.substr(0, text.find('\n'));
  text.remove_prefix(std::min(line.size() + 1, text.size()));
  return line;
}

/// The number after `key` at the start of a line, as in "RssShmem:     1024 kB".
inline std::optional<std::uint64_t> number_behind(std::string_view line, std::string_view key) {
  if (!line.starts_with(key)) {
    return std::nullopt;
  }
  line.remove_prefix(key.size());
  line.remove_prefix(std::min(line.find_first_not_of(" \t"), line.size()));
  std::uint64_t number = 0;
  const auto parsed = std::from_chars(line.data(), line.data() + line.size(), number);
  return parsed.ec == std::errc() ? std::optional(number) : std::nullopt;
}

/// One of the control groups of this process: "0::/a/b" in version 2, "5:pids:/a/b" in version 1.
struct ControlGroup {
  std::string_view controllers;  ///< Empty in version 2.
  std::string_view path;         ///< From the root of its hierarchy; starts with '/'.
};

/// Removes the first group from the text of /proc/self/cgroup and returns it; nullopt if none is
/// left.
inline std::optional<ControlGroup> take_group(std::string_view& text) {
  while (const auto line = take_line(text)) {
    const std::size_t first = line->find(':');
    const std::size_t second = first == std::string_view::npos ? first : line->find(':', first + 1);
    if (second != std::string_view::npos) {
      return ControlGroup{line->substr(first + 1, second - first - 1), line->substr(second + 1)};
    }
  }
  return std::nullopt;
}

}  // namespace tenon::internal
