/// plugin/file_hash.hpp: the identity of a plugin file.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include <tenon/bytes.hpp>
#include <tenon/error.hpp>

#include "platform/file_descriptor.hpp"

namespace tenon::internal {

/// SHA-256 of an open file as lower-case hexadecimal. It starts at the start of the file, not at the file position.
/// Memory does not grow with the file. Errors: kIo.
[[nodiscard]] Result<std::string> sha256_of_file(const FileDescriptor& descriptor);
/// The same for the first `size_bytes` bytes of an open file, or all of them if it is shorter,
/// followed by `suffix`.
[[nodiscard]] Result<std::string> sha256_of_file(const FileDescriptor& descriptor, std::uint64_t size_bytes,
                                                 std::string_view suffix);
/// The same for a file by its path. Errors: also those of open_for_reading.
[[nodiscard]] Result<std::string> sha256_of_file(const std::filesystem::path& file);
/// The same for bytes.
[[nodiscard]] std::string sha256_of_bytes(BytesView bytes);

}  // namespace tenon::internal
