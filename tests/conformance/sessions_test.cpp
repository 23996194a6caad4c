#include <chrono>
#include <optional>

#include "driver.hpp"

using namespace conformance;
using namespace std::chrono_literals;
using tenon::ErrorCode;

#define FOR_EACH_LAUNCHER(name) TEMPLATE_TEST_CASE(name, "[conformance]", OnProcesses, OnThreads)

namespace {

std::int64_t number_of(const tenon::Reply& reply) {
  return value(tenon::TypedReply<tenon::Number>::verify(reply))->value();
}

tenon::Session open(tenon::Runtime& runtime, std::string_view task, tenon::BytesView argument,
                    tenon::BytesView checkpoint = {}) {
  tenon::SessionOptions options;
  options.argument = argument;
  options.checkpoint = checkpoint;
  return value(runtime.open(task, options).get());
}

}  // namespace

FOR_EACH_LAUNCHER("source: gives all its results, in batches of any size, then ends") {
  auto runtime = start<TestType>(1);
  const auto numbers = argument(runtime, "tenon.numbers", R"({"count": 1000, "first": 5, "step": 3})");
  for (const std::uint32_t batch_size : {1U, 7U, 256U, 5000U}) {
    auto session = open(runtime, "tenon.numbers", numbers);
    std::int64_t expected = 5;
    std::size_t count = 0;
    for (bool ended = false; !ended;) {
      const auto batch = value(session.next(batch_size).get());
      REQUIRE(batch.results.size() <= batch_size);
      for (const tenon::Reply& result : batch.results) {
        REQUIRE(number_of(result) == expected);
        expected += 3;
        ++count;
      }
      ended = batch.ended;
    }
    REQUIRE(count == 1000);
    REQUIRE_FALSE(session.next(1).get());
  }
}

FOR_EACH_LAUNCHER("source: what it gave before it failed arrives before the error, however it is asked") {
  auto runtime = start<TestType>(1);
  const auto numbers = argument(runtime, "tenon.numbers", R"({"count": 1000, "fail_at": 101})");
  for (const std::uint32_t batch_size : {1U, 30U, 100U, 101U, 5000U}) {
    auto session = open(runtime, "tenon.numbers", numbers);
    std::int64_t count = 0;
    std::optional<tenon::Error> error;
    while (!error && count <= 100) {
      const auto batch = session.next(batch_size, true).get();
      if (!batch) {
        error = batch.error();
        break;
      }
      REQUIRE_FALSE(batch->ended);
      for (const tenon::Reply& result : batch->results) {
        REQUIRE(number_of(result) == count);
        ++count;
      }
    }
    CHECK(count == 100);
    REQUIRE(error);
    CHECK(error->code == ErrorCode::kFailed);
    CHECK(error->message.find("told to fail at number 101") != std::string::npos);
    const auto after = session.next(1).get();
    REQUIRE_FALSE(after);
    CHECK(after.error().message.find("has ended") != std::string::npos);
  }
  SECTION("a checkpoint between the two gives the error too, and does not use it up") {
    auto session = open(runtime, "tenon.numbers", numbers);
    REQUIRE(value(session.next(5000).get()).results.size() == 100);
    const auto checkpoint = session.checkpoint().get();
    REQUIRE_FALSE(checkpoint);
    CHECK(checkpoint.error().code == ErrorCode::kFailed);
    const auto after = session.next(1).get();
    REQUIRE_FALSE(after);
    CHECK(after.error().message.find("told to fail") != std::string::npos);
  }
}

FOR_EACH_LAUNCHER("source: goes on from its checkpoint") {
  auto runtime = start<TestType>(2);
  const auto numbers = argument(runtime, "tenon.numbers", R"({"count": 100})");
  tenon::Reply checkpoint;
  {
    auto session = open(runtime, "tenon.numbers", numbers);
    REQUIRE(value(session.next(40).get()).results.size() == 40);
    checkpoint = value(session.checkpoint().get());
  }
  auto session = open(runtime, "tenon.numbers", numbers, checkpoint.bytes());
  const auto batch = value(session.next(1000).get());
  REQUIRE(batch.results.size() == 60);
  REQUIRE(number_of(batch.results.front()) == 40);
}

