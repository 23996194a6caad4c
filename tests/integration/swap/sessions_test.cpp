// Sources and reduces that are open while their plugin is swapped.
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <flatbuffers/flatbuffers.h>

#include "probe_generated.h"
#include "scene.hpp"
#include "tenon_test/catch.hpp"

namespace {

using namespace tenon;        // NOLINT(google-build-using-namespace): a test
using namespace tenon::test;  // NOLINT(google-build-using-namespace): a test
using std::chrono::milliseconds;

constexpr std::uint64_t bit(std::uint32_t version) {
  return std::uint64_t{1} << version;
}

Buffer range(std::uint64_t count, std::uint32_t interval_ms = 0) {
  flatbuffers::FlatBufferBuilder builder;
  builder.Finish(probe::CreateRange(builder, count, interval_ms));
  return Buffer(builder.GetBufferPointer(), builder.GetBufferPointer() + builder.GetSize());
}

Reply tick(Runtime& runtime, std::uint64_t value) {
  auto builder = runtime.build_argument(64);
  REQUIRE(builder.has_value());
  auto built = builder->finish(probe::CreateTick(builder->flatbuffer(), value, 1));
  REQUIRE(built.has_value());
  return *std::move(built);
}

Session open(Runtime& runtime, const char* task, const Buffer& argument = {}) {
  SessionOptions options;
  options.argument = argument;
  auto session = runtime.open(task, options).get();
  INFO((session ? "" : session.error().to_string()));
  REQUIRE(session.has_value());
  return *std::move(session);
}

/// The results of a source so far.
struct Taken {
  std::uint64_t next = 1;  ///< The next expected value.
  std::uint64_t versions = 0;
  bool ended = false;
  std::optional<Error> error;

  /// Runs one step. Returns false if the source has ended, or gave an error.
  bool take(Session& session, std::uint32_t most) {
    const auto batch = session.next(most).get();
    if (!batch) {
      error = batch.error();
      return false;
    }
    for (const Reply& reply : batch->results) {
      const auto verified = TypedReply<probe::Tick>::verify(reply);
      REQUIRE(verified.has_value());
      REQUIRE((*verified)->value() == next);
      ++next;
      versions |= bit((*verified)->version());
    }
    ended = batch->ended;
    return !ended;
  }
};

void feed(Runtime& runtime, Session& session, std::uint64_t first, std::uint64_t last) {
  std::vector<Reply> ticks;
  for (std::uint64_t value = first; value <= last; ++value) {
    ticks.push_back(tick(runtime, value));
  }
  const auto fed = session.feed(ticks).get();
  INFO((fed ? "" : fed.error().to_string()));
  REQUIRE(fed.has_value());
}

probe::TotalT finish(Session& session) {
  const auto total = session.finish().get().and_then(TypedReply<probe::Total>::verify);
  INFO((total ? "" : total.error().to_string()));
  REQUIRE(total.has_value());
  probe::TotalT copy;
  (*total)->UnPackTo(&copy);
  return copy;
}

SwapReport swap_to(Scene& scene, const char* variant, const SwapOptions& options = {}) {
  scene.callers.allow({1, 2, 3});
  auto swapped = scene.runtime.swap(variant_file(variant).string(), options);
  INFO((swapped ? "" : swapped.error().to_string()));
  REQUIRE(swapped.has_value());
  return *swapped;
}

}  // namespace

TEST_CASE("Swap: a source goes on where it was, on the new version, without a gap or a repeat") {
  Scene scene;
  constexpr std::uint64_t kCount = 20'000;
  Session source = open(scene.runtime, "probe.count", range(kCount));
  Taken taken;
  while (taken.next < kCount / 3 && taken.take(source, 100)) {
  }
  CHECK(taken.versions == bit(1));
  swap_to(scene, "probe_2");
  while (taken.next < kCount / 2 && taken.take(source, 100)) {
  }
  CHECK((taken.versions & bit(2)) != 0);
  swap_to(scene, "probe_3");
  while (taken.take(source, 100)) {
  }
  CHECK_FALSE(taken.error.has_value());
  CHECK(taken.ended);
  CHECK(taken.next == kCount + 1);
  CHECK(taken.versions == (bit(1) | bit(2) | bit(3)));
  scene.end();
}

TEST_CASE("Swap: a reduce goes on with its sums") {
  Scene scene;
  Session reduce = open(scene.runtime, "probe.total");
  feed(scene.runtime, reduce, 1, 1000);
  swap_to(scene, "probe_2");
  feed(scene.runtime, reduce, 1001, 2000);
  swap_to(scene, "probe_3");
  feed(scene.runtime, reduce, 2001, 3000);
  const probe::TotalT total = finish(reduce);
  CHECK(total.count == 3000);
  CHECK(total.sum == 3000u * 3001 / 2);
  CHECK(total.reduces == (bit(1) | bit(2) | bit(3)));
  scene.end();
}

