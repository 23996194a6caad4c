/// Runs workers on threads of this process, with the same rings, segments and messages, so that a
/// debugger, valgrind or a sanitizer sees both sides at once. A task that crashes also crashes this
/// process.
#pragma once

#include <memory>

#include "host/launcher.hpp"

namespace tenon::internal {

[[nodiscard]] std::unique_ptr<Launcher> make_in_process_launcher();

}  // namespace tenon::internal
