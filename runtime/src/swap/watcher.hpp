/// swap/watcher.hpp: finds plugin files that have changed and are complete.
///
/// The watch of the system notifies at once, and a periodic scan of all directories finds what it
/// missed. In both cases the state of the file decides: a file is reported once for each state,
/// when it has been quiet for the debounce time. A plugin's own libraries belong to its state.
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
#include "plugin/plugin_fingerprint.hpp"

namespace tenon::internal {

struct WatcherOptions {
  std::vector<std::filesystem::path> directories;
  std::chrono::milliseconds debounce{50};
  std::chrono::milliseconds rescan{10'000};
};

/// A plugin file that has changed.
struct PluginFileChange {
  std::filesystem::path file;
  bool gone = false;
  /// Only one of its own libraries has changed.
  bool library = false;
};

/// Used by one thread at a time; has no thread of its own.
class PluginWatcher {
 public:
  /// `seen` has the known states of files; files without a state count as new.
  PluginWatcher(WatcherOptions options, std::map<std::filesystem::path, PluginFingerprint> seen);

  /// Starts watching. `take_messages` reports what cannot be watched; scans still find changes
  /// there.
  void start();
  /// Readable when there is something for `look`; null if the system has no watch.
  [[nodiscard]] const FileDescriptor* descriptor() const noexcept;
  /// Takes the notifications of the watch, and scans all files when a scan is due.
  void look(MonotonicNs now_ns);
  /// When `look` and `take_quiet` must be called again even if nothing becomes readable.
  [[nodiscard]] MonotonicNs next_time() const noexcept;
  /// The changed files that are quiet by now.
  [[nodiscard]] std::vector<PluginFileChange> take_quiet(MonotonicNs now_ns);
  /// Forgets the state of a file, so that the next scan reports it.
  void forget(const std::filesystem::path& file);
  /// Messages about the watch itself, each once.
  [[nodiscard]] std::vector<std::string> take_messages();

 private:
  struct Pending {
    MonotonicNs first_ns = 0;
    MonotonicNs latest_ns = 0;
  };
  void touch(const std::filesystem::path& file, MonotonicNs now_ns);
  /// The same for plugins of which a library has changed.
  void look_at_libraries(MonotonicNs now_ns);
  /// Watches the directories in which the libraries of a plugin are or may appear.
  void watch_libraries(const PluginFingerprint& state);
  /// Whether a file is known as a library of a plugin, so that it is not a plugin itself.
  [[nodiscard]] bool is_library(const std::filesystem::path& file) const;
  [[nodiscard]] bool is_plugin_directory(const std::filesystem::path& directory) const;
  void look_at_all(MonotonicNs now_ns);
  [[nodiscard]] MonotonicNs quiet_at(const Pending& pending) const noexcept;
  [[nodiscard]] bool changed(const std::filesystem::path& file) const;

  WatcherOptions options_;
  std::map<std::filesystem::path, PluginFingerprint> seen_;
  std::set<std::filesystem::path> library_directories_;
  std::map<std::filesystem::path, Pending> pending_;
  std::optional<FileWatch> watch_;
  MonotonicNs next_rescan_ns_ = 0;
  std::set<std::filesystem::path> unreadable_;
  std::vector<std::string> messages_;
};

}  // namespace tenon::internal
