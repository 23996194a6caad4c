/// Code that the tests of the store share.
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "plugin/file_hash.hpp"
#include "plugin/store.hpp"

#include <tenon_test/catch.hpp>

namespace tenon::test {

/// Returns content that differs with `seed` in every part.
[[nodiscard]] inline std::string content_of(std::uint64_t seed, std::size_t size_bytes) {
  std::string content(size_bytes, '\0');
  std::uint64_t state = seed * 2 + 1;
  for (char& letter : content) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    letter = static_cast<char>(state >> 56);
  }
  return content;
}

inline void write_text(const std::filesystem::path& file, const std::string& content) {
  std::ofstream(file, std::ios::binary | std::ios::trunc) << content;
}

[[nodiscard]] inline std::string text_of(const std::filesystem::path& file) {
  std::ifstream stream(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

[[nodiscard]] inline std::string sha256_of(const std::string& text) {
  return internal::sha256_of_bytes({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
}

[[nodiscard]] inline internal::Store open_store(const std::filesystem::path& directory,
                                                const internal::StoreLimits& limits = {}) {
  auto store = internal::Store::open(directory, limits);
  INFO((store ? "" : store.error().to_string()));
  REQUIRE(store);
  return std::move(*store);
}

[[nodiscard]] inline internal::StagedPlugin stage(const internal::Store& store, const std::filesystem::path& source) {
  auto staged = store.stage(source);
  INFO((staged ? "" : staged.error().to_string()));
  REQUIRE(staged);
  return std::move(*staged);
}

/// Returns all files below a directory.
[[nodiscard]] inline std::vector<std::filesystem::path> files_below(const std::filesystem::path& directory) {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory)) {
    if (!entry.is_directory()) {
      files.push_back(entry.path());
    }
  }
  return files;
}

/// Checks that every file with a final name is complete: the name of its directory is its hash.
inline void check_whole(const std::filesystem::path& store) {
  for (const auto& file : files_below(store / "objects")) {
    INFO(file);
    CHECK(internal::sha256_of_file(file).value_or("") == file.parent_path().filename());
  }
}

}  // namespace tenon::test
