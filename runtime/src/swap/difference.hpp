/// swap/difference.hpp: explains why a host serves other content than a plugin's file has.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "swap/candidate.hpp"

namespace tenon::internal {

/// A sentence for status, log and events. `file_sha256` is the content of `file`, `why` says why
/// `current` is current, and `refusal` says why the content of the file was refused, if it was.
/// [any-thread]
[[nodiscard]] std::string difference_text(const Candidates& candidates, const std::string& plugin,
                                          const std::filesystem::path& file, const std::string& file_sha256,
                                          const ServedVersion& current, const std::string& why,
                                          const std::optional<std::string>& refusal);

}  // namespace tenon::internal
