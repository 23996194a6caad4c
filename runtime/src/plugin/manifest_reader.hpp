/// plugin/manifest_reader.hpp: the manifest of a plugin file, read without running any of its code.
///
///   auto manifest = read_manifest("build/plugins/image.so");
///   if (!manifest) return fail(manifest.error());   // "image.so: built for aarch64, this worker is x86-64 ..."
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include <tenon/bytes.hpp>
#include <tenon/error.hpp>
#include <tenon/schema.hpp>

#include "platform/file_descriptor.hpp"

namespace tenon::internal {

/// The checked content of section `.tenon`. A value; owns its bytes.
struct Manifest {
  std::string name;     ///< [a-z][a-z0-9_]*, equal to the file's stem.
  std::string version;  ///< "major.minor.patch", digits only.
  std::uint16_t abi_major = 0;
  std::uint16_t abi_minor = 0;
  std::uint8_t sanitizer = 0;  ///< TENON_SANITIZER_*.
  /// The manifest struct of the file. Its length is its own size_bytes, which may be more than this
  /// build knows.
  Buffer header;
  /// The binary schema, as bytes and parsed. A manifest that is returned always has a parsed
  /// schema.
  Buffer schema;
  std::optional<Schema> parsed_schema;
};

enum class SchemaReading {
  kNow,        ///< A schema that does not verify is an error.
  kAtFirstUse  ///< For a content that has been read without an error before.
};

/// Reads and checks the manifest of an image in memory. `expected_name` is the file's stem. Any
/// bytes may be given. Errors: kCorrupt: not a shared library, truncated, no manifest, bad magic,
/// ranges outside the section, a schema that does not verify; kIncompatible: other machine, word
/// size, endianness, ABI major version or sanitizer, a name that is not the file's, a malformed
/// version. [any-thread]
[[nodiscard]] Result<Manifest> parse_manifest(BytesView image, std::string_view expected_name);

/// The same for a file; only the headers and the section are read. Errors: also those of the
/// operating system. Messages begin with the file's name. [any-thread]
[[nodiscard]] Result<Manifest> read_manifest(const std::filesystem::path& file,
                                             SchemaReading reading = SchemaReading::kNow);
/// The same for an open file. `name` is the path by which it was opened, whatever that leads to
/// now.
[[nodiscard]] Result<Manifest> read_manifest(const FileDescriptor& file, const std::filesystem::path& name);

}  // namespace tenon::internal
