/// start.hpp: starts CPython in this process.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace py {

/// How a plugin wants its Python.
struct StartOptions {
  /// Name of the plugin, for messages.
  std::string plugin;
  /// The interpreter, or the directory of a virtual environment; empty for the system's.
  std::string executable;
  /// Where modules are looked for first.
  std::vector<std::string> path;
  /// Set before the interpreter starts, or unset where there is no value.
  std::vector<std::pair<std::string, std::optional<std::string>>> environment;
  /// What `logging` passes on; empty for what the tasks set.
  std::string log_level;
};

/// Starts the interpreter that the options name, with their environment and path, and returns its file. The caller has
/// the GIL then, also when it throws after the start. Throws tenon::TaskError: TENON_NOT_FOUND for an interpreter or a
/// virtual environment that is not there, TENON_INCOMPATIBLE for one of another Python.
std::string start_python(const StartOptions& options);

/// The file of the interpreter that the options name. Throws as start_python.
std::string resolved_executable(const StartOptions& options);

/// Puts the options' path in front of sys.path. With the GIL. Throws tenon::TaskError.
void extend_path(const StartOptions& options);

}  // namespace py
