/// How a command ends: exit codes, and errors with advice for the user.
#pragma once

#include <cstddef>
#include <string>

#include <tl/expected.hpp>

#include <tenon/error.hpp>

namespace tenon::cli {

/// Exit codes of `tenon`. Scripts rely on them: do not renumber them.
enum class ExitCode : int {
  kDone = 0,
  kFailed = 1,             ///< Some items, or the call, failed.
  kUsage = 2,              ///< The command line, or the JSON on it, is not valid.
  kBadConfiguration = 78,  ///< A pipeline file, a plugin or the installation is not valid
                           ///< (EX_CONFIG of sysexits.h).
  kInterrupted = 130,      ///< Ctrl-C; 128 + SIGINT, as in shells.
};

/// Why a command failed.
struct Failure {
  ExitCode exit = ExitCode::kFailed;
  Error error;
  /// Advice, as in "did you mean 'run'?"; may be empty.
  std::string hint;
  /// A source line with a caret below it; may be empty.
  std::string excerpt;
};

template <typename T>
using Outcome = tl::expected<T, Failure>;

[[nodiscard]] tl::unexpected<Failure> failure(ExitCode exit, Error error, std::string hint = {});
[[nodiscard]] tl::unexpected<Failure> usage_failure(std::string message, std::string hint = {});

/// Returns `tenon: error: message`, the excerpt, the hint and the output of the worker; ends with a
/// newline.
[[nodiscard]] std::string to_text(const Failure& failure, bool color);
/// Returns the task that crashed, if one did, and the last lines that its worker wrote to stderr
/// and stdout, indented by two. Empty if neither is known.
[[nodiscard]] std::string crash_text(const Error& error, std::size_t max_lines = 50);
/// Returns one object with the key "error"; ends with a newline.
[[nodiscard]] std::string to_json(const Failure& failure);

/// Returns the line of `text` at `line` and `column` (both from 1, columns in bytes) with a caret
/// below the column. A long line is cut around the column. Empty if there is no such line.
[[nodiscard]] std::string excerpt(std::string_view text, std::uint32_t line, std::uint32_t column);

}  // namespace tenon::cli
