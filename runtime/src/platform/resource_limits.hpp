/// Limits that the system sets for this process, and the messages that name them in errors.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <tenon/error.hpp>

namespace tenon::internal {

/// Like tenon::os_error. If a limit of this process can be the cause (descriptors, processes or
/// threads, memory, file size), the message names each such limit with its value and how to raise
/// it. [any-thread]
[[nodiscard]] Error limit_error(int os_code, std::string_view what);

/// "; the address space of this process is limited to 1 GiB (RLIMIT_AS; raise 'ulimit -v')", and
/// the same for private memory. Empty if there are no such limits. [any-thread]
[[nodiscard]] std::string memory_limit_text();

/// Largest file that this process may write, in bytes; absent if there is no limit. Shared memory
/// counts as a file. [any-thread]
[[nodiscard]] std::optional<std::uint64_t> file_size_limit() noexcept;

/// "; this process may write files of at most 512 MiB ... (RLIMIT_FSIZE; raise 'ulimit -f' ...)".
/// Empty if there is no such limit. [any-thread]
[[nodiscard]] std::string file_size_limit_text();

/// During its lifetime, a write beyond the file size limit is an error on the calling thread
/// (kTooLarge, EFBIG) instead of a signal that kills the process. Afterwards the program's
/// disposition and mask of that signal are as before. Created and destroyed on the same thread.
class FileSizeErrors {
 public:
  FileSizeErrors() noexcept;
  FileSizeErrors(const FileSizeErrors&) = delete;
  FileSizeErrors& operator=(const FileSizeErrors&) = delete;
  ~FileSizeErrors();

 private:
  bool blocked_here_ = false;
};

/// Makes a write beyond the file size limit an error in the whole process. Only for tenon's own
/// programs: a library must leave signal dispositions to its program. [setup]
void ignore_file_size_signal() noexcept;

/// Stack size limit of the main thread, for this process and its children, in bytes; absent if
/// there is no limit. [any-thread]
[[nodiscard]] std::optional<std::uint64_t> stack_limit() noexcept;

/// Errors: kUnavailable if RLIMIT_STACK is too small for tenon's own programs. `who` starts the
/// message, as in "tenon-worker". [any-thread]
[[nodiscard]] Result<void> check_stack_limit(std::string_view who);

/// The limit behind the signal that killed a process: ": files are limited to 1 MiB, RLIMIT_FSIZE;
/// raise 'ulimit -f'". Empty for signals that no limit sends. For a child of this process, which
/// has the same limits. [any-thread]
[[nodiscard]] std::string limit_signal_text(int signal);

}  // namespace tenon::internal
