/// Plugins in Python that lie in plugin directories as they are: the Python package packs them when they are seen.
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

/// Adds the directories that the plugins in Python of `places` are packed into, each behind its own. What cannot be
/// packed is reported on standard error, and so is a missing Python package.
void add_python_plugins(const World& world, std::vector<std::filesystem::path>& places);

/// Packs one plugin and gives its file. Errors: bad configuration when it cannot be a plugin, or there is no Python
/// package.
[[nodiscard]] Outcome<std::filesystem::path> pack_python_plugin(const World& world,
                                                                const std::filesystem::path& source);

/// Packs plugins in Python again when their sources are saved. Their packed files change then, and a host that watches
/// these swaps them. Has a thread of its own.
class PythonSourceWatch {
 public:
  /// Called on the watch's thread.
  using Log = std::function<void(LogLevel, const std::string&)>;
  /// Watches those of `places` that have plugins in Python now; does nothing if none has. What cannot be watched is
  /// logged.
  PythonSourceWatch(const World& world, const std::vector<std::filesystem::path>& places, Log log);
  /// Ends the thread, and a packing that is under way.
  ~PythonSourceWatch();
  PythonSourceWatch(const PythonSourceWatch&) = delete;
  PythonSourceWatch& operator=(const PythonSourceWatch&) = delete;

 private:
  class Worker;
  std::unique_ptr<Worker> worker_;
};

}  // namespace tenon::cli
