#include "files/write.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <mutex>
#include <set>
#include <vector>

#include <tenon/plugin.hpp>

#include "common/content.hpp"
#include "common/file_name.hpp"
#include "common/file_writing.hpp"
#include "common/new_file.hpp"
#include "common/utf8.hpp"

namespace files {
namespace {

using tenon::TaskError;
using tenon::plugins::FileDescriptor;
using tenon::plugins::quote;
using tenon::plugins::throw_os_error;

constexpr std::size_t kChunkBytes = 1u << 20;
constexpr int kDirectoryFlags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;

/// The advice after an error of the operating system.
std::string advice_for(int os_code) {
  return tenon::plugins::advice_on_writing(os_code, "directory");
}

[[noreturn]] void refuse_path(std::string_view path, const char* why) {
  throw TaskError(TENON_INVALID_ARGUMENT, quote(path) + ": " + why + "; files can only be written below `directory`");
}

/// The parts of a relative path that stays below its directory.
std::vector<std::string> safe_parts(std::string_view path) {
  if (path.empty()) {
    refuse_path(path, "the path is empty");
  }
  if (path.front() == '/') {
    refuse_path(path, "the path is absolute");
  }
  std::vector<std::string> parts;
  for (std::size_t begin = 0; begin <= path.size();) {
    const auto slash = std::min(path.find('/', begin), path.size());
    const auto part = path.substr(begin, slash - begin);
    if (part == "..") {
      refuse_path(path, "the path contains `..`");
    }
    if (part.find('\0') != std::string_view::npos) {
      refuse_path(path, "the path contains a zero byte");
    }
    if (!part.empty() && part != ".") {
      parts.emplace_back(part);
    }
    begin = slash + 1;
  }
  if (parts.empty() || path.back() == '/') {
    refuse_path(path, "the path names a directory");
  }
  return parts;
}

/// Opens the directory of the file, step by step, so that no link on the path leads outside.
FileDescriptor open_parent(const std::string& directory, const std::vector<std::string>& parts, bool sync) {
  tenon::plugins::make_directories(directory, "directory");
  FileDescriptor at(::open(directory.c_str(), kDirectoryFlags));
  if (!at) {
    throw_os_error(directory, "the directory cannot be opened", errno, advice_for(errno));
  }
  std::string path = directory;
  for (std::size_t i = 0; i + 1 < parts.size(); ++i) {
    path += "/" + parts[i];
    const bool made = ::mkdirat(at.get(), parts[i].c_str(), 0777) == 0;
    if (!made && errno != EEXIST) {
      throw_os_error(path, "the directory cannot be created", errno, advice_for(errno));
    }
    if (made && sync && ::fsync(at.get()) != 0) {
      throw_os_error(path, "the directory cannot be flushed to the disk", errno, advice_for(errno));
    }
    FileDescriptor next(::openat(at.get(), parts[i].c_str(), kDirectoryFlags | O_NOFOLLOW));
    if (!next) {
      throw_os_error(path, "the directory cannot be opened", errno, advice_for(errno));
    }
    at = std::move(next);
  }
  return at;
}

bool exists(int directory, const std::string& name) {
  struct stat status {};
  return ::fstatat(directory, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0;
}

bool holds(int directory, const std::string& name, std::span<const std::uint8_t> data) {
  const FileDescriptor file(::openat(directory, name.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  struct stat status {};
  if (!file || ::fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode) ||
      static_cast<std::uint64_t>(status.st_size) != data.size()) {
    return false;
  }
  std::vector<std::uint8_t> buffer(kChunkBytes);
  while (!data.empty()) {
    const ssize_t count = ::read(file.get(), buffer.data(), buffer.size());
    if (count <= 0 || static_cast<std::size_t>(count) > data.size() ||
        std::memcmp(buffer.data(), data.data(), static_cast<std::size_t>(count)) != 0) {
      return false;
    }
    data = data.subspan(static_cast<std::size_t>(count));
  }
  return true;
}

/// Removes files left by killed writers in a directory: before the first file that this process
/// writes there, and when a call is repeated, because its worker may have been killed. Checking
/// every time would cost as much as there are files.
void sweep_seldom(int directory, bool repeated) {
  constexpr std::size_t kMaxRemembered = 4096;
  static std::mutex mutex;
  // Guarded by the mutex. Inode numbers are reused, but not together with the creation time.
  static std::set<std::array<std::uint64_t, 4>> swept;
  struct statx status {};
  if (::statx(directory, "", AT_EMPTY_PATH, STATX_INO | STATX_BTIME, &status) != 0) {
    return;
  }
  const std::array<std::uint64_t, 4> key{(std::uint64_t{status.stx_dev_major} << 32) | status.stx_dev_minor,
                                         status.stx_ino, static_cast<std::uint64_t>(status.stx_btime.tv_sec),
                                         status.stx_btime.tv_nsec};
  {
    const std::lock_guard lock(mutex);
    if (swept.size() >= kMaxRemembered) {
      swept.clear();
    }
    if (!swept.insert(key).second && !repeated) {
      return;
    }
  }
  tenon::plugins::sweep_parts(directory);
}

tenon::FileT description(const std::string& path, const std::string& relative_path, int directory,
                         const std::string& name) {
  tenon::FileT file;
  struct stat status {};
  if (::fstatat(directory, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
    throw_os_error(path, "was written but is gone", errno, "another program removes files there");
  }
  tenon::plugins::describe(status, file);
  file.path = path;
  file.relative_path = relative_path;
  file.extension = tenon::plugins::extension_of(path);
  return file;
}

}  // namespace

std::string destination_of(std::string_view path, std::string_view relative_path) {
  if (!relative_path.empty()) {
    return std::string(relative_path);
  }
  const auto name = tenon::plugins::base_name(path);
  if (name.empty()) {
    throw TaskError(TENON_INVALID_ARGUMENT,
                    "the file to write has no name; set its `relative_path`, or a `path` that ends in a name");
  }
  return std::string(name);
}

tenon::FileT write_file(const WriteRequest& request, const tenon::plugins::Poll& poll) {
  if (request.directory.empty()) {
    throw TaskError(TENON_INVALID_ARGUMENT,
                    "`directory` is missing; set it, for example to `.` for the current directory");
  }
  tenon::plugins::require_whole_path(request.directory);
  const auto parts = safe_parts(request.relative_path);
  const std::string& name = parts.back();
  std::string path = request.directory;
  for (const std::string& part : parts) {
    path += path.back() == '/' ? part : "/" + part;
  }
  const FileDescriptor directory = open_parent(request.directory, parts, request.sync);

  const auto done = [&] { return description(path, request.relative_path, directory.get(), name); };
  const auto taken = [&]() -> tenon::FileT {
    if (request.existing == Existing::keep) {
      return done();
    }
    if (request.repeated && holds(directory.get(), name, request.data)) {
      return done();
    }
    throw TaskError(TENON_IO, quote(path) + ": exists already; remove it, or set `existing` to replace or keep");
  };
  if (request.existing != Existing::replace && exists(directory.get(), name)) {
    return taken();
  }

  sweep_seldom(directory.get(), request.repeated);
  tenon::plugins::NewFile file(directory.get());
  if (const int code = file.create(); code != 0) {
    throw_os_error(path, "cannot be written", code, advice_for(code));
  }
  tenon::plugins::write_all(file.get(), request.data, path, "directory", poll);
  if (::fchmod(file.get(), static_cast<mode_t>(request.mode & 07777)) != 0) {
    throw_os_error(path, "cannot get its permission bits", errno);
  }
  if (request.sync && ::fsync(file.get()) != 0) {
    throw_os_error(path, "cannot be flushed to the disk", errno, advice_for(errno));
  }
  const bool replaces = request.existing == Existing::replace;
  if (const int code = replaces ? file.keep_as(name) : file.keep_as_new(name); code != 0) {
    if (code == EEXIST && !replaces) {
      return taken();
    }
    throw_os_error(path, "cannot be written", code, advice_for(code));
  }
  if (request.sync && ::fsync(directory.get()) != 0) {
    throw_os_error(path, "its directory cannot be flushed to the disk", errno, advice_for(errno));
  }
  return done();
}

}  // namespace files
