/// Walks a directory tree in a fixed order.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/poll.hpp"
#include "files/glob.hpp"
#include "files_generated.h"

namespace files {

/// Options of a walk; see the table WalkArguments.
struct WalkOptions {
  std::string root;
  std::vector<Glob> globs;
  std::vector<Glob> exclude;
  bool hidden = true;
  bool follow_links = false;
  std::vector<tenon::FileKind> kinds{tenon::FileKind::Regular};
  std::uint32_t max_depth = 0;
  bool strict = false;
  /// Directories that are not entered, as paths.
  std::vector<std::string> leave_out;

  /// Throws TaskError for invalid patterns and kinds.
  static WalkOptions from(const WalkArguments& arguments);
};

/// A walk. Each directory comes before its contents, and names come in the order of their bytes.
/// Memory: the names in the directories between the root and the current position. Only directories
/// are opened, one at a time.
class TreeWalk {
 public:
  enum class Step {
    /// `entry()` is the next entry.
    kEntry,
    /// Some time has passed without a result: call again.
    kYet,
    kDone
  };
  /// Called with a message for each directory or entry that cannot be read.
  using Warn = std::function<void(const std::string&)>;

  /// Continues after `position`, which is kept up to date and must outlive the walk. Throws
  /// TaskError if the root cannot be read.
  TreeWalk(WalkOptions options, WalkPositionT& position, Warn warn, const tenon::plugins::Poll& poll);

  /// Throws TaskError if something cannot be read and options.strict is set; also exceptions of
  /// `poll`.
  Step next(const tenon::plugins::Poll& poll);
  [[nodiscard]] const tenon::FileT& entry() const noexcept { return entry_; }

 private:
  using Poll = tenon::plugins::Poll;
  using Identity = std::pair<std::uint64_t, std::uint64_t>;
  struct Directory {
    /// Relative path; empty for the root.
    std::string path;
    Identity identity;
    std::vector<std::string> names;
    std::size_t next = 0;
  };

  void resume(const Poll& poll);
  /// Reads the names of a directory and makes it current. Returns whether that succeeded.
  bool enter(const std::string& relative, Identity identity, const Poll& poll, bool quiet);
  /// Examines one entry; returns whether it is to be returned.
  bool visit(const std::string& relative, const Poll& poll, bool only_enter);
  [[nodiscard]] bool is_left_out(const Identity& directory) const;
  [[nodiscard]] std::string full_path(std::string_view relative) const;
  void trouble(const std::string& relative, std::string_view what, int os_code, bool quiet);

  WalkOptions options_;
  WalkPositionT& position_;
  Warn warn_;
  std::vector<Directory> stack_;
  tenon::FileT entry_;
  bool root_is_file_ = false;
};

}  // namespace files
