/// Where the build under test lies. The locations are compiled into one file only, so that the other objects are the
/// same in every checkout and a compiler cache finds them again.
#pragma once

#include <filesystem>

namespace tenon::test {

/// The build directory (`build/` for the default preset).
std::filesystem::path build_dir();

/// The root of the source tree.
std::filesystem::path source_dir();

}  // namespace tenon::test
