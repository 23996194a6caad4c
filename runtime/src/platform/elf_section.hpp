/// platform/elf_section.hpp: finds a section of an ELF shared library. Other containers (PE) have
/// their own files.
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

/// The location of section `name` in a shared library; the range itself is not checked. Errors:
/// those of read_elf_section except kTooLarge. [any-thread]
[[nodiscard]] Result<FileRange> find_elf_section(const ByteSource& source, std::string_view name);

/// Content of section `name` of a shared library that this process could load. Every offset is
/// checked against the source's size, so the bytes may be arbitrary. Errors: kCorrupt: not a shared
/// library, truncated, tables outside the file, or no such section; kIncompatible: another machine,
/// word size or byte order; kTooLarge: the section exceeds `max_bytes`. [any-thread]
[[nodiscard]] Result<Buffer> read_elf_section(const ByteSource& source, std::string_view name, std::uint64_t max_bytes);

}  // namespace tenon::internal
