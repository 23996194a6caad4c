#include "common/file_name.hpp"

#include <algorithm>

namespace tenon::plugins {

std::string_view dotted_extension(std::string_view path) noexcept {
  const std::string_view name = base_name(path);
  const auto dot = name.rfind('.');
  if (dot == std::string_view::npos || dot + 1 == name.size() || name.find_first_not_of('.') > dot) {
    return {};
  }
  return name.substr(dot);
}

std::string_view base_name(std::string_view path) noexcept {
  const auto slash = path.rfind('/');
  return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

std::string extension_of(std::string_view path) {
  std::string_view raw = dotted_extension(path);
  if (raw.empty()) {
    return {};
  }
  std::string extension(raw.substr(1));
  std::transform(extension.begin(), extension.end(), extension.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return extension;
}

std::string with_extension(std::string_view path, std::string_view suffix, std::string_view extension) {
  std::string out(path.substr(0, path.size() - dotted_extension(path).size()));
  out += suffix;
  out += '.';
  out += extension;
  return out;
}

}  // namespace tenon::plugins
