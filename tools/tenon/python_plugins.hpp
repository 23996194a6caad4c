/// Plugins in Python whose sources lie in plugin directories: the Python package packs them when they are found.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <tenon/options.hpp>

#include "tools/tenon/failure.hpp"
#include "tools/tenon/world.hpp"

namespace tenon::cli {

/// Whether a path is that of a plugin in Python: a .py file or a package.
[[nodiscard]] bool is_python_plugin(const std::filesystem::path& path);

/// Adds, after each directory of `places` that has plugins in Python, the directory into which they are packed. Plugins
/// that cannot be packed are reported on standard error, as is a missing Python package.
void add_python_plugins(const World& world, std::vector<std::filesystem::path>& places);

/// Packs one plugin and returns its file. Errors: bad configuration if it cannot become a plugin, or there is no Python
/// package.
[[nodiscard]] Outcome<std::filesystem::path> pack_python_plugin(const World& world,
                                                                const std::filesystem::path& source);

/// Packs plugins in Python again when their sources are saved. Their packed files change then, and a host that watches
/// these swaps them. It has its own thread.
class PythonSourceWatch {
 public:
  /// Called on the watch's thread.
  using Log = std::function<void(LogLevel, const std::string&)>;
  /// Watches the directories of `places` that have plugins in Python now; does nothing if none has any. Directories
  /// that cannot be watched are logged.
  PythonSourceWatch(const World& world, const std::vector<std::filesystem::path>& places, Log log);
  /// Stops the thread, and a packing in progress.
  ~PythonSourceWatch();
  PythonSourceWatch(const PythonSourceWatch&) = delete;
  PythonSourceWatch& operator=(const PythonSourceWatch&) = delete;

 private:
  class Worker;
  std::unique_ptr<Worker> worker_;
};

}  // namespace tenon::cli
