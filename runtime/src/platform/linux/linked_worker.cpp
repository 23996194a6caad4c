#include "platform/linked_worker.hpp"

// Weak: programs of tenon's own tree do without it.
extern "C" __attribute__((weak)) const char* const tenon_linked_worker;

namespace tenon::internal {

std::filesystem::path linked_worker() {
  const char* const* const place = &tenon_linked_worker;
  return place == nullptr ? std::filesystem::path() : std::filesystem::path(*place);
}

}  // namespace tenon::internal
