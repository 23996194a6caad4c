#include "platform/elf_section.hpp"

#include <algorithm>
#include <cstring>
#include <string>

#include "base/text.hpp"
#include "base/try.hpp"

namespace tenon::internal {
namespace {

// The relevant parts of ELF, by their offsets (System V ABI, chapters 4 and 5); for both word
// sizes, so that a 32-bit library is reported as such. Fields are read only after the byte order is
// known to be this machine's.
constexpr std::size_t kIdentBytes = 20;  // e_ident, e_type, e_machine.
constexpr std::size_t kHeader64Bytes = 64;
constexpr std::size_t kSectionHeader64Bytes = 64;
constexpr std::uint16_t kTypeShared = 3;
constexpr std::uint32_t kSectionNoBits = 8;
/// No real library has more; limits how much a malicious one makes us read.
constexpr std::uint64_t kMaxSections = 65'536;
constexpr std::uint64_t kMaxNameTableBytes = std::uint64_t{16} << 20;

#if defined(__x86_64__)
constexpr std::uint16_t kOwnMachine = 62;
#elif defined(__aarch64__)
constexpr std::uint16_t kOwnMachine = 183;
#elif defined(__riscv)
constexpr std::uint16_t kOwnMachine = 243;
#elif defined(__powerpc64__)
constexpr std::uint16_t kOwnMachine = 21;
#elif defined(__s390x__)
constexpr std::uint16_t kOwnMachine = 22;
#elif defined(__loongarch64)
constexpr std::uint16_t kOwnMachine = 258;
#else
#error "name this machine's e_machine here"
#endif

std::string machine_name(std::uint16_t machine) {
  switch (machine) {
    case 3:
      return "x86 (32 bit)";
    case 8:
      return "MIPS";
    case 20:
      return "PowerPC (32 bit)";
    case 21:
      return "PowerPC (64 bit)";
    case 22:
      return "s390x";
    case 40:
      return "ARM (32 bit)";
    case 62:
      return "x86-64";
    case 183:
      return "AArch64 (64-bit ARM)";
    case 243:
      return "RISC-V";
    case 258:
      return "LoongArch";
    default:
      return "machine number " + std::to_string(machine);
  }
}

template <typename T>
T value_at(BytesView bytes, std::size_t offset) {
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof value);
  return value;
}

struct SectionHeader {
  std::uint32_t name = 0;
  std::uint32_t type = 0;
  std::uint64_t offset = 0;
  std::uint64_t size_bytes = 0;
};

SectionHeader section_header(BytesView bytes) {
  return {value_at<std::uint32_t>(bytes, 0), value_at<std::uint32_t>(bytes, 4), value_at<std::uint64_t>(bytes, 24),
          value_at<std::uint64_t>(bytes, 32)};
}

/// Reads a range after checking it; `what` names it in the message.
Result<Buffer> read_range(const ByteSource& source, std::uint64_t offset, std::uint64_t size_bytes, const char* what) {
  if (offset > source.size_bytes() || size_bytes > source.size_bytes() - offset) {
    return fail(ErrorCode::kCorrupt, std::string("truncated: ") + what + " lies at byte " + std::to_string(offset) +
                                         ", the file has " + count_of(source.size_bytes(), "byte", "bytes"));
  }
  return source.read(offset, size_bytes);
}

/// Rejects anything but a shared library for this machine.
Result<void> check_ident(BytesView ident) {
  constexpr std::uint8_t kLittle = 1;
  constexpr std::uint8_t kOwnOrder = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? kLittle : 2;
  if (std::memcmp(ident.data(),
                  "\x7f"
                  "ELF",
                  4) != 0) {
    return fail(ErrorCode::kCorrupt, "not a shared library (ELF); is it really a plugin?");
  }
  if (ident[5] != kOwnOrder) {
    return fail(ErrorCode::kIncompatible, std::string("built for a ") + (ident[5] == kLittle ? "little" : "big") +
                                              "-endian machine; build the plugin for this one");
  }
  const auto type = value_at<std::uint16_t>(ident, 16);
  const auto machine = value_at<std::uint16_t>(ident, 18);
  if (machine != kOwnMachine) {
    return fail(ErrorCode::kIncompatible, "built for " + machine_name(machine) + ", this machine is " +
                                              machine_name(kOwnMachine) + "; build the plugin for this one");
  }
  if (ident[4] != (sizeof(void*) == 8 ? 2 : 1)) {
    return fail(ErrorCode::kIncompatible, std::string("a ") + (ident[4] == 1 ? "32" : "64") +
                                              "-bit library; build the plugin for this machine's word size");
  }
  if (type != kTypeShared) {
    return fail(ErrorCode::kCorrupt, std::string(type == 1   ? "an object file"
                                                 : type == 2 ? "a program"
                                                             : "an ELF file") +
                                         ", not a shared library; link it with -shared");
  }
  return {};
}

}  // namespace

