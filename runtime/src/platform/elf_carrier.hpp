/// platform/elf_carrier.hpp: a shared library with nothing in it but the need of another one.
#pragma once

#include <filesystem>
#include <string>

#include <tenon/bytes.hpp>

namespace tenon::internal {

/// A shared library that needs `name` and has the loader search `directory` for it (DT_RUNPATH). Loading it makes the
/// loader know the library there by that name, which a library without DT_SONAME does not tell by itself. `like` begins
/// with the ELF header of a library of this process's kind; nothing is made, and the result is empty, when it does not.
/// [any-thread]
[[nodiscard]] Buffer make_elf_carrier(BytesView like, const std::string& name, const std::filesystem::path& directory);

}  // namespace tenon::internal
