#include "host/call_queue.hpp"

#include <memory>
#include <utility>
#include <vector>

#include "host/call.hpp"
#include "platform/doorbell.hpp"
#include "tenon_test/catch.hpp"

using namespace tenon::internal;

namespace {

std::vector<CallRef> make_calls(const std::vector<int>& priorities) {
  auto bell = EventBell::create();
  REQUIRE(bell);
  const auto retired = std::make_shared<Retired>(std::move(*bell));
  const RouteRef route =
      make_shared_object<const HostRoute>(0, nullptr, tenon::TaskRef(), StoredBytes(), std::weak_ptr<Pool>(),
                                          make_shared_object<CallMemory>(retired), retired);
  std::vector<CallRef> calls;
  for (const int priority : priorities) {
    calls.push_back(Call::create(route, calls.size() + 1, tenon::BytesView()));
    if (priority != 0) {
      calls.back()->make_details().priority = priority;
    }
  }
  return calls;
}

std::vector<std::uint64_t> drain(CallQueue& queue) {
  std::vector<std::uint64_t> ids;
  while (Call* call = queue.front()) {
    ids.push_back(call->id());
    queue.remove(*call);
  }
  return ids;
}

}  // namespace

TEST_CASE("CallQueue: is empty at first") {
  const CallQueue queue;
  REQUIRE(queue.empty());
  REQUIRE(queue.front() == nullptr);
}

TEST_CASE("CallQueue: higher priorities first, each in order of arrival") {
  const auto calls = make_calls({0, 2, 0, -1, 2});
  CallQueue queue;
  for (const auto& call : calls) {
    queue.push_back(*call);
  }
  REQUIRE(queue.size() == 5);
  REQUIRE(drain(queue) == std::vector<std::uint64_t>{2, 5, 1, 3, 4});
  REQUIRE(queue.empty());
}

TEST_CASE("CallQueue: push_front comes before its own priority alone") {
  const auto calls = make_calls({0, 1, 0});
  CallQueue queue;
  queue.push_back(*calls[0]);
  queue.push_back(*calls[1]);
  queue.push_front(*calls[2]);
  REQUIRE(drain(queue) == std::vector<std::uint64_t>{2, 3, 1});
}

TEST_CASE("CallQueue: removes from the begin, the middle and the end") {
  const auto calls = make_calls({0, 0, 0, 0, 0});
  CallQueue queue;
  for (const auto& call : calls) {
    queue.push_back(*call);
  }
  queue.remove(*calls[0]);
  queue.remove(*calls[2]);
  queue.remove(*calls[4]);
  REQUIRE(drain(queue) == std::vector<std::uint64_t>{2, 4});
}

TEST_CASE("CallQueue: many priorities, seen once each, leave nothing behind") {
  std::vector<int> priorities;
  for (int i = 0; i < 100; ++i) {
    priorities.push_back(i);
  }
  const auto calls = make_calls(priorities);
  CallQueue queue;
  for (const auto& call : calls) {
    queue.push_back(*call);
  }
  std::vector<std::uint64_t> expected;
  for (std::uint64_t id = 100; id > 0; --id) {
    expected.push_back(id);
  }
  REQUIRE(drain(queue) == expected);
}
