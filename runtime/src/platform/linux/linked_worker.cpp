#include "platform/linked_worker.hpp"

// Weak: programs inside tenon's source tree do not define it.
extern "C" __attribute__((weak)) const char* const tenon_linked_worker;

namespace tenon::internal {

std::filesystem::path linked_worker() {
  const char* const* const place = &tenon_linked_worker;
  return place == nullptr ? std::filesystem::path() : std::filesystem::path(*place);
}

}  // namespace tenon::internal
