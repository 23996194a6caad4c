#include "plugin/manifest_reader.hpp"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <utility>

#include <tenon/plugin.h>

#include "base/text.hpp"
#include "base/try.hpp"
#include "platform/elf_section.hpp"
#include "platform/file.hpp"
#include "platform/file_descriptor.hpp"
#include "platform/file_source.hpp"
#include "schema/plugin_name.hpp"
#include "schema/schema_model.hpp"

namespace tenon::internal {
namespace {

/// Largest header that is read; the current one has TENON_MANIFEST_MIN_SIZE bytes.
constexpr std::uint32_t kMaxHeaderBytes = 4096;

const char* sanitizer_name(unsigned sanitizer) {
  switch (sanitizer) {
    case TENON_SANITIZER_NONE:
      return "no sanitizer";
    case TENON_SANITIZER_ADDRESS:
      return "the address sanitizer";
    case TENON_SANITIZER_THREAD:
      return "the thread sanitizer";
    case TENON_SANITIZER_MEMORY:
      return "the memory sanitizer";
    default:
      return "an unknown sanitizer";
  }
}

/// A text field: zero-terminated inside its `size_bytes`; nullopt otherwise.
Result<std::string> text_field(const char* field, std::size_t size_bytes, const char* what) {
  const void* end = std::memchr(field, 0, size_bytes);
  if (end == nullptr) {
    return fail(ErrorCode::kCorrupt, std::string("the manifest's ") + what + " does not end inside its field");
  }
  return std::string(field, static_cast<const char*>(end));
}

/// Three numbers of at most nine digits with dots between.
bool is_version(std::string_view version) {
  int parts = 1;
  std::size_t digits = 0;
  for (const char c : version) {
    if (c == '.' && digits > 0) {
      ++parts;
      digits = 0;
    } else if (c >= '0' && c <= '9' && digits < 9) {
      ++digits;
    } else {
      return false;
    }
  }
  return parts == 3 && digits > 0;
}

Result<void> check_abi_tag(const tenon_manifest_t& manifest) {
  if (manifest.abi_major != TENON_ABI_MAJOR) {
    return fail(ErrorCode::kIncompatible, "built for plugin ABI " + std::to_string(manifest.abi_major) + "." +
                                              std::to_string(manifest.abi_minor) + ", this tenon has " +
                                              std::to_string(TENON_ABI_MAJOR) + "." + std::to_string(TENON_ABI_MINOR) +
                                              "; build the plugin again with this tenon's plugin_api");
  }
  if (manifest.endianness != TENON_ABI_ENDIANNESS || manifest.pointer_bits != TENON_ABI_POINTER_BITS) {
    return fail(ErrorCode::kIncompatible, "the manifest says " + std::to_string(manifest.pointer_bits) + "-bit " +
                                              (manifest.endianness == 1   ? "little"
                                               : manifest.endianness == 2 ? "big"
                                                                          : "unknown") +
                                              "-endian; build the plugin for this machine");
  }
  if (manifest.sanitizer != TENON_ABI_SANITIZER) {
    return fail(ErrorCode::kIncompatible, std::string("built with ") + sanitizer_name(manifest.sanitizer) +
                                              ", this tenon with " + sanitizer_name(TENON_ABI_SANITIZER) +
                                              "; one process needs both alike, so build the plugin as tenon was built");
  }
  return {};
}

Result<Manifest> parse_section(const Buffer& section, std::string_view expected_name, SchemaReading reading) {
  if (section.size() < TENON_MANIFEST_MIN_SIZE) {
    return fail(ErrorCode::kCorrupt, "the manifest has " + count_of(section.size(), "byte", "bytes") +
                                         "; the least is " + std::to_string(TENON_MANIFEST_MIN_SIZE));
  }
  tenon_manifest_t manifest{};
  std::memcpy(&manifest, section.data(), TENON_MANIFEST_MIN_SIZE);
  if (std::memcmp(manifest.magic, TENON_MANIFEST_MAGIC, TENON_MANIFEST_MAGIC_SIZE) != 0) {
    return fail(ErrorCode::kCorrupt,
                "the manifest does not begin with its magic bytes; was the file changed on its way?");
  }
  TENON_TRY(check_abi_tag(manifest));
  if (manifest.size_bytes < TENON_MANIFEST_MIN_SIZE || manifest.size_bytes > kMaxHeaderBytes ||
      manifest.size_bytes > section.size()) {
    return fail(ErrorCode::kCorrupt,
                "the manifest says that its header has " + count_of(manifest.size_bytes, "byte", "bytes") +
                    "; between " + std::to_string(TENON_MANIFEST_MIN_SIZE) + " and " +
                    std::to_string(std::min<std::size_t>(kMaxHeaderBytes, section.size())) + " are possible");
  }
  const std::uint64_t begin = manifest.schema_offset_bytes;
  const std::uint64_t size_bytes = manifest.schema_size_bytes;
  if (begin < manifest.size_bytes || begin % 16 != 0 || begin > section.size() || size_bytes > section.size() - begin) {
    return fail(ErrorCode::kCorrupt, "the manifest places the schema at byte " + std::to_string(begin) + " with " +
                                         count_of(size_bytes, "byte", "bytes") +
                                         ", which does not fit its section of " + std::to_string(section.size()));
  }
  Manifest result;
  auto name = text_field(manifest.name, sizeof manifest.name, "name");
  auto version = text_field(manifest.version, sizeof manifest.version, "version");
  if (!name || !version) {
    return fail(!name ? name.error() : version.error());
  }
  result.name = std::move(*name);
  result.version = std::move(*version);
  if (!is_plugin_name(result.name)) {
    return fail(
        ErrorCode::kIncompatible,
        "'" + printable(result.name, 80) + "' cannot name a plugin; use small letters, digits and '_', a letter first");
  }
  if (result.name != expected_name) {
    return fail(ErrorCode::kIncompatible, "the manifest names the plugin '" + result.name +
                                              "', the file is named after '" + printable(expected_name, 80) +
                                              "'; rename the file to " + result.name + ".so");
  }
  if (!is_version(result.version)) {
    return fail(ErrorCode::kIncompatible,
                "version '" + printable(result.version, 80) + "' is not of the form major.minor.patch, as in 1.2.0");
  }
  result.abi_major = manifest.abi_major;
  result.abi_minor = manifest.abi_minor;
  result.sanitizer = manifest.sanitizer;
  result.header.assign(section.begin(), section.begin() + manifest.size_bytes);
  result.schema.assign(section.begin() + static_cast<std::ptrdiff_t>(begin),
                       section.begin() + static_cast<std::ptrdiff_t>(begin + size_bytes));
  if (reading == SchemaReading::kAtFirstUse) {
    result.parsed_schema = SchemaAccess::known(result.schema, result.name);
    return result;
  }
  auto schema = Schema::from_binary(result.schema, result.name);
  if (!schema) {
    return fail(std::move(schema.error()));
  }
  result.parsed_schema = std::move(*schema);
  return result;
}

Result<Manifest> parse_source(const ByteSource& source, std::string_view expected_name, SchemaReading reading) {
  TENON_ASSIGN(auto section, read_elf_section(source, TENON_MANIFEST_SECTION, kMaxSchemaBytes + kMaxHeaderBytes + 16));
  return parse_section(section, expected_name, reading);
}

}  // namespace

Result<Manifest> parse_manifest(BytesView image, std::string_view expected_name) {
  return parse_source(MemorySource(image), expected_name, SchemaReading::kNow);
}

namespace {

Result<Manifest> read_source(Result<FileSource> source, const std::filesystem::path& file, SchemaReading reading) {
  auto manifest = source ? parse_source(*source, file.stem().string(), reading) : fail(std::move(source.error()));
  if (!manifest) {
    Error error = std::move(manifest.error());
    if (error.message.find(file.string()) == std::string::npos) {
      error.message = file.string() + ": " + error.message;
    }
    return fail(std::move(error));
  }
  return manifest;
}

}  // namespace

Result<Manifest> read_manifest(const std::filesystem::path& file, SchemaReading reading) {
  return read_source(FileSource::open(file), file, reading);
}

Result<Manifest> read_manifest(const FileDescriptor& file, const std::filesystem::path& name) {
  return read_source(FileSource::over(file), name, SchemaReading::kNow);
}

}  // namespace tenon::internal
