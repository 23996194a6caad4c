/// Reports which files of some directories have changed.
///
///   auto watch = FileWatch::create();
///   watch->add("/opt/plugins");
///   poller.add(watch->descriptor(), kWatchToken);        // readable: something has changed
///   auto changes = watch->drain();
///   if (changes->rescan) check_everything(); else check(changes->files);
///
/// A watch avoids polling, but it may miss changes: behind a link to a file elsewhere, when a
/// directory further up is renamed, or when another machine writes to a network file system. Its
/// user therefore also rescans the directories from time to time, and works without a watch if the
/// system has none left.
#pragma once

#include <filesystem>
#include <memory>
#include <vector>

#include <tenon/error.hpp>

#include "platform/file_descriptor.hpp"

namespace tenon::internal {

/// The changes since the last drain.
struct FileChanges {
  /// Files that were written and closed, moved in, renamed away or removed, or whose permissions
  /// changed: the directory as passed to add(), with the file name. Each appears once, in order.
  /// The file may be gone again.
  std::vector<std::filesystem::path> files;
  /// More happened than is listed: the system lost events, or a directory disappeared or
  /// reappeared. Check all directories.
  bool rescan = false;
  [[nodiscard]] bool empty() const noexcept { return files.empty() && !rescan; }
};

/// Watches the files in directories, not recursively. A directory that does not exist yet, is
/// removed and created again, is renamed, or is no longer the target of a link is found again by
/// its path. Move-only. One thread at a time. Needs no thread, and does not wake up unless
/// something happens in the directories, their parents, or a link on the path to them.
class FileWatch {
 public:
  /// Errors: kUnavailable: no watches (or descriptors) left for this user, with the limit to raise.
  /// Changes can then still be found by polling.
  [[nodiscard]] static Result<FileWatch> create();
  FileWatch(FileWatch&&) noexcept;
  FileWatch& operator=(FileWatch&&) noexcept;
  ~FileWatch();

  /// Watches another directory; adding a watched one has no effect. Earlier changes are not
  /// reported: check the directory after this call. Errors: kUnavailable: no watches left, with the
  /// limit to raise; kInvalidArgument: not a directory; kIo: it cannot be read. After an error this
  /// directory is not watched; the others are.
  [[nodiscard]] Result<void> add(const std::filesystem::path& directory);

  /// Readable if something has happened. For a Poller; ownership stays here; never changes.
  [[nodiscard]] const FileDescriptor& descriptor() const noexcept;

  /// Returns the changes so far, without waiting; empty if there is nothing of interest. Reads at
  /// most a few thousand events at once: the descriptor stays readable while there are more.
  /// Errors: kUnavailable or kIo if a directory that reappeared cannot be watched again: it is
  /// dropped, the others stay watched, and all of them must be checked.
  [[nodiscard]] Result<FileChanges> drain();

 private:
  struct State;
  explicit FileWatch(std::unique_ptr<State> state) noexcept;
  std::unique_ptr<State> state_;
};

}  // namespace tenon::internal
