/// platform/standard_streams.hpp: the process's standard input, output and error, unbuffered, with
/// every failure reported.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string_view>

#include <tenon/bytes.hpp>
#include <tenon/error.hpp>

#include "platform/file_descriptor.hpp"

namespace tenon::internal {

enum class StandardStream { kInput, kOutput, kError };

/// Makes streams that the parent closed fail on use with a clear error, instead of letting the next
/// opened file or socket take their number. Call it before anything is opened. [setup]
void reserve_standard_streams() noexcept;

/// A second descriptor of the stream. Errors: kIo: it is closed. [any-thread]
[[nodiscard]] Result<FileDescriptor> duplicate(StandardStream stream);

/// Takes standard input away from the rest of the program, which gets an empty one instead. Errors:
/// kIo. [setup]
[[nodiscard]] Result<FileDescriptor> take_standard_input();

/// Takes over an inherited descriptor other than the standard streams, and makes it close-on-exec.
/// Errors: kInvalidArgument: it is a standard stream or not open. [setup]
[[nodiscard]] Result<FileDescriptor> take_inherited(std::uint64_t number);

/// Whether the stream is a terminal. [any-thread]
[[nodiscard]] bool is_terminal(StandardStream stream) noexcept;

/// Number of columns of the terminal; 80 if unknown. [any-thread]
[[nodiscard]] unsigned terminal_width(StandardStream stream) noexcept;

/// Writes all of `text`. Errors: kUnavailable if the reader is gone (requires ignore_broken_pipe);
/// others as from os_error. [any-thread]
[[nodiscard]] Result<void> write_standard(StandardStream stream, std::string_view text);

/// Like write_standard, but a stream that is not read does not block the caller forever: `stop` is
/// polled regularly, and true ends the wait. Errors: also kCancelled in that case; part of the text
/// may have been written. [any-thread]
[[nodiscard]] Result<void> write_standard(StandardStream stream, std::string_view text,
                                          const std::function<bool()>& stop);

/// Reads up to `buffer.size()` bytes of standard input, waiting for at least one; 0 at its end.
/// Errors: kCancelled if a signal arrives first; others as from os_error. [any-thread]
[[nodiscard]] Result<std::size_t> read_standard_input(MutableBytesView buffer);

/// Like read_standard_input, but only `stop` ends the wait early: it is polled regularly, and when a
/// signal arrives. Errors: kCancelled in that case; others as from os_error. [any-thread]
[[nodiscard]] Result<std::size_t> read_standard_input(MutableBytesView buffer, const std::function<bool()>& stop);

}  // namespace tenon::internal