FOR_EACH_LAUNCHER("source: gives a checkpoint along with the results of a step") {
  auto runtime = start<TestType>(2);
  const auto numbers = argument(runtime, "tenon.numbers", R"({"count": 5000})");
  auto session = open(runtime, "tenon.numbers", numbers);
  REQUIRE(value(session.next(10).get()).checkpoint.size_bytes() == 0);  // It was not requested.
  std::int64_t given = 10;
  int checkpoints = 0;
  for (const std::uint32_t step : {1U, 2U, 7U, 1000U, 1U, 1000U}) {
    const auto batch = value(session.next(step, true).get());
    REQUIRE(batch.results.size() == step);
    REQUIRE(number_of(batch.results.front()) == given);
    given += step;
    REQUIRE(number_of(batch.results.back()) == given - 1);
    if (batch.checkpoint.size_bytes() > 0) {
      ++checkpoints;
      auto next = open(runtime, "tenon.numbers", numbers, batch.checkpoint.bytes());
      REQUIRE(number_of(value(next.next(1).get()).results.front()) == given);
    }
  }
  REQUIRE(checkpoints > 0);
  const auto last = value(session.next(5000, true).get());
  REQUIRE(last.ended);
  REQUIRE(last.checkpoint.size_bytes() == 0);
}

FOR_EACH_LAUNCHER("reduce: takes many arguments and gives one result") {
  auto runtime = start<TestType>(2);
  auto source = open(runtime, "tenon.numbers", argument(runtime, "tenon.numbers", R"({"count": 1000})"));
  auto session = open(runtime, "tenon.sum", {});
  std::int64_t expected = 0;
  for (bool ended = false; !ended;) {
    const auto batch = value(source.next(64).get());
    for (const tenon::Reply& result : batch.results) {
      expected += number_of(result);
    }
    REQUIRE(session.feed(batch.results).get());
    ended = batch.ended;
  }
  REQUIRE(session.feed({}).get());
  REQUIRE(number_of(value(session.finish().get())) == expected);
}

FOR_EACH_LAUNCHER("reduce: goes on from its checkpoint") {
  auto runtime = start<TestType>(1);
  const auto numbers = argument(runtime, "tenon.numbers", R"({"count": 10, "first": 1})");
  auto source = open(runtime, "tenon.numbers", numbers);
  const auto batch = value(source.next(10).get());
  tenon::Reply checkpoint;
  {
    auto session = open(runtime, "tenon.sum", {});
    REQUIRE(session.feed(batch.results).get());
    checkpoint = value(session.checkpoint().get());
  }
  auto session = open(runtime, "tenon.sum", {}, checkpoint.bytes());
  REQUIRE(session.feed(batch.results).get());
  REQUIRE(number_of(value(session.finish().get())) == 110);
}

FOR_EACH_LAUNCHER("session: the wrong operation, and a plain task, are refused") {
  auto runtime = start<TestType>(1);
  REQUIRE(runtime.open("tenon.echo", {}).get().error().code == ErrorCode::kInvalidArgument);
  REQUIRE(runtime.open("tenon.nothing", {}).get().error().code == ErrorCode::kNotFound);
  const auto numbers = argument(runtime, "tenon.numbers", R"({"count": 3})");
  auto source = open(runtime, "tenon.numbers", numbers);
  REQUIRE(source.feed({}).get().error().code == ErrorCode::kInvalidArgument);
  REQUIRE(source.finish().get().error().code == ErrorCode::kInvalidArgument);
  auto reduce = open(runtime, "tenon.sum", {});
  REQUIRE(reduce.next(1).get().error().code == ErrorCode::kInvalidArgument);
}

FOR_EACH_LAUNCHER("session: many are open at once beside ordinary calls, with one worker") {
  auto runtime = start<TestType>(1);
  const auto numbers = argument(runtime, "tenon.numbers", R"({"count": 50})");
  std::vector<tenon::Session> sources;
  for (int i = 0; i < 20; ++i) {
    sources.push_back(open(runtime, "tenon.numbers", numbers));
  }
  for (int round = 0; round < 10; ++round) {
    for (auto& source : sources) {
      const auto batch = value(source.next(5).get());
      REQUIRE(batch.results.size() == 5);
      REQUIRE(number_of(batch.results.front()) == round * 5);
    }
    REQUIRE(runtime.call("tenon.echo", view(bytes_argument(1))));
  }
}

FOR_EACH_LAUNCHER("session: one that outlives its runtime ends with an error") {
  std::optional<tenon::Session> session;
  {
    auto runtime = start<TestType>(1);
    const auto numbers = argument(runtime, "tenon.numbers", R"({"count": 50})");
    session = open(runtime, "tenon.numbers", numbers);
  }
  REQUIRE_FALSE(session->next(1).get());
}

FOR_EACH_LAUNCHER("session: moved away, it says so") {
  auto runtime = start<TestType>(1);
  auto session = open(runtime, "tenon.sum", {});
  const tenon::Session other = std::move(session);
  REQUIRE(session.finish().get().error().code == ErrorCode::kInvalidArgument);
}
