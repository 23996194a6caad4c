/// Shared by the commands that take pipeline files.
#pragma once

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include <tenon/pipeline.hpp>

#include "tools/tenon/command.hpp"
#include "tools/tenon/failure.hpp"

namespace tenon::cli {

/// Splits `--set key=value` at the first '='. Errors: usage without a key or '='.
[[nodiscard]] Outcome<std::vector<std::pair<std::string, std::string>>> parse_overrides(
    const std::vector<std::string>& settings);

/// Errors: usage if there is no such file, or it is a directory.
[[nodiscard]] Outcome<void> require_file(const std::string& path);

/// A pipeline and the file beside it that has its tests.
struct TestedFile {
  std::string pipeline;
  std::filesystem::path tests;  ///< Empty if there is none.
};
/// Returns `NAME.toml` and `NAME.test.toml`, if the latter exists, for the name of either.
[[nodiscard]] TestedFile tested_file(const std::string& file);

/// Writes the errors of a pipeline file: to standard error, or as JSON to standard output.
void write_errors(Context& context, const Diagnostics& diagnostics);

}  // namespace tenon::cli
