/// The launcher of `tenon call --in-process`, for tests: it lets a thread sanitizer see both sides
/// at once.
#pragma once

#include <memory>

#include "tools/tenon/in_process_launcher.hpp"

namespace tenon::test {

[[nodiscard]] inline std::unique_ptr<tenon::internal::Launcher> make_in_process_launcher() {
  return tenon::internal::make_in_process_launcher();
}

}  // namespace tenon::test
