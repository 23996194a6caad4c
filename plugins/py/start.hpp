/// start.hpp: starts CPython in this process.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace py {

/// A plugin's options for Python.
struct StartOptions {
  /// Name of the plugin, for messages.
  std::string plugin;
  /// The interpreter, or the directory of a virtual environment; empty for the system's.
  std::string executable;
  /// Directories to search first for modules.
  std::vector<std::string> path;
  /// Variables to set before the interpreter starts; those without a value are unset.
  std::vector<std::pair<std::string, std::optional<std::string>>> environment;
  /// Lowest level that `logging` passes on; empty for the level that the tasks set.
  std::string log_level;
};

/// Starts the interpreter that the options name, with their environment and path, and returns its
/// file. Afterwards the caller holds the GIL, even if this throws after the start. Throws
/// tenon::TaskError: TENON_NOT_FOUND: the interpreter or virtual environment does not exist;
/// TENON_INCOMPATIBLE: it belongs to another Python.
std::string start_python(const StartOptions& options);

/// The interpreter's file that the options name. Throws as start_python.
std::string resolved_executable(const StartOptions& options);

/// Inserts the options' path at the start of sys.path. Needs the GIL. Throws tenon::TaskError.
void extend_path(const StartOptions& options);

}  // namespace py
