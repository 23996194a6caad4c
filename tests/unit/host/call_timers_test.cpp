#include "host/call_timers.hpp"

#include <memory>
#include <utility>
#include <vector>

#include "platform/doorbell.hpp"
#include "tenon_test/catch.hpp"

using namespace tenon::internal;

namespace {

std::vector<CallRef> make_calls(std::size_t count) {
  auto bell = EventBell::create();
  REQUIRE(bell);
  const auto retired = std::make_shared<Retired>(std::move(*bell));
  const RouteRef route =
      make_shared_object<const HostRoute>(0, nullptr, tenon::TaskRef(), StoredBytes(), std::weak_ptr<Pool>(),
                                          make_shared_object<CallMemory>(retired), retired);
  std::vector<CallRef> calls;
  while (calls.size() < count) {
    calls.push_back(Call::create(route, calls.size() + 1, tenon::BytesView()));
  }
  return calls;
}

}  // namespace

TEST_CASE("CallTimers: calls come due in the order of their times, once each") {
  const auto calls = make_calls(3);
  CallTimers timers;
  CHECK(timers.next_ns() == kNever);
  CHECK(timers.take_due(1000) == nullptr);
  CHECK(timers.set(*calls[0], 30));
  CHECK(timers.set(*calls[1], 10));
  CHECK_FALSE(timers.set(*calls[2], 20));
  CHECK(timers.next_ns() == 10);
  CHECK(timers.take_due(9) == nullptr);
  CHECK(timers.take_due(20) == calls[1].get());
  CHECK(timers.take_due(20) == calls[2].get());
  CHECK(timers.take_due(20) == nullptr);
  CHECK(timers.take_due(30) == calls[0].get());
  CHECK(timers.next_ns() == kNever);
}

TEST_CASE("CallTimers: a call has one time, which can be replaced and taken out") {
  const auto calls = make_calls(2);
  CallTimers timers;
  CHECK(timers.set(*calls[0], 30));
  CHECK_FALSE(timers.set(*calls[0], 30));
  CHECK(timers.set(*calls[0], 20));
  CHECK(timers.next_ns() == 20);
  CHECK_FALSE(timers.set(*calls[1], 25));
  CHECK_FALSE(timers.set(*calls[0], kNever));
  CHECK(timers.next_ns() == 25);
  timers.remove(*calls[1]);
  timers.remove(*calls[1]);
  CHECK(timers.next_ns() == kNever);
  CHECK_FALSE(calls[1]->details().timer_ns != kNever);
}
