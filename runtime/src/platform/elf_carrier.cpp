#include "platform/elf_carrier.hpp"

#include <array>
#include <cstdint>
#include <cstring>

namespace tenon::internal {
namespace {

// The 64-bit layouts of the System V ABI, chapters 4 and 5.
struct Header {
  std::array<std::uint8_t, 16> ident;
  std::uint16_t type;
  std::uint16_t machine;
  std::uint32_t version;
  std::uint64_t entry;
  std::uint64_t segments_offset;
  std::uint64_t sections_offset;
  std::uint32_t flags;
  std::uint16_t header_bytes;
  std::uint16_t segment_bytes;
  std::uint16_t segment_count;
  std::uint16_t section_bytes;
  std::uint16_t section_count;
  std::uint16_t section_names;
};
static_assert(sizeof(Header) == 64);

struct Segment {
  std::uint32_t type;
  std::uint32_t flags;
  std::uint64_t offset;
  std::uint64_t address;
  std::uint64_t physical_address;
  std::uint64_t file_bytes;
  std::uint64_t memory_bytes;
  std::uint64_t alignment;
};
static_assert(sizeof(Segment) == 56);

struct DynamicEntry {
  std::int64_t tag;
  std::uint64_t value;
};

constexpr std::uint16_t kSharedObject = 3;
constexpr std::uint32_t kLoad = 1;
constexpr std::uint32_t kDynamic = 2;
constexpr std::uint32_t kStack = 0x6474e551;
constexpr std::uint32_t kReadWrite = 4 | 2;
/// The largest page size of these architectures.
constexpr std::uint64_t kPageBytes = 65'536;
constexpr std::uint64_t kSymbolBytes = 24;

struct Carrier {
  Header header;
  std::array<Segment, 3> segments;
  std::array<DynamicEntry, 7> dynamic;
  std::array<std::uint8_t, kSymbolBytes> no_symbol;
};

}  // namespace

Buffer make_elf_carrier(BytesView like, const std::string& name, const std::filesystem::path& directory) {
  Carrier carrier{};
  if (like.size() < sizeof(Header)) {
    return {};
  }
  std::memcpy(&carrier.header, like.data(), sizeof(Header));
  if (carrier.header.segment_bytes != sizeof(Segment) || carrier.header.type != kSharedObject) {
    return {};
  }
  // The string table starts with an empty string.
  const std::string strings = '\0' + name + '\0' + directory.string() + '\0';
  const std::uint64_t size_bytes = sizeof(Carrier) + strings.size();
  carrier.header.entry = 0;
  carrier.header.segments_offset = offsetof(Carrier, segments);
  carrier.header.segment_count = carrier.segments.size();
  carrier.header.sections_offset = 0;
  carrier.header.section_count = 0;
  carrier.header.section_names = 0;
  const std::uint64_t dynamic_at = offsetof(Carrier, dynamic);
  // The loader writes to the dynamic section.
  carrier.segments[0] = {kLoad, kReadWrite, 0, 0, 0, size_bytes, size_bytes, kPageBytes};
  carrier.segments[1] = {
      kDynamic, kReadWrite, dynamic_at, dynamic_at, dynamic_at, sizeof carrier.dynamic, sizeof carrier.dynamic, 8};
  // Without it the loader would make the stack executable.
  carrier.segments[2] = {kStack, kReadWrite, 0, 0, 0, 0, 0, 16};
  carrier.dynamic = {{{1, 1},                             // DT_NEEDED
                      {29, name.size() + 2},              // DT_RUNPATH
                      {5, sizeof(Carrier)},               // DT_STRTAB
                      {10, strings.size()},               // DT_STRSZ
                      {6, offsetof(Carrier, no_symbol)},  // DT_SYMTAB
                      {11, kSymbolBytes},                 // DT_SYMENT
                      {0, 0}}};
  Buffer bytes(size_bytes);
  std::memcpy(bytes.data(), &carrier, sizeof carrier);
  std::memcpy(bytes.data() + sizeof carrier, strings.data(), strings.size());
  return bytes;
}

}  // namespace tenon::internal
