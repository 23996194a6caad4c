/// The state of processes according to the system: checks what a swap may have left behind.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace tenon::test {

/// Returns the child processes of this process, including zombies.
[[nodiscard]] std::vector<std::int64_t> children();
/// Returns whether a process exists and has not exited.
[[nodiscard]] bool alive(std::int64_t pid);
/// Returns how many descriptors this process has open.
[[nodiscard]] std::size_t open_descriptors();
/// Returns how many threads this process has.
[[nodiscard]] std::size_t threads();
/// Returns the lines of the memory map of a process; empty if it is gone.
[[nodiscard]] std::vector<std::string> memory_map(std::int64_t pid);
/// Returns how many mappings of this process have a file, including shared memory.
[[nodiscard]] std::size_t file_mappings();
/// Returns whether a process maps a file, possibly removed, whose path contains `text`.
[[nodiscard]] bool maps(std::int64_t pid, const std::string& text);
/// Returns a value of /proc/self/status in KiB, such as "VmRSS" or "RssAnon".
[[nodiscard]] std::uint64_t memory_kib(const std::string& key);
/// Returns how many regular files are below a directory.
[[nodiscard]] std::size_t files_below(const std::filesystem::path& directory);

}  // namespace tenon::test
