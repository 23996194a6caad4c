#include <chrono>
#include <coroutine>
#include <thread>

#include <tenon/internal/promise.hpp>

#include "driver.hpp"

using namespace conformance;
using namespace std::chrono_literals;
using tenon::ErrorCode;

#define FOR_EACH_LAUNCHER(name) TEMPLATE_TEST_CASE(name, "[conformance]", OnProcesses, OnThreads)

namespace {

/// A coroutine that starts at once; the future of its promise waits for it.
struct Detached {
  struct promise_type {
    Detached get_return_object() { return {}; }
    std::suspend_never initial_suspend() noexcept { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_void() {}
    void unhandled_exception() { std::terminate(); }
  };
};

Detached echo_twice(tenon::Runtime& runtime, tenon::internal::Promise<std::size_t> done) {
  const auto argument = bytes_argument(300);
  const tenon::Result<tenon::Reply> first = co_await runtime.submit("tenon.echo", view(argument));
  if (!first) {
    done.complete(tenon::fail(first.error()));
    co_return;
  }
  const tenon::Result<tenon::Reply> second = co_await runtime.submit("tenon.echo", *first);
  done.complete(second ? tenon::Result<std::size_t>(second->bytes().size()) : tenon::fail(second.error()));
}

}  // namespace

FOR_EACH_LAUNCHER("future: then passes results and errors on") {
  auto runtime = start<TestType>(1);
  const auto argument = bytes_argument(10);
  const auto size =
      runtime.submit("tenon.echo", view(argument))
          .then([](const tenon::Result<tenon::Reply>& reply) { return reply ? reply->bytes().size() : 0; })
          .then([](tenon::Result<std::size_t> bytes) -> tenon::Result<std::string> { return std::to_string(*bytes); });
  REQUIRE(value(size.get()) == std::to_string(view(argument).size()));
  const auto thrown =
      runtime.submit("tenon.echo", view(argument)).then([](auto&&) -> int { throw std::runtime_error("no"); });
  REQUIRE(thrown.get().error().code == ErrorCode::kFailed);
}

FOR_EACH_LAUNCHER("future: a coroutine awaits calls") {
  auto runtime = start<TestType>(1);
  const tenon::internal::Promise<std::size_t> done;
  echo_twice(runtime, done);
  REQUIRE(value(done.future().get()) == view(bytes_argument(300)).size());
}

FOR_EACH_LAUNCHER("future: a continuation may call the runtime") {
  auto runtime = start<TestType>(1);
  const tenon::internal::Promise<int> done;
  std::function<void(int)> again = [&](int left) {
    static_cast<void>(
        runtime.submit("tenon.echo", view(bytes_argument(1))).then([&, left](const tenon::Result<tenon::Reply>& reply) {
          if (!reply || left == 0) {
            done.complete(left);
          } else {
            again(left - 1);
          }
        }));
  };
  again(200);
  REQUIRE(value(done.future().get()) == 0);
}

FOR_EACH_LAUNCHER("future: wait_any, as_completed and time-outs") {
  auto runtime = start<TestType>(2);
  const auto slow = argument(runtime, "tenon.sleep", R"({"duration_ms": 400})");
  const auto quick = argument(runtime, "tenon.sleep", R"({"duration_ms": 1})");
  std::vector<tenon::Future<tenon::Reply>> futures{runtime.submit("tenon.sleep", slow),
                                                   runtime.submit("tenon.sleep", quick)};
  REQUIRE_FALSE(futures[0].wait_for(1ms));
  REQUIRE(tenon::wait_any(futures) == 1U);
  std::vector<std::size_t> order;
  for (const std::size_t index : tenon::as_completed(futures)) {
    order.push_back(index);
  }
  REQUIRE(order == std::vector<std::size_t>{1, 0});
  REQUIRE(tenon::wait_any(std::vector<tenon::Future<tenon::Reply>>{}) == std::nullopt);
}
