/// Workers on threads of this process, over the same rings, segments and messages: a debugger, valgrind or a sanitizer
/// then sees both sides at once. A task that crashes ends this process.
#pragma once

#include <memory>

#include "host/launcher.hpp"

namespace tenon::internal {

[[nodiscard]] std::unique_ptr<Launcher> make_in_process_launcher();

}  // namespace tenon::internal
