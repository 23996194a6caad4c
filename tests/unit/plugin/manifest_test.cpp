#include "plugin/manifest_reader.hpp"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <string>
#include <string_view>

#include <tenon/plugin.h>

#include <tenon_test/catch.hpp>
#include <tenon_test/temporary_directory.hpp>

#include "support.hpp"

using tenon::Buffer;
using tenon::ErrorCode;
using tenon::internal::parse_manifest;
using tenon::internal::read_manifest;
using namespace tenon::test;

namespace {

/// Returns the good plugin with some bytes of its manifest changed.
template <typename Change>
tenon::Result<tenon::internal::Manifest> with_manifest(Change change) {
  Buffer image = bytes_of_file(variant("good"));
  const std::string_view magic(TENON_MANIFEST_MAGIC, TENON_MANIFEST_MAGIC_SIZE);
  const auto at = std::search(image.begin(), image.end(), magic.begin(), magic.end());
  tenon_manifest_t manifest;
  std::memcpy(&manifest, &*at, sizeof manifest);
  change(manifest);
  std::memcpy(&*at, &manifest, sizeof manifest);
  return parse_manifest(image, "good");
}

tenon::Result<tenon::internal::Manifest> with_byte(std::size_t offset, std::uint8_t value) {
  Buffer image = bytes_of_file(variant("good"));
  image[offset] = value;
  return parse_manifest(image, "good");
}

}  // namespace

TEST_CASE("Manifest: is read from the file without running it") {
  const auto manifest = read_manifest(variant("good"));
  REQUIRE(message_of(manifest) == "");
  CHECK(manifest->name == "good");
  CHECK(manifest->version == "1.2.3");
  CHECK(manifest->abi_major == TENON_ABI_MAJOR);
  CHECK(manifest->schema == bytes_of_file(sample_schema_file()));
  CHECK(read_manifest(variant("crash_constructor")).has_value());
}

TEST_CASE("Manifest: a larger one of a newer ABI minor is read") {
  const auto manifest = read_manifest(variant("larger"));
  REQUIRE(message_of(manifest) == "");
  CHECK(manifest->header.size() == TENON_MANIFEST_MIN_SIZE + 20);
}

TEST_CASE("Manifest: what does not fit is refused with what is wrong") {
  const auto check = [](auto change, ErrorCode code, std::string_view message) {
    const auto result = with_manifest(change);
    INFO(message << " | " << message_of(result));
    REQUIRE_FALSE(result.has_value());
    CHECK(result.error().code == code);
    CHECK(has(result.error().message, message));
  };
  using M = tenon_manifest_t;
  check([](M& m) { m.magic[5] = '\n'; }, ErrorCode::kCorrupt, "magic");
  check([](M& m) { m.abi_major = 2; }, ErrorCode::kIncompatible, "built for plugin ABI 2.0, this tenon has 1.0");
  check([](M& m) { m.endianness = 2; }, ErrorCode::kIncompatible, "64-bit big-endian");
  check([](M& m) { m.pointer_bits = 32; }, ErrorCode::kIncompatible, "32-bit little-endian");
  check([](M& m) { m.sanitizer = TENON_SANITIZER_MEMORY; }, ErrorCode::kIncompatible,
        "built with the memory sanitizer");
  check([](M& m) { m.size_bytes = TENON_MANIFEST_MIN_SIZE - 1; }, ErrorCode::kCorrupt, "header has 123 bytes");
  check([](M& m) { m.size_bytes = 0xffffffff; }, ErrorCode::kCorrupt, "header has 4294967295 bytes");
  check([](M& m) { m.schema_offset_bytes = 0; }, ErrorCode::kCorrupt, "places the schema");
  check([](M& m) { m.schema_offset_bytes += 4; }, ErrorCode::kCorrupt, "places the schema");
  check([](M& m) { m.schema_offset_bytes = 0xfffffff0; }, ErrorCode::kCorrupt, "places the schema");
  check([](M& m) { m.schema_size_bytes = 0xffffffff; }, ErrorCode::kCorrupt, "places the schema");
  check([](M& m) { m.schema_size_bytes = 8; }, ErrorCode::kCorrupt, "does not verify");
  check(
      [](M& m) {
        m.schema_offset_bytes += 16;
        m.schema_size_bytes -= 16;
      },
      ErrorCode::kCorrupt, "does not verify");
  check([](M& m) { std::memset(m.name, 'a', sizeof m.name); }, ErrorCode::kCorrupt, "name does not end");
  check([](M& m) { std::strcpy(m.name, "Good"); }, ErrorCode::kIncompatible, "cannot name a plugin");
  check([](M& m) { std::strcpy(m.name, "best"); }, ErrorCode::kIncompatible, "rename the file to best.so");
  for (const char* version :
       {"", "1", "1.2", "1.2.", ".1.2", "1.2.3.4", "1.2.x", "1..2", "1.2.3-a", "1.2.1234567890"}) {
    check([version](M& m) { std::strcpy(m.version, version); }, ErrorCode::kIncompatible, "major.minor.patch");
  }
}

TEST_CASE("Manifest: what is no library for this machine is refused in words") {
  CHECK(has(message_of(with_byte(0, 'X')), "not a shared library"));
  CHECK(has(message_of(with_byte(4, 1)), "a 32-bit library"));
  CHECK(has(message_of(with_byte(5, 2)), "big-endian"));
  CHECK(has(message_of(with_byte(16, 2)), "a program, not a shared library"));
  CHECK(has(message_of(with_byte(18, 40)), "built for ARM (32 bit)"));
  CHECK(has(message_of(with_byte(18, 200)), "built for machine number 200"));
  const std::string text = "#!/bin/sh\necho this is a script, not a plugin\n";
  CHECK(has(message_of(parse_manifest({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()}, "x")),
            "not a shared library"));
  CHECK(has(message_of(parse_manifest({}, "x")), "empty"));
  CHECK_FALSE(read_manifest("/proc/self/exe").has_value());
}

TEST_CASE("Manifest: a library without one is refused") {
  Buffer image = bytes_of_file(variant("good"));
  const std::string_view section(".tenon\0", 7);
  const auto at = std::search(image.rbegin(), image.rend(), section.rbegin(), section.rend());
  REQUIRE(at != image.rend());
  *(at.base() - 2) = 'x';
  CHECK(has(message_of(parse_manifest(image, "good")), "no manifest: the library has no section .tenon"));
}

TEST_CASE("Manifest: every truncation is refused, none crashes") {
  const Buffer image = bytes_of_file(variant("good"));
  for (std::size_t size_bytes = 0; size_bytes < image.size(); size_bytes += 1 + size_bytes / 50) {
    const auto result = parse_manifest({image.data(), size_bytes}, "good");
    INFO(size_bytes);
    REQUIRE_FALSE(result.has_value());
    CHECK(result.error().code == ErrorCode::kCorrupt);
  }
}

TEST_CASE("Manifest: files that cannot be read say so") {
  const TemporaryDirectory directory;
  CHECK(read_manifest(directory / "none.so").error().code == ErrorCode::kNotFound);
  CHECK_FALSE(read_manifest(directory.path()).has_value());
}
