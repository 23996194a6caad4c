/// Limits that the system sets for this process, and the sentences that name them in errors.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <tenon/error.hpp>

namespace tenon::internal {

/// As tenon::os_error. Where a limit of this process can be the cause (too many descriptors, processes or threads, too
/// little memory, too large a file), the message names each such limit with its value and how to raise it.
/// [any-thread]
[[nodiscard]] Error limit_error(int os_code, std::string_view what);

/// "; the address space of this process is limited to 1 GiB (RLIMIT_AS; raise 'ulimit -v')", and the same for private
/// memory. Empty without such limits. [any-thread]
[[nodiscard]] std::string memory_limit_text();

/// Largest file that this process may write, in bytes; absent when there is no limit. Shared memory counts as a file.
/// [any-thread]
[[nodiscard]] std::optional<std::uint64_t> file_size_limit() noexcept;

/// "; this process may write files of at most 512 MiB (RLIMIT_FSIZE, 'ulimit -f') ...". Empty without such a limit.
/// [any-thread]
[[nodiscard]] std::string file_size_limit_text();

/// While it lives, a write beyond the file size limit is an error on the calling thread (kTooLarge, EFBIG) and not a
/// signal that ends the process. The program's disposition and mask of that signal are as before afterwards. One
/// thread; ends on the thread that made it.
class FileSizeErrors {
 public:
  FileSizeErrors() noexcept;
  FileSizeErrors(const FileSizeErrors&) = delete;
  FileSizeErrors& operator=(const FileSizeErrors&) = delete;
  ~FileSizeErrors();

 private:
  bool blocked_here_ = false;
};

/// Makes a write beyond the file size limit an error in this whole process. For programs of this tree only: a library
/// leaves signal dispositions to its program. [setup]
void ignore_file_size_signal() noexcept;

/// Stack of the main thread of this process and of those that it starts, in bytes; absent when there is no limit.
/// [any-thread]
[[nodiscard]] std::optional<std::uint64_t> stack_limit() noexcept;

/// Errors: kUnavailable when RLIMIT_STACK is too small for a program of this tree to run in. `who` begins the message,
/// as in "tenon-worker". [any-thread]
[[nodiscard]] Result<void> check_stack_limit(std::string_view who);

/// What the system's limits say about a process that `signal` ended: ": a file may have 1 MiB at most,
/// RLIMIT_FSIZE; raise 'ulimit -f'". Empty for signals that no limit sends. For a child of this process, which has the
/// same limits.
/// [any-thread]
[[nodiscard]] std::string limit_signal_text(int signal);

}  // namespace tenon::internal