TEST_CASE("Swap: sessions that are stepped while it happens lose nothing") {
  Scene scene;
  constexpr std::uint64_t kCount = 3000;
  std::optional<Session> source = open(scene.runtime, "probe.count", range(kCount));
  std::optional<Session> reduce = open(scene.runtime, "probe.total");
  std::atomic<bool> stop = false;
  std::atomic<int> swaps = 0;
  std::atomic<bool> swapping = true;
  scene.callers.allow({1, 2});
  std::string failed;
  std::thread swapper([&] {
    for (int i = 0; !stop && failed.empty(); ++i) {
      const auto swapped = scene.runtime.swap(variant_file(i % 2 == 0 ? "probe_2" : "probe_1_again").string());
      failed = swapped ? "" : swapped.error().to_string();
      ++swaps;
    }
    swapping = false;
  });
  Taken taken;
  std::uint64_t fed = 0;
  bool more = true;
  while (more) {
    more = taken.take(*source, 7);
    feed(scene.runtime, *reduce, fed + 1, taken.next - 1);
    fed = taken.next - 1;
    std::this_thread::sleep_for(milliseconds(2));
  }
  const probe::TotalT total = finish(*reduce);
  // A session keeps the version that it ended on, with its file, until it is destroyed.
  for (const int ended = swaps; swaps < ended + 3 && swapping;) {
    std::this_thread::sleep_for(milliseconds(2));
  }
  source.reset();
  reduce.reset();
  stop = true;
  swapper.join();
  INFO(failed << "\n" << (taken.error ? taken.error->to_string() : ""));
  CHECK(failed == "");
  CHECK(taken.next == kCount + 1);
  CHECK(total.count == kCount);
  CHECK(total.sum == kCount * (kCount + 1) / 2);
  CHECK(swaps > 2);
  scene.end();
}

TEST_CASE("Swap: sessions without a checkpoint stay on the old version until they end") {
  Scene scene;
  constexpr std::uint64_t kCount = 1000;
  Session source = open(scene.runtime, "probe.count_here", range(kCount));
  Session reduce = open(scene.runtime, "probe.total_here");
  Taken taken;
  REQUIRE(taken.take(source, 100));
  feed(scene.runtime, reduce, 1, 100);
  swap_to(scene, "probe_2");
  CHECK(version_of_answer(scene.runtime) == 2u);
  while (taken.take(source, 100)) {
  }
  CHECK(taken.next == kCount + 1);
  CHECK(taken.versions == bit(1));
  feed(scene.runtime, reduce, 101, 200);
  const probe::TotalT total = finish(reduce);
  CHECK(total.sum == 200u * 201 / 2);
  CHECK(total.reduces == bit(1));
  CHECK(scene.events.wait_for(SwapEvent::Kind::kDrained).has_value());
  // New sessions are opened on the new version.
  Session later = open(scene.runtime, "probe.count_here", range(10));
  Taken anew;
  while (anew.take(later, 100)) {
  }
  CHECK(anew.versions == bit(2));
  scene.end();
}

TEST_CASE("Swap: a session that does not end within the drain ends as unavailable, and says why") {
  Scene scene;
  Session source = open(scene.runtime, "probe.count_here", range(1'000'000));
  Taken taken;
  REQUIRE(taken.take(source, 10));
  SwapOptions options;
  options.session_drain = milliseconds(300);
  swap_to(scene, "probe_2", options);
  CHECK(scene.events.wait_for(SwapEvent::Kind::kDrained).has_value());
  bool more = true;
  for (int i = 0; i < 100'000 && more; ++i) {
    more = taken.take(source, 10);
  }
  REQUIRE(taken.error.has_value());
  INFO(taken.error->to_string());
  CHECK(taken.error->code == ErrorCode::kUnavailable);
  CHECK(taken.error->message.find("1.0.0") != std::string::npos);
  CHECK(version_of_answer(scene.runtime) == 2u);
  scene.end();
}

TEST_CASE("Swap: a checkpoint taken before a swap opens a session after it") {
  Scene scene;
  Buffer kept;
  {
    Session source = open(scene.runtime, "probe.count", range(100));
    Taken taken;
    REQUIRE(taken.take(source, 40));
    REQUIRE(taken.next == 41);
    const auto checkpoint = source.checkpoint().get();
    REQUIRE(checkpoint.has_value());
    kept.assign(checkpoint->bytes().begin(), checkpoint->bytes().end());
  }
  swap_to(scene, "probe_2");
  SessionOptions options;
  const Buffer argument = range(100);
  options.argument = argument;
  options.checkpoint = kept;
  auto session = scene.runtime.open("probe.count", options).get();
  REQUIRE(session.has_value());
  Taken rest;
  rest.next = 41;
  while (rest.take(*session, 1000)) {
  }
  CHECK(rest.next == 101);
  CHECK(rest.versions == bit(2));
  scene.end();
}
