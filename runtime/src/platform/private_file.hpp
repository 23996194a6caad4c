/// Files and directories that only this user can reach.
#pragma once

#include <cstdint>
#include <filesystem>

#include <tenon/bytes.hpp>
#include <tenon/error.hpp>

#include "platform/file_descriptor.hpp"

namespace tenon::internal {

/// Makes a directory that is its owner's alone (0700), whatever the umask; one that is there stays as it is. Errors:
/// kNotFound its parent is missing; kIo. [any-thread]
[[nodiscard]] Result<void> create_private_directory(const std::filesystem::path& directory);

/// Whether a directory is this user's own, closed to all others, and no link. Errors: kRejected with what to change;
/// kNotFound; kIo. [any-thread]
[[nodiscard]] Result<void> check_private_directory(const std::filesystem::path& directory);

/// Whether programs and libraries may be run from here: not on a file system that is mounted noexec. [any-thread]
[[nodiscard]] bool allows_programs(const std::filesystem::path& directory) noexcept;

/// Makes a file that was not there, for reading and writing by its owner alone (0600). Errors: kIo it is there, or the
/// directory cannot be written; kUnavailable no descriptors left. [any-thread]
[[nodiscard]] Result<FileDescriptor> create_private_file(const std::filesystem::path& file);

/// Copies the first `size_bytes` of one file to the begin of another, inside the system where it can, sharing blocks
/// where the file system does; neither position moves. Gives the bytes copied: fewer when the source ends before.
/// Never raises SIGXFSZ. Errors: kTooLarge beyond this process's limit on file sizes; kIo with disk full and quota in
/// words. [any-thread]
[[nodiscard]] Result<std::uint64_t> copy_content(const FileDescriptor& from, const FileDescriptor& to,
                                                 std::uint64_t size_bytes);

/// Writes all bytes at an offset, wherever writes stand. Never raises SIGXFSZ. Errors: those of copy_content.
/// [any-thread]
[[nodiscard]] Result<void> write_at(const FileDescriptor& to, std::uint64_t offset_bytes, BytesView bytes);

/// Lets nobody but root open the file for writing from now on. Errors: kIo. [any-thread]
[[nodiscard]] Result<void> make_read_only(const FileDescriptor& file);

/// Closes a file that was written. Errors: kIo what a network file system or a quota tells only now. [any-thread]
[[nodiscard]] Result<void> close_written(FileDescriptor file);

/// Gives a file a name that nothing has: false, and nothing happens, when something has it. On a file system that
/// cannot tell, what has the name is replaced. Errors: kNotFound; kIo. [any-thread]
[[nodiscard]] Result<bool> rename_if_free(const std::filesystem::path& from, const std::filesystem::path& to);

}  // namespace tenon::internal
