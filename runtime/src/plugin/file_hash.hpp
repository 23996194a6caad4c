/// plugin/file_hash.hpp: the identity of a plugin file.
#pragma once

#include <filesystem>
#include <string>

#include <tenon/bytes.hpp>
#include <tenon/error.hpp>

#include "platform/file_descriptor.hpp"

namespace tenon::internal {

/// SHA-256 of an open file, from its start and wherever reads stand, as lower-case hexadecimal; memory does not grow
/// with the file. Errors: kIo.
[[nodiscard]] Result<std::string> sha256_of_file(const FileDescriptor& descriptor);
/// The same of a file by its path. Errors: also those of open_for_reading.
[[nodiscard]] Result<std::string> sha256_of_file(const std::filesystem::path& file);
/// The same of bytes.
[[nodiscard]] std::string sha256_of_bytes(BytesView bytes);

}  // namespace tenon::internal
