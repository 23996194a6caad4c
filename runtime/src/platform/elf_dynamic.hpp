/// platform/elf_dynamic.hpp: the requests of a shared library to the loader.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "platform/byte_source.hpp"

namespace tenon::internal {

/// The entries of a dynamic section that decide which other libraries are loaded, and from where.
struct ElfDynamic {
  std::string soname;               ///< Empty if there is none.
  std::vector<std::string> needed;  ///< As linked: usually a name, rarely a path.
  std::string search_path;          ///< DT_RPATH, as written.
  /// DT_RUNPATH, as written. If it is present, the loader ignores `search_path`.
  std::string run_path;
};

/// nullopt if the source is not a shared library that this process could load. The bytes may be
/// arbitrary; at most 256 names are read. [any-thread]
[[nodiscard]] std::optional<ElfDynamic> read_elf_dynamic(const ByteSource& source);

}  // namespace tenon::internal
