/// The processes of a run according to the system, and the resources that a run leaves behind.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace tenon::chaos {

struct ProcessState {
  char letter = '?';  ///< As in /proc/PID/stat: R, S, D, T, Z and so on.
  std::int64_t parent = 0;
};
/// Returns nullopt if there is no such process.
[[nodiscard]] std::optional<ProcessState> state_of(std::int64_t pid);
/// Describes a process: state, command line, and where it sleeps.
[[nodiscard]] std::string describe_process(std::int64_t pid);

/// Returns the processes of a run: children of this process, processes that map the ledger
/// (including forked children of workers, even if their parents are gone), and the `sleep` programs
/// that replaced a task.
[[nodiscard]] std::vector<std::int64_t> processes_of_run(const std::filesystem::path& ledger);

/// The resources that a runtime may leave behind in this process and its directories.
struct Remains {
  std::size_t descriptors = 0;
  std::size_t threads = 0;
  std::size_t mappings = 0;

  [[nodiscard]] static Remains count();
  [[nodiscard]] std::uint64_t beyond(const Remains& before) const;
  [[nodiscard]] std::string text() const;
};

/// Returns files that should have been removed: all in `temporary`, and partly written ones below
/// `store`.
[[nodiscard]] std::vector<std::string> leftover_files(const std::filesystem::path& temporary,
                                                      const std::filesystem::path& store);

}  // namespace tenon::chaos
