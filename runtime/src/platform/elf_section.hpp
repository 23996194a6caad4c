/// platform/elf_section.hpp: finds a section of an ELF shared library. Another container (PE) is another file like
/// this.
#pragma once

#include <cstdint>
#include <string_view>

#include <tenon/bytes.hpp>
#include <tenon/error.hpp>

#include "platform/byte_source.hpp"

namespace tenon::internal {

/// A part of a file.
struct FileRange {
  std::uint64_t offset = 0;
  std::uint64_t size_bytes = 0;
};

/// Where section `name` of a shared library lies; the range itself is not checked. Errors: those of read_elf_section
/// except kTooLarge. [any-thread]
[[nodiscard]] Result<FileRange> find_elf_section(const ByteSource& source, std::string_view name);

/// Content of section `name` of a shared library that this process could load. Every offset is checked against the
/// source's size; any bytes may be given. Errors: kCorrupt: no shared library, truncated, tables that lie outside the
/// file, no such section; kIncompatible: other machine, word size or byte order; kTooLarge: a section beyond
/// `max_bytes`. [any-thread]
[[nodiscard]] Result<Buffer> read_elf_section(const ByteSource& source, std::string_view name, std::uint64_t max_bytes);

}  // namespace tenon::internal
