/// How a command ends: exit codes, and errors with what helps a person mend them.
#pragma once

#include <cstddef>
#include <string>

#include <tl/expected.hpp>

#include <tenon/error.hpp>

namespace tenon::cli {

/// Exit codes of `tenon`. Scripts rely on them: never renumber.
enum class ExitCode : int {
  kDone = 0,
  kFailed = 1,             ///< Some items, or the call, failed.
  kUsage = 2,              ///< The command line or the JSON on it is wrong.
  kBadConfiguration = 78,  ///< A pipeline file, a plugin or the installation is wrong (EX_CONFIG of sysexits.h).
  kInterrupted = 130,      ///< Ctrl-C; 128 + SIGINT, as shells have it.
};

/// Why a command did not do what was asked.
struct Failure {
  ExitCode exit = ExitCode::kFailed;
  Error error;
  /// What to do, as in "did you mean 'run'?"; may be empty.
  std::string hint;
  /// A source line with a caret below it; may be empty.
  std::string excerpt;
};

template <typename T>
using Outcome = tl::expected<T, Failure>;

[[nodiscard]] tl::unexpected<Failure> failure(ExitCode exit, Error error, std::string hint = {});
[[nodiscard]] tl::unexpected<Failure> usage_failure(std::string message, std::string hint = {});

/// `tenon: error: message`, the excerpt, the hint, what the worker wrote; ends with a newline.
[[nodiscard]] std::string to_text(const Failure& failure, bool color);
/// The task that crashed, if one did, and the last lines that its worker wrote to stderr and stdout; indented by two.
/// Empty if neither is known.
[[nodiscard]] std::string crash_text(const Error& error, std::size_t max_lines = 50);
/// One object with the key "error"; ends with a newline.
[[nodiscard]] std::string to_json(const Failure& failure);

/// The line of `text` that holds `line` and `column` (both from 1, columns in bytes) with a caret below the column.
/// Long lines are cut around it. Empty when there is no such line.
[[nodiscard]] std::string excerpt(std::string_view text, std::uint32_t line, std::uint32_t column);

}  // namespace tenon::cli
