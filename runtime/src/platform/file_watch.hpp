/// Tells which files of some directories have changed.
///
///   auto watch = FileWatch::create();
///   watch->add("/opt/plugins");
///   poller.add(watch->descriptor(), kWatchToken);        // readable: something has changed
///   auto changes = watch->drain();
///   if (changes->rescan) look_at_everything(); else look_at(changes->files);
///
/// A watch saves looking; it is no proof. What it cannot see: a change behind a link to a file elsewhere, a directory
/// further up that is renamed, what another machine writes to a network file system. So its user also looks at the
/// whole directory from time to time, and lives without a watch where the system has none left.
#pragma once

#include <filesystem>
#include <memory>
#include <vector>

#include <tenon/error.hpp>

#include "platform/file_descriptor.hpp"

namespace tenon::internal {

/// What has happened since the last drain.
struct FileChanges {
  /// Files that were written and closed, put in place, renamed away, removed, or whose permissions changed: the
  /// directory as it was added, with the name. Each once, in order. The file may be gone again.
  std::vector<std::filesystem::path> files;
  /// More happened than is listed: the system lost events, or a directory went or came back. Look at all of them.
  bool rescan = false;
  [[nodiscard]] bool empty() const noexcept { return files.empty() && !rescan; }
};

/// Watches the files of directories, not those of directories inside them. A directory that is not there yet, that is
/// removed and made again, that is renamed, or that a link is turned away from, is found again by its path. Move-only.
/// One thread at a time. Needs no thread and does not wake while nothing happens in the directories, or in the ones
/// that hold them or a link on the way to them.
class FileWatch {
 public:
  /// Errors: kUnavailable no watches (or descriptors) left for this user, with what to raise. Changes can then still be
  /// found by looking.
  [[nodiscard]] static Result<FileWatch> create();
  FileWatch(FileWatch&&) noexcept;
  FileWatch& operator=(FileWatch&&) noexcept;
  ~FileWatch();

  /// Watches one more directory; one that is watched stays so. What changed before is not told: look at the directory
  /// after this. Errors: kUnavailable no watches left, with what to raise; kInvalidArgument it is something else than
  /// a directory; kIo it cannot be read. After an error this directory is not watched, the others are.
  [[nodiscard]] Result<void> add(const std::filesystem::path& directory);

  /// Readable when something has happened. For a Poller; stays owned; the same until the end.
  [[nodiscard]] const FileDescriptor& descriptor() const noexcept;

  /// Takes what has happened, without waiting; empty when nothing of interest has. At most some thousand events at
  /// once: the descriptor stays readable while there is more. Errors: kUnavailable or kIo when a directory that came
  /// back cannot be watched again: it is forgotten, the others stay watched, and all of them are to be looked at.
  [[nodiscard]] Result<FileChanges> drain();

 private:
  struct State;
  explicit FileWatch(std::unique_ptr<State> state) noexcept;
  std::unique_ptr<State> state_;
};

}  // namespace tenon::internal
