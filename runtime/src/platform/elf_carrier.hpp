/// platform/elf_carrier.hpp: a shared library that only depends on another one.
#pragma once

#include <filesystem>
#include <string>

#include <tenon/bytes.hpp>

namespace tenon::internal {

/// Builds a shared library that needs `name` and makes the loader search `directory` for it
/// (DT_RUNPATH). Loading it registers the library found there under that name, which a library
/// without DT_SONAME does not provide itself. `like` starts with the ELF header of a library that
/// this process could load; otherwise the result is empty. [any-thread]
[[nodiscard]] Buffer make_elf_carrier(BytesView like, const std::string& name, const std::filesystem::path& directory);

}  // namespace tenon::internal
