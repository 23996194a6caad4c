/// swap/watcher.hpp: plugin files that have changed and come to rest.
///
/// A watch tells at once, and a look at all directories now and then finds what it has missed. Either way it is the
/// state of the file that counts: a file is reported once for each state, when it has been quiet for the debounce time.
/// A plugin's own libraries belong to its state.
#pragma once

#include <chrono>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "platform/file_watch.hpp"
#include "plugin/plugin_state.hpp"

namespace tenon::internal {

struct WatcherOptions {
  std::vector<std::filesystem::path> directories;
  std::chrono::milliseconds debounce{50};
  std::chrono::milliseconds rescan{10'000};
};

/// A plugin file that is not what it was.
struct PluginFileChange {
  std::filesystem::path file;
  bool gone = false;
  /// The file is as it was; one of its own libraries is not.
  bool library = false;
};

/// One thread at a time. Needs none of its own.
class PluginWatcher {
 public:
  /// `seen`: what is known of files already; others count as new when they are found.
  PluginWatcher(WatcherOptions options, std::map<std::filesystem::path, PluginState> seen);

  /// Begins to watch. What cannot be watched is told by `take_messages` and found by looking.
  void start();
  /// Readable when there is something for `look`; null when the system has no watch.
  [[nodiscard]] const FileDescriptor* descriptor() const noexcept;
  /// Takes what the watch has, and looks at all files when it is time to.
  void look(MonotonicNs now_ns);
  /// When `look` and `take_quiet` are to be called again even if nothing becomes readable.
  [[nodiscard]] MonotonicNs next_time() const noexcept;
  /// The changed files that are quiet now.
  [[nodiscard]] std::vector<PluginFileChange> take_quiet(MonotonicNs now_ns);
  /// Takes a file for one that was not seen yet, so that the next rescan finds it.
  void forget(const std::filesystem::path& file);
  /// What happened to the watch itself, in words, each once.
  [[nodiscard]] std::vector<std::string> take_messages();

 private:
  struct Pending {
    MonotonicNs first_ns = 0;
    MonotonicNs latest_ns = 0;
  };
  void touch(const std::filesystem::path& file, MonotonicNs now_ns);
  /// The same for the plugins one of whose libraries has changed.
  void look_at_libraries(MonotonicNs now_ns);
  /// Watches where the libraries of a plugin are, or may appear.
  void watch_libraries(const PluginState& state);
  /// Whether a file is known as a library of a plugin, and so not as a plugin.
  [[nodiscard]] bool is_library(const std::filesystem::path& file) const;
  [[nodiscard]] bool is_plugin_directory(const std::filesystem::path& directory) const;
  void look_at_all(MonotonicNs now_ns);
  [[nodiscard]] MonotonicNs quiet_at(const Pending& pending) const noexcept;
  [[nodiscard]] bool changed(const std::filesystem::path& file) const;

  WatcherOptions options_;
  std::map<std::filesystem::path, PluginState> seen_;
  std::set<std::filesystem::path> library_directories_;
  std::map<std::filesystem::path, Pending> pending_;
  std::optional<FileWatch> watch_;
  MonotonicNs next_rescan_ns_ = 0;
  std::set<std::filesystem::path> unreadable_;
  std::vector<std::string> messages_;
};

}  // namespace tenon::internal
