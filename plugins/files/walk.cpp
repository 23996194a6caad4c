#include "files/walk.hpp"

#include <dirent.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <system_error>

#include <tenon/plugin.hpp>

#include "common/content.hpp"
#include "common/file_name.hpp"
#include "common/utf8.hpp"

namespace files {
namespace {

using tenon::TaskError;
using tenon::plugins::quote;
using tenon::plugins::view;

/// Entries examined in one step, so that a step takes a few milliseconds.
constexpr std::size_t kEntriesPerStep = 1024;

struct CloseDirectory {
  void operator()(DIR* directory) const noexcept { ::closedir(directory); }
};

bool fits_one(const std::vector<Glob>& globs, const std::string& path) {
  return std::any_of(globs.begin(), globs.end(), [&](const Glob& glob) { return glob.matches(path); });
}

}  // namespace

WalkOptions WalkOptions::from(const WalkArguments& arguments) {
  WalkOptions options;
  options.root = view(arguments.root());
  if (arguments.glob() != nullptr) {
    options.globs.emplace_back(view(arguments.glob()));
  }
  if (arguments.exclude() != nullptr) {
    for (const auto* pattern : *arguments.exclude()) {
      options.exclude.emplace_back(view(pattern));
    }
  }
  if (arguments.leave_out() != nullptr) {
    for (const auto* path : *arguments.leave_out()) {
      options.leave_out.emplace_back(view(path));
    }
  }
  options.hidden = arguments.hidden();
  options.follow_links = arguments.follow_links();
  options.max_depth = arguments.max_depth();
  options.strict = arguments.strict();
  if (arguments.kinds() != nullptr && arguments.kinds()->size() != 0) {
    options.kinds.clear();
    for (const auto value : *arguments.kinds()) {
      const auto kind = static_cast<tenon::FileKind>(value);
      if (kind > tenon::FileKind::MAX) {
        throw TaskError(TENON_INVALID_ARGUMENT, "`kinds` has " + std::to_string(static_cast<unsigned>(value)) +
                                                    "; valid kinds are Regular, Directory, Link and Other");
      }
      options.kinds.push_back(kind);
    }
  }
  return options;
}

TreeWalk::TreeWalk(WalkOptions options, WalkPositionT& position, Warn warn, const Poll& poll)
    : options_(std::move(options)), position_(position), warn_(std::move(warn)) {
  if (options_.root.empty()) {
    throw TaskError(TENON_INVALID_ARGUMENT, "`root` is empty; set a directory, or `.` for the current one");
  }
  tenon::plugins::require_whole_path(options_.root);
  std::for_each(options_.leave_out.begin(), options_.leave_out.end(), tenon::plugins::require_whole_path);
  struct stat status {};
  if (::stat(options_.root.c_str(), &status) != 0) {
    tenon::plugins::throw_os_error(options_.root, "cannot be walked", errno, "check `root`");
  }
  if (!S_ISDIR(status.st_mode)) {
    root_is_file_ = true;
    return;
  }
  if (position_.finished) {
    return;
  }
  // If the root cannot be read there is nothing to walk, so this is an error even if the walk is
  // not strict.
  const bool strict = std::exchange(options_.strict, true);
  enter("", {status.st_dev, status.st_ino}, poll, false);
  options_.strict = strict;
  if (!position_.last.empty()) {
    resume(poll);
  }
}

std::string TreeWalk::full_path(std::string_view relative) const {
  std::string path = options_.root;
  if (!relative.empty()) {
    if (path.back() != '/') {
      path += '/';
    }
    path += relative;
  }
  return path;
}

void TreeWalk::trouble(const std::string& relative, std::string_view what, int os_code, bool quiet) {
  if (options_.strict) {
    tenon::plugins::throw_os_error(full_path(relative), what, os_code);
  }
  if (!quiet) {
    ++position_.unreadable;
    warn_(quote(full_path(relative)) + ": " + std::string(what) + ": " + std::generic_category().message(os_code) +
          "; skipped");
  }
}

bool TreeWalk::enter(const std::string& relative, Identity identity, const Poll& poll, bool quiet) {
  const std::unique_ptr<DIR, CloseDirectory> directory(::opendir(full_path(relative).c_str()));
  if (!directory) {
    trouble(relative, "cannot be read", errno, quiet);
    return false;
  }
  Directory level{relative, identity, {}, 0};
  for (;;) {
    errno = 0;
    const dirent* found = ::readdir(directory.get());
    if (found == nullptr) {
      if (errno != 0) {
        trouble(relative, "cannot be read completely", errno, quiet);
      }
      break;
    }
    const std::string_view name = found->d_name;
    if (name == "." || name == ".." || (name.front() == '.' && !options_.hidden)) {
      continue;
    }
    level.names.emplace_back(name);
    if (level.names.size() % kEntriesPerStep == 0) {
      poll();
    }
  }
  std::sort(level.names.begin(), level.names.end());
  stack_.push_back(std::move(level));
  return true;
}

void TreeWalk::resume(const Poll& poll) {
  std::string_view rest = position_.last;
  std::string relative;
  while (!rest.empty()) {
    const auto slash = rest.find('/');
    const std::string part(rest.substr(0, slash));
    rest = slash == std::string_view::npos ? std::string_view() : rest.substr(slash + 1);
    Directory& level = stack_.back();
    // Entries before the position have been returned, even if `part` itself is gone by now.
    level.next =
        static_cast<std::size_t>(std::upper_bound(level.names.begin(), level.names.end(), part) - level.names.begin());
    const bool there = level.next > 0 && level.names[level.next - 1] == part;
    relative += relative.empty() ? part : "/" + part;
    const std::size_t depth = stack_.size();
    if (!there) {
      return;
    }
    visit(relative, poll, true);
    if (stack_.size() == depth) {
      return;
    }
  }
}

/// Queried each time: a pipeline may create its output directory while the walk is running.
bool TreeWalk::is_left_out(const Identity& directory) const {
  return std::any_of(options_.leave_out.begin(), options_.leave_out.end(), [&](const std::string& path) {
    struct stat status {};
    return ::stat(path.c_str(), &status) == 0 && directory == Identity{status.st_dev, status.st_ino};
  });
}

bool TreeWalk::visit(const std::string& relative, const Poll& poll, bool only_enter) {
  if (fits_one(options_.exclude, relative)) {
    return false;
  }
  struct stat status {};
  const std::string path = full_path(relative);
  if (::lstat(path.c_str(), &status) != 0) {
    // An entry that vanished between readdir and here is treated as if it had never existed.
    if (errno != ENOENT) {
      trouble(relative, "cannot be examined", errno, only_enter);
    }
    return false;
  }
  if (S_ISLNK(status.st_mode) && options_.follow_links) {
    struct stat target {};
    if (::stat(path.c_str(), &target) == 0) {
      status = target;
    }
  }
  entry_ = tenon::FileT();
  tenon::plugins::describe(status, entry_);
  if (entry_.kind == tenon::FileKind::Directory) {
    const Identity identity{status.st_dev, status.st_ino};
    if (is_left_out(identity)) {
      return false;
    }
    const bool loop =
        std::any_of(stack_.begin(), stack_.end(), [&](const Directory& above) { return above.identity == identity; });
    if (!loop && (options_.max_depth == 0 || stack_.size() < options_.max_depth)) {
      enter(relative, identity, poll, only_enter);
    }
  }
  if (only_enter || std::find(options_.kinds.begin(), options_.kinds.end(), entry_.kind) == options_.kinds.end() ||
      (!options_.globs.empty() && !fits_one(options_.globs, relative))) {
    return false;
  }
  entry_.path = path;
  entry_.relative_path = relative;
  entry_.extension = tenon::plugins::extension_of(relative);
  return true;
}

TreeWalk::Step TreeWalk::next(const Poll& poll) {
  if (root_is_file_ && !position_.finished) {
    position_.finished = true;
    struct stat status {};
    if (::stat(options_.root.c_str(), &status) != 0) {
      tenon::plugins::throw_os_error(options_.root, "cannot be examined", errno);
    }
    entry_ = tenon::FileT();
    tenon::plugins::describe(status, entry_);
    entry_.path = options_.root;
    entry_.relative_path = std::string(tenon::plugins::base_name(options_.root));
    entry_.extension = tenon::plugins::extension_of(options_.root);
    ++position_.given;
    return Step::kEntry;
  }
  for (std::size_t looked_at = 0; !stack_.empty() && looked_at < kEntriesPerStep; ++looked_at) {
    Directory& level = stack_.back();
    if (level.next == level.names.size()) {
      stack_.pop_back();
      continue;
    }
    const std::string& name = level.names[level.next++];
    const std::string relative = level.path.empty() ? name : level.path + "/" + name;
    position_.started = true;
    position_.last = relative;
    if (visit(relative, poll, false)) {
      ++position_.given;
      return Step::kEntry;
    }
  }
  if (stack_.empty()) {
    position_.finished = true;
    return Step::kDone;
  }
  poll();
  return Step::kYet;
}

}  // namespace files
