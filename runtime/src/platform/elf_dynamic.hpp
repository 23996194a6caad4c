/// platform/elf_dynamic.hpp: what a shared library asks the loader for.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "platform/byte_source.hpp"

namespace tenon::internal {

/// The entries of a dynamic section that decide which other libraries are loaded, and from where.
struct ElfDynamic {
  std::string soname;               ///< Empty: it has none.
  std::vector<std::string> needed;  ///< As linked: usually a name, rarely a path.
  std::string search_path;          ///< DT_RPATH, as written.
  std::string run_path;             ///< DT_RUNPATH, as written. Where it is present, the loader ignores `search_path`.
};

/// nullopt when the source is not a shared library that this process could load. Any bytes may be given; at most 256
/// names are read. [any-thread]
[[nodiscard]] std::optional<ElfDynamic> read_elf_dynamic(const ByteSource& source);

}  // namespace tenon::internal
