/// plugin/inspector.hpp: loads a plugin in a process of its own, so that one that crashes or hangs hurts nobody.
///
/// Two sides: inspect_plugin() in the process that asks, run_inspector_if_asked() in the `tenon-worker` it spawns as
/// `tenon-worker --inspect FILE --report-token TOKEN --memory-limit BYTES [--library FILE]...`.
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
  /// From spawn to exit; a plugin that takes longer is killed and reported.
  std::chrono::milliseconds timeout = PluginLimits{}.start_timeout;
  /// Address space of the inspector process in bytes; 0 for no limit. A sanitizer's worker ignores it.
  std::uint64_t memory_limit_bytes = PluginLimits{}.memory_bytes;
  /// The plugin's own libraries, which are loaded before it, in this order.
  std::vector<std::filesystem::path> libraries = {};
  /// Ends the inspection as kCancelled when it becomes readable; null: nothing does.
  const FileDescriptor* cancel = nullptr;
};

/// What an inspection found.
struct Inspection {
  /// What a problem depends on.
  enum class Cause : std::uint8_t {
    kFile,          ///< Only the bytes of the plugin: the same file gives it again.
    kTime,          ///< The time limit, the load of the machine, or whatever the plugin waited for.
    kSurroundings,  ///< What lies outside the file: other libraries, the environment, files, memory, the inspector.
  };
  std::optional<Error> problem;  ///< Absent: the plugin is sound.
  Cause cause = Cause::kFile;
};

/// Loads `file` in an inspector process: library, entry, descriptor check, init without settings, quiesce, fini. Blocks
/// until that process has ended. Of a plugin that is not sound it gives the reason, and in its context signal, exit
/// code and the last lines of stderr. An `init` that returns an error is not a problem: it may only miss its
/// settings. An inspector that is ended by SIGKILL is started again, up to five times: others send that signal. Errors
/// that are no fault of the plugin (the inspector cannot be spawned) come as kUnavailable.
/// [any-thread]
[[nodiscard]] Inspection inspect_plugin(const std::filesystem::path& file, const InspectOptions& options);

/// The other side, the first thing main() of tenon-worker calls. nullopt when argv[1] is not `--inspect`; otherwise the
/// inspection has run and main() returns the value: 0 when the plugin is sound, 2 for a wrong command line; a problem
/// ends the process with 3.
[[nodiscard]] std::optional<int> run_inspector_if_asked(int argc, const char* const* argv);

}  // namespace tenon::internal
