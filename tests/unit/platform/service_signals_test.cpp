#include "platform/service_signals.hpp"

#include <signal.h>
#include <unistd.h>

#include "platform/reactor/poller.hpp"
#include "tenon_test/catch.hpp"

using namespace tenon::internal;

TEST_CASE("ServiceSignals: signals come by descriptor, one of each kind, and end nothing") {
  auto poller = Poller::create();
  auto signals = ServiceSignals::hold();
  REQUIRE((poller && signals));
  REQUIRE(poller->add(signals->descriptor(), 7));
  CHECK(poller->wait(monotonic_now_ns())->empty());

  // raise() signals this thread: other threads of the test program may not block the signals.
  ::raise(SIGTERM);
  ::raise(SIGHUP);
  ::raise(SIGHUP);
  const auto events = poller->wait(kNever);
  REQUIRE((events && events->size() == 1));
  CHECK((*events)[0].token == 7);
  const ServiceSignals::Seen seen = signals->take();
  CHECK(seen.stops == 1);
  CHECK(seen.reload);
  const ServiceSignals::Seen nothing = signals->take();
  CHECK(nothing.stops == 0);
  CHECK_FALSE(nothing.reload);
}
