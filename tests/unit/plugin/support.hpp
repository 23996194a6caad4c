/// What the tests of this room share.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include <tenon/bytes.hpp>
#include <tenon/schema.hpp>

namespace tenon::test {

/// The plugin made with that fault.
[[nodiscard]] inline std::filesystem::path variant(std::string_view name) {
  return std::filesystem::path(TENON_TEST_VARIANTS) / (std::string(name) + ".so");
}

/// A program that inspects as tenon-worker does.
[[nodiscard]] inline std::filesystem::path inspector() {
  return TENON_TEST_INSPECTOR;
}

/// The whole content of a file.
[[nodiscard]] Buffer bytes_of_file(const std::filesystem::path& file);
void write_bytes(const std::filesystem::path& file, BytesView content);

/// The schema of the variants; the plugin is called "sample".
[[nodiscard]] Schema sample_schema();

/// A binary schema from its text, with types.fbs of tenon to include.
[[nodiscard]] Buffer compile_schema(const std::string& text);

/// Message of a failed result; empty when it has a value.
template <typename R>
[[nodiscard]] std::string message_of(const R& result) {
  return result ? std::string() : result.error().message;
}

[[nodiscard]] inline bool has(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

}  // namespace tenon::test
