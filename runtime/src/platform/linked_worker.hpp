/// platform/linked_worker.hpp: the worker of the package whose libraries this program links.
#pragma once

#include <filesystem>

namespace tenon::internal {

/// Path of that package's worker; empty if the program does not link `tenon::runtime` of a package.
/// The package generates a source file with this path when the host's build is configured, so the
/// library itself contains no path of the machine that built it. [any-thread]
[[nodiscard]] std::filesystem::path linked_worker();

}  // namespace tenon::internal
