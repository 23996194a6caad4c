/// swap/difference.hpp: why a host serves another content than a plugin's file holds, in words.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "swap/candidate.hpp"

namespace tenon::internal {

/// For status, log and events. `file_sha256`: what `file` holds. `why`: `current` is current. `refusal`: why the
/// content of the file was refused, if it was. [any-thread]
[[nodiscard]] std::string difference_text(const Candidates& candidates, const std::string& plugin,
                                          const std::filesystem::path& file, const std::string& file_sha256,
                                          const ServedVersion& current, const std::string& why,
                                          const std::optional<std::string>& refusal);

}  // namespace tenon::internal
