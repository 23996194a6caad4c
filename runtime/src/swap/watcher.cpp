#include "swap/watcher.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

#include "plugin/plugin_directories.hpp"
#include "schema/plugin_name.hpp"

namespace tenon::internal {
namespace {

namespace fs = std::filesystem;

/// A file that is written again and again is reported after this many debounce times, but not
/// within a second: a build that never pauses must not hide the newest version forever.
constexpr std::int64_t kLongestDebounces = 20;
constexpr std::chrono::nanoseconds kLongestWait = std::chrono::seconds(1);

bool is_plugin_file(const fs::path& file) {
  return file.extension() == kPluginExtension && is_plugin_name(file.stem().string());
}

}  // namespace

PluginWatcher::PluginWatcher(WatcherOptions options, std::map<fs::path, PluginFingerprint> seen)
    : options_(std::move(options)), seen_(std::move(seen)) {}

void PluginWatcher::watch_libraries(const PluginFingerprint& state) {
  for (const fs::path& directory : state.directories) {
    if (!watch_ || !library_directories_.insert(directory).second || is_plugin_directory(directory)) {
      continue;
    }
    if (auto added = watch_->add(directory); !added) {
      messages_.push_back(added.error().message);
    }
  }
}

bool PluginWatcher::is_library(const fs::path& file) const {
  return std::any_of(seen_.begin(), seen_.end(),
                     [&file](const auto& plugin) { return plugin.second.libraries.contains(file); });
}

bool PluginWatcher::is_plugin_directory(const fs::path& directory) const {
  return std::find(options_.directories.begin(), options_.directories.end(), directory) != options_.directories.end();
}

void PluginWatcher::start() {
  auto watch = FileWatch::create();
  if (!watch) {
    messages_.push_back(watch.error().message);
    return;
  }
  watch_.emplace(std::move(*watch));
  for (const fs::path& directory : options_.directories) {
    if (auto added = watch_->add(directory); !added) {
      messages_.push_back(added.error().message);
    }
  }
  for (const auto& [file, state] : seen_) {
    watch_libraries(state);
  }
}

const FileDescriptor* PluginWatcher::descriptor() const noexcept {
  return watch_ ? &watch_->descriptor() : nullptr;
}

void PluginWatcher::look(MonotonicNs now_ns) {
  bool all = now_ns >= next_rescan_ns_;
  if (watch_) {
    auto changes = watch_->drain();
    bool libraries = false;
    if (changes) {
      for (const fs::path& file : changes->files) {
        if (is_plugin_directory(file.parent_path()) && !is_library(file)) {
          touch(file, now_ns);
        }
        libraries = libraries || library_directories_.contains(file.parent_path());
      }
      if (libraries) {
        look_at_libraries(now_ns);
      }
      all = all || changes->rescan;
    } else {
      messages_.push_back(changes.error().message);
      all = true;
    }
  }
  if (all) {
    look_at_all(now_ns);
    next_rescan_ns_ = deadline_after(options_.rescan);
  }
}

void PluginWatcher::touch(const fs::path& file, MonotonicNs now_ns) {
  if (is_plugin_file(file)) {
    const auto [pending, is_new] = pending_.emplace(file, Pending{now_ns, now_ns});
    pending->second.latest_ns = now_ns;
  }
}

void PluginWatcher::look_at_libraries(MonotonicNs now_ns) {
  for (const auto& [plugin, state] : seen_) {
    // A library that a linker has removed and not yet written belongs to no state, so all plugins
    // are scanned.
    if (pending_.contains(plugin) ? !state.libraries.empty() : changed(plugin)) {
      touch(plugin, now_ns);
    }
  }
}

bool PluginWatcher::changed(const fs::path& file) const {
  const auto known = seen_.find(file);
  const auto state = fingerprint_of(file);
  return known == seen_.end() ? state.has_value() : !state || !(*state == known->second);
}

void PluginWatcher::look_at_all(MonotonicNs now_ns) {
  std::set<fs::path> files;
  for (const auto& [file, state] : seen_) {
    files.insert(file);
  }
  for (const fs::path& directory : options_.directories) {
    auto found = plugin_files(directory);
    if (!found) {
      if (unreadable_.insert(directory).second) {
        messages_.push_back(found.error().message + "; the loaded versions stay current");
      }
      continue;
    }
    if (unreadable_.erase(directory) > 0) {
      messages_.push_back("plugin directory '" + directory.string() + "' is there again");
    }
    std::copy_if(found->begin(), found->end(), std::inserter(files, files.end()),
                 [this](const fs::path& file) { return !is_library(file); });
  }
  for (const fs::path& file : files) {
    // A file that is already waiting to become quiet does not start to wait again.
    if (!pending_.contains(file) && changed(file)) {
      touch(file, now_ns);
    }
  }
}

MonotonicNs PluginWatcher::quiet_at(const Pending& pending) const noexcept {
  const std::int64_t debounce_ns = std::chrono::nanoseconds(options_.debounce).count();
  const std::int64_t longest_ns = std::max(debounce_ns * kLongestDebounces, std::int64_t{kLongestWait.count()});
  return std::min(pending.latest_ns + debounce_ns, pending.first_ns + longest_ns);
}

MonotonicNs PluginWatcher::next_time() const noexcept {
  MonotonicNs next = next_rescan_ns_;
  for (const auto& [file, pending] : pending_) {
    next = std::min(next, quiet_at(pending));
  }
  return next;
}

std::vector<PluginFileChange> PluginWatcher::take_quiet(MonotonicNs now_ns) {
  std::vector<PluginFileChange> changes;
  for (auto it = pending_.begin(); it != pending_.end();) {
    if (quiet_at(it->second) > now_ns) {
      ++it;
      continue;
    }
    const fs::path& file = it->first;
    const auto known = seen_.find(file);
    const auto state = fingerprint_of(file);
    if (known == seen_.end() ? state.has_value() : !state || !(*state == known->second)) {
      const bool library = state && known != seen_.end() && state->file == known->second.file;
      if (state) {
        watch_libraries(*state);
        seen_[file] = *state;
      } else {
        seen_.erase(file);
      }
      changes.push_back({file, !state.has_value(), library});
    }
    it = pending_.erase(it);
  }
  return changes;
}

void PluginWatcher::forget(const fs::path& file) {
  seen_.erase(file);
}

std::vector<std::string> PluginWatcher::take_messages() {
  return std::exchange(messages_, {});
}

}  // namespace tenon::internal
