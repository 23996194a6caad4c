/// What the system says of processes: those of a run, and what a run leaves behind.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace tenon::chaos {

struct ProcessState {
  char letter = '?';  ///< As in /proc/PID/stat: R, S, D, T, Z ...
  std::int64_t parent = 0;
};
/// Nothing when there is no such process.
[[nodiscard]] std::optional<ProcessState> state_of(std::int64_t pid);
/// A process in words: state, command line, where it sleeps.
[[nodiscard]] std::string describe_process(std::int64_t pid);

/// Processes of a run: children of this process, those that map the ledger (forked children of workers among them, also
/// when their parents are gone), and the sleeps that a task has become.
[[nodiscard]] std::vector<std::int64_t> processes_of_run(const std::filesystem::path& ledger);

/// What a runtime may leave behind in this process and its directories.
struct Remains {
  std::size_t descriptors = 0;
  std::size_t threads = 0;
  std::size_t mappings = 0;

  [[nodiscard]] static Remains look();
  [[nodiscard]] std::uint64_t beyond(const Remains& before) const;
  [[nodiscard]] std::string text() const;
};

/// Files that should not be there any more: all in `temporary`, and half-written ones below `store`.
[[nodiscard]] std::vector<std::string> leftover_files(const std::filesystem::path& temporary,
                                                      const std::filesystem::path& store);

}  // namespace tenon::chaos
