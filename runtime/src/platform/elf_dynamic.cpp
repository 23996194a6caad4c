#include "platform/elf_dynamic.hpp"

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "platform/elf_section.hpp"

namespace tenon::internal {
namespace {

// Entries of the dynamic section that matter here (System V ABI, chapter 5).
constexpr std::int64_t kEnd = 0;
constexpr std::int64_t kNeeded = 1;
constexpr std::int64_t kSoname = 14;
constexpr std::int64_t kSearchPath = 15;
constexpr std::int64_t kRunPath = 29;

constexpr std::uint64_t kMaxSectionBytes = std::uint64_t{1} << 20;
/// Real libraries have fewer names; the limit protects against malicious ones.
constexpr std::size_t kMaxNames = 256;
constexpr std::uint64_t kMaxTextBytes = 16'384;

struct DynamicEntry {
  std::int64_t tag;
  std::uint64_t value;
};
static_assert(sizeof(DynamicEntry) == 16);

/// The string at `offset` of the string table; empty if it does not end inside the table. Only this
/// string is read: the string table of a large library can have hundreds of megabytes of symbol
/// names.
std::string text_at(const ByteSource& source, const FileRange& table, std::uint64_t offset) {
  if (offset >= table.size_bytes || table.offset > source.size_bytes() ||
      table.size_bytes > source.size_bytes() - table.offset) {
    return {};
  }
  for (std::uint64_t wanted = 256;; wanted *= 8) {
    const std::uint64_t size_bytes = std::min({wanted, table.size_bytes - offset, kMaxTextBytes});
    const auto bytes = source.read(table.offset + offset, size_bytes);
    if (!bytes) {
      return {};
    }
    const auto* const begin = reinterpret_cast<const char*>(bytes->data());
    const std::size_t length = ::strnlen(begin, bytes->size());
    if (length < bytes->size()) {
      return std::string(begin, length);
    }
    if (size_bytes < wanted) {
      return {};
    }
  }
}

}  // namespace

std::optional<ElfDynamic> read_elf_dynamic(const ByteSource& source) {
  const auto entries = read_elf_section(source, ".dynamic", kMaxSectionBytes);
  const auto names = entries ? find_elf_section(source, ".dynstr") : fail(entries.error());
  if (!names) {
    return std::nullopt;
  }
  ElfDynamic found;
  for (std::size_t at = 0; at + sizeof(DynamicEntry) <= entries->size(); at += sizeof(DynamicEntry)) {
    DynamicEntry entry;
    std::memcpy(&entry, entries->data() + at, sizeof entry);
    switch (entry.tag) {
      case kNeeded:
        if (found.needed.size() < kMaxNames) {
          found.needed.push_back(text_at(source, *names, entry.value));
        }
        break;
      case kSoname:
        found.soname = text_at(source, *names, entry.value);
        break;
      case kSearchPath:
        found.search_path = text_at(source, *names, entry.value);
        break;
      case kRunPath:
        found.run_path = text_at(source, *names, entry.value);
        break;
      case kEnd:
        return found;
      default:
        break;
    }
  }
  return found;
}

}  // namespace tenon::internal
