#include "platform/environment.hpp"

#include <array>
#include <cstdlib>
#include <string_view>
#include <system_error>

#include <dlfcn.h>
#include <pwd.h>
#include <unistd.h>

extern char** environ;

namespace tenon::internal {

std::optional<std::string> get_environment(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  if (value == nullptr) {
    return std::nullopt;
  }
  return value;
}

std::vector<std::string> environment_entries() {
  std::vector<std::string> entries;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    entries.emplace_back(*entry);
  }
  return entries;
}

std::vector<std::filesystem::path> split_search_path(const std::string& value) {
  std::vector<std::filesystem::path> parts;
  std::string_view rest = value;
  for (;;) {
    const std::size_t end = rest.find(':');
    if (const std::string_view part = rest.substr(0, end); !part.empty()) {
      parts.emplace_back(part);
    }
    if (end == std::string_view::npos) {
      return parts;
    }
    rest.remove_prefix(end + 1);
  }
}

std::filesystem::path home_directory() {
  // A relative value would mean a different directory for each working directory.
  if (auto home = get_environment("HOME"); home && home->starts_with('/')) {
    return *home;
  }
  std::array<char, 16 * 1024> buffer;
  passwd entry{};
  passwd* found = nullptr;
  if (::getpwuid_r(::getuid(), &entry, buffer.data(), buffer.size(), &found) == 0 && found != nullptr &&
      found->pw_dir != nullptr) {
    return found->pw_dir;
  }
  return {};
}

std::filesystem::path cache_directory() {
  // The XDG base directory specification says to ignore a relative value.
  if (auto cache = get_environment("XDG_CACHE_HOME"); cache && cache->starts_with('/')) {
    return std::filesystem::path(*cache) / "tenon";
  }
  const std::filesystem::path home = home_directory();
  return home.empty() ? home : home / ".cache" / "tenon";
}

Result<std::filesystem::path> executable_path() {
  std::error_code code;
  std::filesystem::path path = std::filesystem::read_symlink("/proc/self/exe", code);
  if (code) {
    return fail(os_error(code.value(), "cannot find the running executable through /proc/self/exe"));
  }
  return path;
}

Result<std::filesystem::path> module_path(const void* address) {
  Dl_info info{};
  if (::dladdr(address, &info) == 0 || info.dli_fname == nullptr) {
    return fail(ErrorCode::kNotFound, "the address does not belong to a library of this process");
  }
  std::error_code code;
  std::filesystem::path path = std::filesystem::canonical(info.dli_fname, code);
  // The main program's name is the one it was started with, which may be resolvable only through
  // PATH.
  if (code) {
    return executable_path();
  }
  return path;
}

}  // namespace tenon::internal
