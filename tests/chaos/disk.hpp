/// A small file system that can be filled.
#pragma once

#include <filesystem>

namespace tenon::chaos {

/// Mounts an empty one of 32 MiB at `directory`, which only this process and its children see and which goes with them.
/// False when the system does not allow it. To be called while the process has one thread.
[[nodiscard]] bool mount_small_disk(const std::filesystem::path& directory);

}  // namespace tenon::chaos
