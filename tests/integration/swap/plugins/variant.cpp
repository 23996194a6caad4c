// VARIANT_VERSION is the version. VARIANT_PLACE is where it misbehaves and VARIANT_ACT is how;
// VARIANT_CALL = n makes it misbehave in every n-th call of a worker. VARIANT_DELAY_US is how long
// each call takes; VARIANT_FALSE makes results wrong.
#include "variant.hpp"

#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <stdexcept>
#include <thread>

#if !defined(VARIANT_PLACE)
#define VARIANT_PLACE nowhere
#endif
#if !defined(VARIANT_ACT)
#define VARIANT_ACT nothing
#endif
#if !defined(VARIANT_CALL)
#define VARIANT_CALL 1
#endif
#if !defined(VARIANT_DELAY_US)
#define VARIANT_DELAY_US 0
#endif
#if !defined(VARIANT_FALSE)
#define VARIANT_FALSE 0
#endif

namespace variant {

extern const std::uint32_t version = VARIANT_VERSION;
extern const std::uint64_t falsified = VARIANT_FALSE;

namespace {

enum class Place { nowhere, constructor, entry, init, worker_init, call, fini };
constexpr Place kPlace = Place::VARIANT_PLACE;

namespace act {

[[maybe_unused]] void nothing() {}
/// Uses a signal that kills the process also under a sanitizer.
[[maybe_unused]] void crash() {
  std::signal(SIGSEGV, SIG_DFL);
  std::raise(SIGSEGV);
}
[[maybe_unused]] void hang() {
  for (;;) {
    ::pause();
  }
}
[[maybe_unused]] void leave() {
  ::_exit(0);
}
[[maybe_unused]] void fail() {
  throw std::runtime_error("this version is made to fail");
}
/// Starts threads that are never stopped and always run the plugin's code.
[[maybe_unused]] void leak_threads() {
  for (int i = 0; i < 4; ++i) {
    std::thread([] {
      for (;;) {
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
      }
    }).detach();
  }
}

}  // namespace act

void at(Place place) {
  if (place == kPlace) {
    act::VARIANT_ACT();
  }
}

[[maybe_unused]] const bool kConstructed = (at(Place::constructor), true);

}  // namespace

void on_entry() {
  at(Place::entry);
}

void on_init(std::uint64_t worker_id) {
  at(Place::init);
  if (worker_id != 0) {
    at(Place::worker_init);
  }
}

void on_call(std::uint64_t number_in_worker) {
  if constexpr (VARIANT_DELAY_US != 0) {
    std::this_thread::sleep_for(std::chrono::microseconds(VARIANT_DELAY_US));
  }
  if (number_in_worker % VARIANT_CALL == 0) {
    at(Place::call);
  }
}

void on_fini() {
  at(Place::fini);
}

}  // namespace variant