Result<FileRange> find_elf_section(const ByteSource& source, std::string_view name) {
  if (source.size_bytes() == 0) {
    return fail(ErrorCode::kCorrupt, "the file is empty");
  }
  TENON_ASSIGN(const auto ident, source.read(0, std::min<std::uint64_t>(kIdentBytes, source.size_bytes())));
  const bool has_magic = ident.size() >= 4 && std::memcmp(ident.data(),
                                                          "\x7f"
                                                          "ELF",
                                                          4) == 0;
  if (ident.size() < kIdentBytes) {
    return fail(ErrorCode::kCorrupt, has_magic ? "truncated: not even its header is whole"
                                               : "not a shared library (ELF); is it really a plugin?");
  }
  TENON_TRY(check_ident(ident));
  TENON_ASSIGN(const auto header, read_range(source, 0, kHeader64Bytes, "the ELF header"));
  const auto table_offset = value_at<std::uint64_t>(header, 40);
  const auto entry_bytes = value_at<std::uint16_t>(header, 58);
  std::uint64_t count = value_at<std::uint16_t>(header, 60);
  std::uint64_t names_index = value_at<std::uint16_t>(header, 62);
  if (table_offset == 0) {
    return fail(ErrorCode::kCorrupt,
                "a shared library without sections, so without a manifest; do not strip its section headers");
  }
  if (entry_bytes != kSectionHeader64Bytes) {
    return fail(ErrorCode::kCorrupt, "its section headers have an impossible size");
  }
  TENON_ASSIGN(const auto first, read_range(source, table_offset, kSectionHeader64Bytes, "the section table"));
  // Numbers that do not fit into the header are in the first section header.
  constexpr std::uint64_t kExtendedIndex = 0xffff;
  if (count == 0) {
    count = value_at<std::uint64_t>(first, 32);
  }
  if (names_index == kExtendedIndex) {
    names_index = value_at<std::uint32_t>(first, 40);
  }
  if (count == 0 || count > kMaxSections || names_index >= count) {
    return fail(ErrorCode::kCorrupt, "its section table has an impossible length");
  }
  TENON_ASSIGN(const auto table, read_range(source, table_offset, count * entry_bytes, "the section table"));
  const auto header_of = [&](std::uint64_t index) {
    return section_header(BytesView(table).subspan(index * entry_bytes, kSectionHeader64Bytes));
  };
  const SectionHeader names_header = header_of(names_index);
  if (names_header.size_bytes > kMaxNameTableBytes) {
    return fail(ErrorCode::kCorrupt, "its table of section names is impossibly large");
  }
  TENON_ASSIGN(const auto names,
               read_range(source, names_header.offset, names_header.size_bytes, "the table of section names"));
  for (std::uint64_t i = 0; i < count; ++i) {
    const SectionHeader section = header_of(i);
    // The name must end with a zero inside the table.
    if (section.name >= names.size() || names.size() - section.name <= name.size() ||
        std::memcmp(names.data() + section.name, name.data(), name.size()) != 0 ||
        names[section.name + name.size()] != 0) {
      continue;
    }
    if (section.type == kSectionNoBits) {
      return fail(ErrorCode::kCorrupt, "its section " + std::string(name) + " has no content in the file");
    }
    return FileRange{section.offset, section.size_bytes};
  }
  return fail(ErrorCode::kCorrupt,
              "no manifest: the library has no section " + std::string(name) + "; build it with tenon_add_plugin()");
}

Result<Buffer> read_elf_section(const ByteSource& source, std::string_view name, std::uint64_t max_bytes) {
  TENON_ASSIGN(const auto section, find_elf_section(source, name));
  if (section.size_bytes > max_bytes) {
    return fail(ErrorCode::kTooLarge, "its section " + std::string(name) + " has " + format_size(section.size_bytes) +
                                          "; at most " + format_size(max_bytes) + " are read");
  }
  return read_range(source, section.offset, section.size_bytes, "the manifest's section");
}

}  // namespace tenon::internal
