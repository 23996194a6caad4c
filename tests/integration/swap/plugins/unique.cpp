// Built without the flags of tenon_add_plugin(). VARIANT_VERSION 1 and 2 have different layouts
// under the same names.
#include <cstdint>

#include <tenon/plugin.hpp>

#include "unique_generated.h"

namespace layouts {

constexpr std::uint64_t kGuard = 0x1111111111111111u * VARIANT_VERSION;

#if VARIANT_VERSION == 1
struct Shared {
  std::uint64_t calls = 0;
  std::uint64_t guard = kGuard;
};
#else
struct Shared {
  std::uint64_t guard = kGuard;
  std::uint64_t more[100] = {kGuard};
  std::uint64_t calls = 0;
};
#endif

inline Shared variable;

inline Shared& local() {
  static Shared shared;
  return shared;
}

inline bool whole(const Shared& shared) {
#if VARIANT_VERSION == 2
  if (shared.more[0] != kGuard || shared.more[99] != 0) {
    return false;
  }
#endif
  return shared.guard == kGuard;
}

}  // namespace layouts

namespace {

tenon::Offset<unique::Counts> touch(tenon::Call& call, const tenon::Empty&) {
  const std::uint64_t by_variable = ++layouts::variable.calls;
  const std::uint64_t by_local = ++layouts::local().calls;
  return unique::CreateCounts(call.builder(64), VARIANT_VERSION, by_variable, by_local,
                              layouts::whole(layouts::variable) && layouts::whole(layouts::local()));
}

}  // namespace

TENON_PLUGIN(unique) {
  plugin.task<touch>("touch");
}
