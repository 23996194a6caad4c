/// A small file system for tests of a full disk.
#pragma once

#include <filesystem>

namespace tenon::chaos {

/// Mounts an empty file system of 32 MiB at `directory`. Only this process and its children see it,
/// and it ends with them. Returns false if the system does not allow it. Must be called while the
/// process has one thread.
[[nodiscard]] bool mount_small_disk(const std::filesystem::path& directory);

}  // namespace tenon::chaos
