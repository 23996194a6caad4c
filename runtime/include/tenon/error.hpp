/// tenon/error.hpp: errors and results.
///
///   tenon::Result<tenon::Reply> reply = runtime.call("text.count", argument);
///   if (!reply) std::cerr << reply.error().to_string() << '\n';
///
/// No public function throws. Result<T> is tl::expected<T, Error>.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <tl/expected.hpp>

namespace tenon {

/// The kind of an error. The numbers are those of tenon_status_t in <tenon/plugin.h>.
/// WIRE: never renumber.
enum class ErrorCode : std::int32_t {
  kFailed = 1,           ///< The task ran and reported failure.
  kCancelled = 2,        ///< The call was cancelled.
  kDeadline = 3,         ///< A deadline passed.
  kCrashed = 4,          ///< The worker died while running the call.
  kRejected = 5,         ///< Not accepted: a queue is full or the runtime is shutting down.
  kInvalidArgument = 6,  ///< An argument, params or an option is not valid.
  kNotFound = 7,         ///< No such plugin, task, file or key.
  kOutOfMemory = 8,      ///< Out of memory, or a memory limit was reached.
  kIncompatible = 9,     ///< ABIs, versions or schemas are not compatible.
  kCorrupt = 10,         ///< Bytes do not pass verification.
  kIo = 11,              ///< The operating system reported an error.
  kTooLarge = 12,        ///< Larger than a limit allows.
  kUnavailable = 13,     ///< The peer is gone or cannot be started.
  kUnsupported = 14,     ///< The feature is not available.
  kInternal = 15,        ///< A bug in tenon itself.
};

/// Lower-case name of a code, as in "not_found". Valid for the life of the process.
[[nodiscard]] std::string_view error_code_name(ErrorCode code) noexcept;

/// Where an error happened. Fields that do not apply stay empty or zero.
struct ErrorContext {
  std::string task;              ///< Full name of the task.
  std::string plugin;            ///< Plugin with version, as in "image 1.2.0 (sha256:ab12...)".
  std::uint64_t call_id = 0;     ///< Id of the call, unique within one runtime.
  std::uint32_t attempt = 0;     ///< Attempt number, from 1.
  int os_code = 0;               ///< errno or GetLastError().
  int signal = 0;                ///< Signal that killed the worker.
  std::optional<int> exit_code;  ///< Exit code of the worker.
  /// kCrashed: the worker died while running this call, not another call that took a session down
  /// with it. kDeadline: the call had started.
  bool charged = false;
  std::string stderr_tail;  ///< Last lines that the worker wrote to stderr.
  std::string stdout_tail;  ///< Last lines that the worker wrote to stdout.
};

/// An error: a code for programs, a message for people. The message is one or two sentences that
/// say what is wrong and what to do, without a trailing newline.
struct Error {
  ErrorCode code = ErrorCode::kInternal;
  std::string message;
  ErrorContext context;

  /// Code, message and context on one line; stderr_tail and stdout_tail follow on their own lines.
  [[nodiscard]] std::string to_string() const;
};

template <typename T>
using Result = tl::expected<T, Error>;

/// Makes the error side of a Result: `return tenon::fail(ErrorCode::kNotFound, "...")`.
[[nodiscard]] [[gnu::cold]] inline tl::unexpected<Error> fail(ErrorCode code, std::string message,
                                                              ErrorContext context = {}) {
  return tl::unexpected<Error>(Error{code, std::move(message), std::move(context)});
}
[[nodiscard]] [[gnu::cold]] inline tl::unexpected<Error> fail(Error error) {
  return tl::unexpected<Error>(std::move(error));
}

/// Makes an error of the operating system: `what` followed by the text and number of `os_code`. The
/// code is kIo, or a more specific one for some errno values (ENOENT: kNotFound, ENOMEM:
/// kOutOfMemory, ...).
[[nodiscard]] Error os_error(int os_code, std::string_view what);

}  // namespace tenon
