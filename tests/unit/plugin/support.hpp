/// Code that the tests of this room share.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>
#include <string_view>

#include <tenon/bytes.hpp>
#include <tenon/schema.hpp>

#include "tenon_test/paths.hpp"

namespace tenon::test {

/// Returns the plugin with that fault.
[[nodiscard]] inline std::filesystem::path variant(std::string_view name) {
  return build_dir() / "tests" / "plugin_variants" / (std::string(name) + ".so");
}

/// Returns the binary schema of the variants, as flatc wrote it.
[[nodiscard]] inline std::filesystem::path sample_schema_file() {
  return build_dir() / "tests" / "unit" / "plugin" / "sample.bfbs";
}

/// Returns a program that inspects plugins as tenon-worker does.
[[nodiscard]] inline std::filesystem::path inspector() {
  return build_dir() / "tests" / "plugin_inspector";
}

/// Sets a variable of this process while the object exists; it is unset afterwards. [setup]
class EnvironmentValue {
 public:
  EnvironmentValue(const char* name, const std::string& value) : name_(name) { ::setenv(name, value.c_str(), 1); }
  ~EnvironmentValue() { ::unsetenv(name_); }
  EnvironmentValue(const EnvironmentValue&) = delete;
  EnvironmentValue& operator=(const EnvironmentValue&) = delete;

 private:
  const char* name_;
};

/// Returns the whole content of a file.
[[nodiscard]] Buffer bytes_of_file(const std::filesystem::path& file);
void write_bytes(const std::filesystem::path& file, BytesView content);

/// Returns the schema of the variants; the plugin is named "sample".
[[nodiscard]] Schema sample_schema();

/// Returns a binary schema from its text, which may include tenon's types.fbs.
[[nodiscard]] Buffer compile_schema(const std::string& text);

/// Returns the message of a failed result; empty if it has a value.
template <typename R>
[[nodiscard]] std::string message_of(const R& result) {
  return result ? std::string() : result.error().message;
}

[[nodiscard]] inline bool has(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

}  // namespace tenon::test
