/// plugin/inspector.hpp: loads a plugin in a process of its own, so that a crash or a hang does no
/// harm.
///
/// Two sides: inspect_plugin() in the process that asks, run_inspector_if_asked() in the
/// `tenon-worker` it spawns as `tenon-worker --inspect FILE --report-token TOKEN --memory-limit
/// BYTES [--library FILE]...`.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <vector>

#include <tenon/catalog.hpp>
#include <tenon/error.hpp>

#include "platform/file_descriptor.hpp"

namespace tenon::internal {

struct InspectOptions {
  /// The tenon-worker to spawn.
  std::filesystem::path worker_executable;
  /// Time from spawn to exit; a process that takes longer is killed, and the hang is reported.
  std::chrono::milliseconds timeout = PluginLimits{}.start_timeout;
  /// Address space of the inspector process in bytes; 0 for no limit. A sanitizer's worker ignores
  /// it.
  std::uint64_t memory_limit_bytes = PluginLimits{}.memory_bytes;
  /// The plugin's own libraries, which are loaded before it, in this order.
  std::vector<std::filesystem::path> libraries = {};
  /// The inspection ends as kCancelled when this becomes readable; null if it cannot be cancelled.
  const FileDescriptor* cancel = nullptr;
};

/// The verdict of an inspection.
struct Inspection {
  /// What a problem depends on.
  enum class Cause : std::uint8_t {
    kFile,          ///< Only the bytes of the plugin: the same file has the same problem.
    kTime,          ///< The time limit, the load of the machine, or something for which the plugin waited.
    kSurroundings,  ///< Something outside the file: other libraries, the environment, files, memory, the inspector.
  };
  std::optional<Error> problem;  ///< Absent if the plugin is sound.
  Cause cause = Cause::kFile;
};

/// Loads `file` in an inspector process: library, entry, descriptor check, init without settings,
/// quiesce, fini. Blocks until that process has ended. If the plugin is not sound, the problem has
/// the reason, and its context has the signal, the exit code and the last lines of stderr. An
/// `init` that returns an error is not a problem: it may only need its settings. An inspector that
/// is killed by SIGKILL is started again, up to five times, because others may send that signal.
/// Errors that the plugin does not cause (the inspector cannot be spawned) are kUnavailable.
/// [any-thread]
[[nodiscard]] Inspection inspect_plugin(const std::filesystem::path& file, const InspectOptions& options);

/// The other side; main() of tenon-worker calls it first. nullopt if argv[1] is not `--inspect`.
/// Otherwise, the inspection has run and main() must return the value: 0 if the plugin is sound, 2
/// for a wrong command line. After a problem, the process exits with 3.
[[nodiscard]] std::optional<int> run_inspector_if_asked(int argc, const char* const* argv);

}  // namespace tenon::internal
