/// Writes a file so that it appears whole or not at all.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "common/poll.hpp"
#include "files_generated.h"

namespace files {

/// What to write, and how; see the table WriteParams.
struct WriteRequest {
  /// Made if it is missing. May itself be a link.
  std::string directory;
  /// Below the directory: no absolute path, no `..`, no way through a link.
  std::string relative_path;
  std::span<const std::uint8_t> data;
  /// Permission bits, exactly, whatever the umask.
  std::uint32_t mode = 0644;
  Existing existing = Existing::replace;
  bool sync = true;
  /// Whether this may be the second time: a file of the same content is then no obstacle to Existing::refuse.
  bool repeated = false;
};

/// Writes and describes the file as it now stands, without its content. Until it is whole it has no name, or a hidden
/// one where the file system has no such files; see new_file.hpp. What killed writers have left in the directory is
/// removed. Throws TaskError: TENON_INVALID_ARGUMENT for a path that leads out; TENON_IO with path and reason; what
/// `poll` throws.
tenon::FileT write_file(const WriteRequest& request, const tenon::plugins::Poll& poll);

/// Where a File belongs below a directory: its relative path, else the last part of its path. Throws TaskError
/// TENON_INVALID_ARGUMENT if it has neither.
std::string destination_of(std::string_view path, std::string_view relative_path);

}  // namespace files
