/// Files and directories that only this user can access.
#pragma once

#include <cstdint>
#include <filesystem>

#include <tenon/bytes.hpp>
#include <tenon/error.hpp>

#include "platform/file_descriptor.hpp"

namespace tenon::internal {

/// Creates a directory accessible only to its owner (0700), whatever the umask; an existing one is
/// left unchanged. Errors: kNotFound: its parent is missing; kIo. [any-thread]
[[nodiscard]] Result<void> create_private_directory(const std::filesystem::path& directory);

/// Checks that a directory belongs to this user, is closed to all others, and is not a link.
/// Errors: kRejected, with what to change; kNotFound; kIo. [any-thread]
[[nodiscard]] Result<void> check_private_directory(const std::filesystem::path& directory);

/// Whether programs and libraries may be run from here: false on a file system mounted noexec.
/// [any-thread]
[[nodiscard]] bool allows_programs(const std::filesystem::path& directory) noexcept;

/// Creates a new file, readable and writable only by its owner (0600). Errors: kIo: it exists, or
/// the directory cannot be written; kUnavailable: no descriptors are left. [any-thread]
[[nodiscard]] Result<FileDescriptor> create_private_file(const std::filesystem::path& file);

/// Copies the first `size_bytes` of one file to the start of another, inside the kernel if
/// possible, sharing blocks if the file system supports it; file positions do not change. Returns
/// the number of bytes copied: fewer if the source ends early. Never raises SIGXFSZ. Errors:
/// kTooLarge: above this process's file size limit; kIo, with the cause (disk full, quota).
/// [any-thread]
[[nodiscard]] Result<std::uint64_t> copy_content(const FileDescriptor& from, const FileDescriptor& to,
                                                 std::uint64_t size_bytes);

/// Writes all bytes at an offset, independent of the file position. Never raises SIGXFSZ. Errors:
/// those of copy_content. [any-thread]
[[nodiscard]] Result<void> write_at(const FileDescriptor& to, std::uint64_t offset_bytes, BytesView bytes);

/// Prevents everyone except root from opening the file for writing. Errors: kIo. [any-thread]
[[nodiscard]] Result<void> make_read_only(const FileDescriptor& file);

/// Closes a written file. Errors: kIo, if a network file system or a quota reports an error only
/// now. [any-thread]
[[nodiscard]] Result<void> close_written(FileDescriptor file);

/// Renames a file to a name that is not in use; returns false and does nothing if the name exists.
/// On a file system that cannot check this atomically, an existing file is replaced. Errors:
/// kNotFound; kIo. [any-thread]
[[nodiscard]] Result<bool> rename_if_free(const std::filesystem::path& from, const std::filesystem::path& to);

}  // namespace tenon::internal
