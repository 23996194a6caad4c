/// Makes files for the tests of the plugins.
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>

#include <tenon/types_generated.h>

namespace tenon::test {

inline void write_text(const std::filesystem::path& path, std::string_view text) {
  std::filesystem::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary).write(text.data(), static_cast<std::streamsize>(text.size()));
}

inline std::string read_text(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

/// Returns an item that names a file.
inline FileT file_at(const std::filesystem::path& path, std::string relative_path = {}) {
  FileT file;
  file.path = path.string();
  file.relative_path = std::move(relative_path);
  return file;
}

/// Returns an item that carries its content.
inline FileT file_with(std::string path, std::string_view text) {
  FileT file;
  file.path = std::move(path);
  file.data.assign(text.begin(), text.end());
  return file;
}

}  // namespace tenon::test
