/// What the system says of processes: what a swap may have left behind.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace tenon::test {

/// Child processes of this one, those that have ended and are not reaped among them.
[[nodiscard]] std::vector<std::int64_t> children();
/// Whether a process is there and has not ended.
[[nodiscard]] bool alive(std::int64_t pid);
/// Open descriptors of this process.
[[nodiscard]] std::size_t open_descriptors();
/// Threads of this process.
[[nodiscard]] std::size_t threads();
/// Lines of the memory map of a process; none when it is gone.
[[nodiscard]] std::vector<std::string> memory_map(std::int64_t pid);
/// Mappings of this process that have a file, shared memory among them.
[[nodiscard]] std::size_t file_mappings();
/// Whether a mapping of a process comes from a file whose path contains `text`, removed files too.
[[nodiscard]] bool maps(std::int64_t pid, const std::string& text);
/// A figure of /proc/self/status in KiB, as "VmRSS" and "RssAnon".
[[nodiscard]] std::uint64_t memory_kib(const std::string& key);
/// Regular files below a directory.
[[nodiscard]] std::size_t files_below(const std::filesystem::path& directory);

}  // namespace tenon::test
