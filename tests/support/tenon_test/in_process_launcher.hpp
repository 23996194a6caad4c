/// Workers on threads of the test's own process, over the same rings, segments and messages: a thread sanitizer then
/// sees both sides at once.
#pragma once

#include <memory>

#include "host/launcher.hpp"

namespace tenon::test {

[[nodiscard]] std::unique_ptr<tenon::internal::Launcher> make_in_process_launcher();

}  // namespace tenon::test
