/// What the commands on pipeline files share.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include <tenon/pipeline.hpp>

#include "tools/tenon/command.hpp"
#include "tools/tenon/failure.hpp"

namespace tenon::cli {

/// `--set key=value` taken apart at the first '='. Errors: usage without a key or '='.
[[nodiscard]] Outcome<std::vector<std::pair<std::string, std::string>>> parse_overrides(
    const std::vector<std::string>& settings);

/// Errors: usage when there is no such file, or it is a directory.
[[nodiscard]] Outcome<void> require_file(const std::string& path);

/// Writes what is wrong with a pipeline file: to standard error, or as JSON to standard output.
void write_errors(Context& context, const Diagnostics& diagnostics);

}  // namespace tenon::cli
