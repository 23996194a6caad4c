// Calls in bulk calls, over worker processes: which calls are combined, and how each ends.
#include <chrono>
#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include <tenon/types_generated.h>
#include <tenon/runtime.hpp>

#include "host/runtime_access.hpp"
#include "host/storage.hpp"
#include "pipeline/bulk_calls.hpp"
#include "pipeline/end_queue.hpp"
#include "pipeline/runtime_executor.hpp"
#include "tenon_test/catch.hpp"
#include "tenon_test/runtime.hpp"

namespace tenon::test {
namespace {

using internal::BulkCalls;
using internal::BulkEnded;
using internal::Ended;
using internal::EndQueue;
using internal::Executor;
using std::chrono::milliseconds;

Runtime start(RuntimeOptions options) {
  Result<Runtime> runtime = Runtime::start(std::move(options));
  INFO((runtime ? std::string() : runtime.error().to_string()));
  REQUIRE(runtime);
  return std::move(*runtime);
}

Reply reply_of(BytesView bytes) {
  auto stored = internal::copy_to_host(bytes);
  return Reply(std::move(stored.storage), stored.bytes);
}

/// Returns an argument of tenon.echo.
Reply bytes_reply(std::string_view text) {
  const auto builder = bytes_argument(text);
  return reply_of({builder.GetBufferPointer(), builder.GetSize()});
}

std::string text_of(const Reply& reply) {
  const auto verified = TypedReply<Bytes>::verify(reply);
  REQUIRE(verified);
  return {(*verified)->data()->begin(), (*verified)->data()->end()};
}

/// Waits until at least `count` calls have ended; returns their slots in that order. Fails the test
/// on a hang.
std::vector<std::uint32_t> wait_for(Executor& executor, std::size_t count) {
  std::vector<Ended> ended;
  const auto until = Executor::Clock::now() + std::chrono::seconds(60);
  while (ended.size() < count && Executor::Clock::now() < until) {
    executor.wait(until, ended);
  }
  REQUIRE(ended.size() >= count);
  std::vector<std::uint32_t> slots;
  for (const Ended& one : ended) {
    REQUIRE(one.kind == Ended::Kind::kCall);
    slots.push_back(one.first);
  }
  return slots;
}

}  // namespace

TEST_CASE("bulk_size: shares the work, bounded by time and number, in equal parts") {
  using internal::bulk_size;
  CHECK(bulk_size(0, 100, 2) == 1);
  // No run time is known yet, so calls are sent by themselves and each measures it.
  CHECK(bulk_size(1000, 0, 2) == 1);
  CHECK(bulk_size(400, 1'000, 2) == 100);
  CHECK(bulk_size(1000, 1'000, 2) == 143);
  CHECK(bulk_size(1000, 1'000, 0) == 143);
  CHECK(bulk_size(1000, 10'000, 2) == 15);
  CHECK(bulk_size(1000, 150'000, 2) == 1);
  CHECK(bulk_size(1000, std::numeric_limits<std::int64_t>::max(), 2) == 1);
  CHECK(bulk_size(1000, 10'000'000, 64) == 1);
  CHECK(bulk_size(6, 10'000, 2) == 2);
  CHECK(bulk_size(6, 100, 2) == 6);  // Less than a microsecond of work is not divided.
  CHECK(bulk_size(256, 65, 2) == 128);
  CHECK(bulk_size(1'000'000, 1, 1) <= 1024);
}

TEST_CASE("BulkCalls: what may go together does, what may not goes alone") {
  const Runtime runtime = start(runtime_options(1));
  EndQueue queue;
  BulkCalls calls(internal::RuntimeAccess::pool(runtime), queue);
  const std::string echo = "tenon.echo";
  const Reply small = bytes_reply("small");
  const Reply large = bytes_reply(std::string(3000, 'x'));
  const CallOptions plain;
  const CallOptions other;
  CallOptions timed;
  timed.run_timeout = milliseconds(60'000);
  CallOptions pinned;
  pinned.affinity_key = "here";

  std::vector<BulkCalls::Alone> alone;
  CHECK_FALSE(calls.add(0, echo, small, &timed));
  CHECK_FALSE(calls.add(0, echo, small, &pinned));
  CHECK_FALSE(calls.add(0, echo, large, &plain));
  calls.flush(alone);
  CHECK(alone.empty());
  CHECK(runtime.stats().submitted == 0);

  REQUIRE(calls.add(0, echo, small, &plain));
  REQUIRE(calls.add(1, echo, small, &other));
  calls.flush(alone);
  REQUIRE(alone.size() == 2);  // One call of each stage.
  CHECK(alone[0].slot == 0);
  CHECK(alone[0].task == &echo);
  CHECK(alone[0].argument == &small);
  CHECK(alone[0].options == &plain);
  CHECK(alone[1].options == &other);
  CHECK_FALSE(calls.has(0));
  CHECK(runtime.stats().submitted == 0);

  alone.clear();
  constexpr std::uint32_t kCalls = 50;
  for (std::uint32_t slot = 0; slot < kCalls; ++slot) {
    REQUIRE(calls.add(slot, echo, small, slot % 2 == 0 ? &plain : &other));
  }
  CHECK(runtime.stats().submitted == 0);
  calls.flush(alone);
  CHECK(alone.empty());
  CHECK(runtime.stats().submitted == kCalls);
  std::vector<Ended> ended;
  while (ended.size() < kCalls) {
    std::vector<BulkEnded> bulks;
    queue.wait(Executor::Clock::now() + std::chrono::seconds(60), ended, bulks);
    REQUIRE_FALSE(bulks.empty());
    for (BulkEnded& bulk : bulks) {
      calls.arrived(std::move(bulk), ended);
    }
  }
  for (const Ended& one : ended) {
    REQUIRE(calls.has(one.first));
    const auto outcome = calls.take(one.first);
    REQUIRE(outcome);
    // This is the argument itself: tenon.echo returns it.
    CHECK(outcome->bytes().data() == small.bytes().data());
    CHECK_FALSE(calls.has(one.first));
  }
}

TEST_CASE("RuntimeExecutor: small and large, alone and together, results and errors") {
  Runtime runtime = start(runtime_options(2));
  const auto executor = internal::make_runtime_executor(runtime);
  const std::string echo = "tenon.echo";
  const std::string invoke = "tenon.invoke";
  const std::string absent = "tenon.absent";
  const CallOptions options[4];
  std::vector<Reply> arguments;
  std::vector<std::string> texts;
  const Buffer unknown = *argument_from_json(runtime, invoke, R"({"task": "tenon.nowhere"})");
  for (std::uint32_t slot = 0; slot < 4000; ++slot) {
    texts.push_back(std::to_string(slot) + std::string(slot % 89 == 0  ? 200'000
                                                       : slot % 7 == 0 ? 2000
                                                                       : slot % 50,
                                                       'x'));
    arguments.push_back(slot % 11 == 0 ? reply_of(unknown) : bytes_reply(texts.back()));
  }
  // Rounds of any size, with the results of one round as the arguments of the next.
  std::uint32_t begun = 0;
  for (std::uint32_t round = 1; begun < 4000; round = round % 300 + 7) {
    const std::uint32_t first = begun;
    for (; begun < std::min(first + round, 4000U); ++begun) {
      if (begun % 11 == 0) {
        executor->submit(begun, invoke, arguments[begun], &options[0], {});
      } else if (begun % 13 == 0) {
        executor->submit(begun, absent, arguments[begun], &options[1], {});
      } else {
        executor->submit(begun, echo, arguments[begun], &options[2], {});
      }
    }
    executor->flush();
    for (const std::uint32_t slot : wait_for(*executor, begun - first)) {
      CAPTURE(slot);
      const auto outcome = executor->take(slot);
      if (slot % 11 == 0) {
        REQUIRE_FALSE(outcome);
        CHECK(outcome.error().context.task == invoke);
      } else if (slot % 13 == 0) {
        REQUIRE_FALSE(outcome);
        CHECK(outcome.error().code == ErrorCode::kNotFound);
      } else {
        REQUIRE(outcome);
        REQUIRE(text_of(*outcome) == texts[slot]);
        if (slot + 1000 < 4000 && (slot + 1000) % 11 != 0) {
          arguments[slot + 1000] = *outcome;
          texts[slot + 1000] = texts[slot];
        }
      }
    }
  }
}

TEST_CASE("RuntimeExecutor: one call of many is cancelled, before and after the flush") {
  Runtime runtime = start(runtime_options(1));
  const auto executor = internal::make_runtime_executor(runtime);
  const std::string sleep = "tenon.sleep";
  const CallOptions options;
  const Reply quick = reply_of(*argument_from_json(runtime, sleep, R"({"duration_ms": 1})"));
  const Reply endless = reply_of(*argument_from_json(runtime, sleep, R"({"duration_ms": 600000})"));
  // From the second round on, they run in bulk calls of several.
  for (int round = 0; round < 3; ++round) {
    constexpr std::uint32_t kCalls = 40;
    for (std::uint32_t slot = 0; slot < kCalls; ++slot) {
      executor->submit(slot, sleep, slot == 10 ? endless : quick, &options, {});
    }
    executor->cancel(3);
    executor->flush();
    std::vector<std::uint32_t> ended = wait_for(*executor, 1);
    executor->cancel(30);
    executor->cancel(10);
    executor->cancel(11);
    executor->flush();
    while (ended.size() < kCalls) {
      for (const std::uint32_t slot : wait_for(*executor, 1)) {
        ended.push_back(slot);
      }
    }
    std::vector<int> times(kCalls);
    for (const std::uint32_t slot : ended) {
      CAPTURE(round, slot);
      ++times[slot];
      const auto outcome = executor->take(slot);
      if (slot == 3 || slot == 10) {
        REQUIRE_FALSE(outcome);
        CHECK(outcome.error().code == ErrorCode::kCancelled);
      } else if (slot != 11 && slot != 30) {
        CHECK(outcome);
      }
    }
    CHECK(times == std::vector<int>(kCalls, 1));
  }
  CHECK(runtime.stats().crashed_workers == 0);
}

TEST_CASE("RuntimeExecutor: a queue that is bounded, and a runtime that has ended") {
  const auto overflow = GENERATE(Overflow::kBlock, Overflow::kReject);
  RuntimeOptions bounded = runtime_options(1);
  bounded.max_queued_calls = 5;
  bounded.overflow = overflow;
  Runtime runtime = start(std::move(bounded));
  const auto executor = internal::make_runtime_executor(runtime);
  const std::string echo = "tenon.echo";
  const CallOptions options;
  const Reply argument = bytes_reply("small");
  std::uint32_t rejected = 0;
  for (int round = 0; round < 4; ++round) {
    for (std::uint32_t slot = 0; slot < 100; ++slot) {
      executor->submit(slot, echo, argument, &options, {});
    }
    executor->flush();
    for (const std::uint32_t slot : wait_for(*executor, 100)) {
      const auto outcome = executor->take(slot);
      if (!outcome) {
        REQUIRE(outcome.error().code == ErrorCode::kRejected);
        ++rejected;
      }
    }
  }
  CHECK((overflow == Overflow::kBlock ? rejected == 0 : rejected < 400));

  runtime.shutdown();
  for (std::uint32_t slot = 0; slot < 100; ++slot) {
    executor->submit(slot, echo, argument, &options, {});
  }
  executor->flush();
  for (const std::uint32_t slot : wait_for(*executor, 100)) {
    const auto outcome = executor->take(slot);
    REQUIRE_FALSE(outcome);
    CHECK(outcome.error().code == ErrorCode::kRejected);
  }
}

}  // namespace tenon::test
