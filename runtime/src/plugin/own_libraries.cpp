#include "plugin/own_libraries.hpp"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "plugin/elf_section.hpp"

namespace tenon::internal {
namespace {

// Entries of the dynamic section that matter here (System V ABI, chapter 5).
constexpr std::int64_t kNeeded = 1;
constexpr std::int64_t kSearchPath = 15;     // DT_RPATH
constexpr std::int64_t kSearchPathNew = 29;  // DT_RUNPATH
constexpr std::uint64_t kMaxSectionBytes = std::uint64_t{16} << 20;
/// No real plugin has more; a bound for what a hostile one makes us look for.
constexpr std::size_t kMaxNames = 256;

struct DynamicEntry {
  std::int64_t tag;
  std::uint64_t value;
};
static_assert(sizeof(DynamicEntry) == 16);

/// The text at an offset of a string table; empty where it does not end inside.
std::string_view text_at(BytesView table, std::uint64_t offset) noexcept {
  if (offset >= table.size()) {
    return {};
  }
  const auto* begin = reinterpret_cast<const char*>(table.data()) + offset;
  const std::size_t room = table.size() - offset;
  const std::size_t length = ::strnlen(begin, room);
  return length == room ? std::string_view() : std::string_view(begin, length);
}

/// A directory of a search path with its `$ORIGIN` replaced; empty where it has none.
std::filesystem::path below_origin(std::string_view directory, const std::filesystem::path& origin) {
  for (const std::string_view token : {std::string_view("$ORIGIN"), std::string_view("${ORIGIN}")}) {
    if (directory.starts_with(token)) {
      return origin.native() + std::string(directory.substr(token.size()));
    }
  }
  return {};
}

}  // namespace

std::vector<std::filesystem::path> own_libraries(const ByteSource& plugin, const std::filesystem::path& origin) {
  std::vector<std::filesystem::path> found;
  const auto entries = read_elf_section(plugin, ".dynamic", kMaxSectionBytes);
  const auto names = read_elf_section(plugin, ".dynstr", kMaxSectionBytes);
  if (!entries || !names || origin.empty()) {
    return found;
  }
  std::vector<std::string_view> needed;
  std::vector<std::filesystem::path> directories;
  for (std::size_t at = 0; at + sizeof(DynamicEntry) <= entries->size(); at += sizeof(DynamicEntry)) {
    DynamicEntry entry;
    std::memcpy(&entry, entries->data() + at, sizeof entry);
    const std::string_view text = text_at(*names, entry.value);
    if (entry.tag == kNeeded && needed.size() < kMaxNames) {
      needed.push_back(text);
    } else if (entry.tag == kSearchPath || entry.tag == kSearchPathNew) {
      for (std::string_view rest = text; !rest.empty() && directories.size() < kMaxNames;) {
        const std::size_t length = std::min(rest.find(':'), rest.size());
        if (auto directory = below_origin(rest.substr(0, length), origin); !directory.empty()) {
          directories.push_back(std::move(directory));
        }
        rest.remove_prefix(std::min(length + 1, rest.size()));
      }
    }
  }
  for (const std::string_view name : needed) {
    for (const std::filesystem::path& directory : directories) {
      std::error_code code;
      // A name with a slash is a path already.
      if (name.empty() || name.find('/') != name.npos) {
        break;
      }
      if (auto file = directory / name; std::filesystem::is_regular_file(file, code)) {
        found.push_back(std::move(file));
        break;
      }
    }
  }
  return found;
}

}  // namespace tenon::internal
