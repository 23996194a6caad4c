/// host/swap/watcher.hpp: plugin files that have changed and come to rest.
///
/// A watch tells at once, and a look at all directories now and then finds what it has missed. Either way it is the
/// state of the file that counts: a file is told once for each state, when it has been quiet for the debounce time.
#pragma once

#include <chrono>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <tenon/catalog.hpp>

#include "base/clock.hpp"
#include "platform/file_watch.hpp"

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
};

/// One thread at a time. Needs none of its own.
class PluginWatcher {
 public:
  /// `seen`: what is known of files already; others count as new when they are found.
  PluginWatcher(WatcherOptions options, std::map<std::filesystem::path, PluginFileState> seen);

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
  void look_at_all(MonotonicNs now_ns);
  [[nodiscard]] MonotonicNs quiet_at(const Pending& pending) const noexcept;
  [[nodiscard]] bool changed(const std::filesystem::path& file) const;

  WatcherOptions options_;
  std::map<std::filesystem::path, PluginFileState> seen_;
  std::map<std::filesystem::path, Pending> pending_;
  std::optional<FileWatch> watch_;
  MonotonicNs next_rescan_ns_ = 0;
  std::set<std::filesystem::path> unreadable_;
  std::vector<std::string> messages_;
};

}  // namespace tenon::internal
