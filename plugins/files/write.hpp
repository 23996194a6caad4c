/// Writes a file atomically: it appears whole or not at all.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "common/poll.hpp"
#include "files_generated.h"

namespace files {

/// A write request; see the table WriteParams.
struct WriteRequest {
  /// Created if it is missing. May itself be a link.
  std::string directory;
  /// Path below the directory: not absolute, no `..`, not through a link.
  std::string relative_path;
  std::span<const std::uint8_t> data;
  /// Exact permission bits, independent of the umask.
  std::uint32_t mode = 0644;
  Existing existing = Existing::replace;
  bool sync = true;
  /// Whether this may be a repetition: a file with the same content is then accepted even for
  /// Existing::refuse.
  bool repeated = false;
};

/// Writes the file and returns its description, without its content. Until it is complete it has no
/// name, or a hidden one if the file system does not support that; see new_file.hpp. Files left by
/// killed writers in the directory are removed. Throws TaskError: TENON_INVALID_ARGUMENT for a path
/// that leads outside; TENON_IO with path and reason; exceptions of `poll`.
tenon::FileT write_file(const WriteRequest& request, const tenon::plugins::Poll& poll);

/// The destination of a File below a directory: its relative path, otherwise the last part of its
/// path. Throws TaskError TENON_INVALID_ARGUMENT if it has neither.
std::string destination_of(std::string_view path, std::string_view relative_path);

}  // namespace files
