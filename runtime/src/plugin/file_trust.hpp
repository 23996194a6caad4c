/// plugin/file_trust.hpp: whether a plugin file may be loaded at all, judged by who can change it. See DESIGN.md,
/// "Trust".
#pragma once

#include <filesystem>

#include <tenon/error.hpp>

namespace tenon::internal {

/// Refuses a file that others than root and this user own or may write, or that stands in a directory where others may
/// replace it. Links are followed: what they lead to counts, and the directory of the link too. Errors: kRejected with
/// what to change; kNotFound; kIo. [any-thread]
[[nodiscard]] Result<void> check_plugin_trust(const std::filesystem::path& file);

}  // namespace tenon::internal
