/// platform/standard_streams.hpp: the process's standard input, output and error, unbuffered, with every failure told.
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

/// Makes streams that the parent closed fail on use with a clear error, instead of letting the next file or socket
/// that is opened take their place. Call it before anything is opened. [setup]
void reserve_standard_streams() noexcept;

/// A second descriptor of the stream. Errors: kIo it is closed. [any-thread]
[[nodiscard]] Result<FileDescriptor> duplicate(StandardStream stream);

/// Takes standard input away from the rest of the program, which finds an empty one in its place. Errors: kIo. [setup]
[[nodiscard]] Result<FileDescriptor> take_standard_input();

/// Takes over a descriptor beyond the standard streams that the parent process has left open, and keeps it from child
/// processes. Errors: kInvalidArgument it is a standard stream, or not open. [setup]
[[nodiscard]] Result<FileDescriptor> take_inherited(std::uint64_t number);

/// Whether a person sits at the other end. [any-thread]
[[nodiscard]] bool is_terminal(StandardStream stream) noexcept;

/// Columns of the terminal; 80 when they are not known. [any-thread]
[[nodiscard]] unsigned terminal_width(StandardStream stream) noexcept;

/// Writes all of `text`. Errors: kUnavailable when the reader has gone (ignore_broken_pipe is needed for that);
/// others as os_error gives them. [any-thread]
[[nodiscard]] Result<void> write_standard(StandardStream stream, std::string_view text);

/// The same, but a stream that is not read does not keep the caller for ever: `stop` is asked now and then, and true
/// ends the wait. Errors: also kCancelled when it did; a part of the text may then have been written. [any-thread]
[[nodiscard]] Result<void> write_standard(StandardStream stream, std::string_view text,
                                          const std::function<bool()>& stop);

/// Reads up to `buffer.size()` bytes of standard input, waiting for at least one; 0 at its end. Errors: kCancelled
/// when a signal came first; others as os_error gives them. [any-thread]
[[nodiscard]] Result<std::size_t> read_standard_input(MutableBytesView buffer);

}  // namespace tenon::internal
