/// plugin/file_trust.hpp: whether a plugin file may be loaded, judged by who can change it. See
/// DESIGN.md, "Trust".
#pragma once

#include <filesystem>

#include <tenon/error.hpp>

namespace tenon::internal {

/// Refuses a file that a user other than root and this user owns or may write, or that is in a
/// directory where others may replace it. For a link, its target and the directory of the link are
/// checked. Errors: kRejected with
/// what to change; kNotFound; kIo. [any-thread]
[[nodiscard]] Result<void> check_plugin_trust(const std::filesystem::path& file);

}  // namespace tenon::internal
