/// The paths of the build under test. They are compiled into one file only, so that all other
/// objects are the same in every checkout and a compiler cache can reuse them.
#pragma once

#include <filesystem>

namespace tenon::test {

/// The build directory (`build/` for the default preset).
std::filesystem::path build_dir();

/// The root of the source tree.
std::filesystem::path source_dir();

}  // namespace tenon::test
