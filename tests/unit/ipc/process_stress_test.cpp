// Ring, arenas and doorbells between two processes.
#include <chrono>
#include <cstring>
#include <filesystem>
#include <map>

#include "ipc/arena.hpp"
#include "ipc/host_end.hpp"
#include "ipc/segment_table.hpp"
#include "platform/process.hpp"
#include "platform/reactor/poller.hpp"
#include "stress_message.hpp"
#include "tenon_test/catch.hpp"
#include "tenon_test/paths.hpp"

using namespace tenon;
using namespace tenon::internal;
using tenon::test::StressMessage;

namespace {

/// The host's side, with a stress worker on the other side.
struct ProcessPair {
  HostEnd host;
  EventBell bell;
  Arena arguments;
  SegmentTable segments;
  Process worker;

  ProcessPair(HostEnd host_end, EventBell event_bell, Arena arena, Process process)
      : host(std::move(host_end)),
        bell(std::move(event_bell)),
        arguments(std::move(arena)),
        worker(std::move(process)) {}
  ProcessPair(ProcessPair&&) = default;
  /// A worker that outlives a failed test would keep its output open and block the reader of the
  /// test's output.
  ~ProcessPair() { worker.kill(); }

  static ProcessPair start(std::uint32_t slot_count) {
    auto host = HostEnd::create({.worker_name = "stress", .slot_count = slot_count, .release_count = 16});
    REQUIRE(host);
    auto bell = EventBell::create();
    REQUIRE(bell);
    auto arguments = Arena::create("arguments", 1, 1 << 20, true);
    REQUIRE(arguments);
    auto results = SharedMemory::create("results", 1 << 20);
    REQUIRE(results);
    REQUIRE(results->seal({.shrink = true, .grow = true}));
    auto view = results->map(Access::kReadOnly);
    REQUIRE(view);
    auto worker = Process::spawn({.executable = test::build_dir() / "tests" / "ipc_stress_worker",
                                  .descriptors = {{host->submission_descriptor().get(), 3},
                                                  {host->completion_descriptor().get(), 4},
                                                  {bell->descriptor().get(), 5},
                                                  {arguments->descriptor().get(), 6},
                                                  {results->descriptor().get(), 7}}});
    REQUIRE(worker);
    host->close_descriptors();
    ProcessPair pair(std::move(*host), std::move(*bell), std::move(*arguments), std::move(*worker));
    REQUIRE(pair.segments.add(2, std::make_shared<const Mapping>(std::move(*view))));
    return pair;
  }

  /// Stops the worker and checks that it found no error.
  void stop() {
    REQUIRE(host.push({.call_id = ~std::uint64_t{0}, .argument = {}, .checkpoint = {}}));
    host.publish();
    auto status = worker.wait(deadline_after(std::chrono::seconds(60)));
    REQUIRE(status);
    REQUIRE(status->has_value());
    CHECK((*status)->to_string() == "exit code 0");
  }
};

}  // namespace

TEST_CASE("ipc: 200,000 messages cross two processes, each whole and in order") {
  ProcessPair pair = ProcessPair::start(64);
  AdaptiveSpin spin;
  Completion completion;
  constexpr std::uint64_t kCount = 200'000;
  std::uint64_t sent = 1;
  std::uint64_t expected = 1;
  std::map<std::uint64_t, BlockRef> blocks;
  while (expected <= kCount) {
    // Batches of changing size; every seventh message goes through the arenas.
    const std::uint64_t batch = 1 + sent % 41;
    for (std::uint64_t i = 0; i < batch && sent <= kCount && pair.host.free_slots() > 0; ++i, ++sent) {
      const StressMessage message = StressMessage::make(sent);
      SubmissionDescriptor call;
      call.call_id = sent;
      if (sent % 7 == 0) {
        auto block = pair.arguments.allocate(sizeof message);
        REQUIRE(block);
        std::memcpy(block->bytes.data(), &message, sizeof message);
        call.argument = block->ref;
        blocks[sent] = block->ref;
        REQUIRE(pair.host.push(call));
      } else {
        REQUIRE(pair.host.push(call, message.bytes()));
      }
    }
    pair.host.publish();
    for (;;) {
      auto popped = pair.host.pop(completion);
      REQUIRE(popped);
      if (!*popped) {
        break;
      }
      auto result = pair.segments.resolve(completion.descriptor.payload, completion.inline_payload(), "result");
      REQUIRE(result);
      if (completion.descriptor.call_id != expected || !StressMessage::check(*result, expected)) {
        FAIL("message " << expected << " did not come back whole");
      }
      if (!completion.descriptor.payload.is_inline()) {
        pair.host.release(completion.descriptor.payload);
        REQUIRE(pair.arguments.free(blocks.at(expected)));
        blocks.erase(expected);
      }
      ++expected;
    }
    if (pair.host.in_flight() > 32 || sent > kCount) {
      if (expected <= kCount &&
          pair.host.wait(spin, deadline_after(std::chrono::seconds(60))) == WaitResult::kTimeout) {
        FAIL("no completion within 60 s");
      }
    }
  }
  CHECK(pair.arguments.allocator().ranges_in_use() == 0);
  pair.stop();
}

TEST_CASE("ipc: the event bell rings once for each arming") {
  ProcessPair pair = ProcessPair::start(8);
  auto poller = Poller::create();
  REQUIRE(poller);
  REQUIRE(poller->add(pair.bell.descriptor(), 1));
  Completion completion;
  for (std::uint64_t id = 1; id <= 200; ++id) {
    const StressMessage message = StressMessage::make(id);
    // The bell is armed before the call is published, so that there is always a ring to wait for.
    REQUIRE(pair.host.arm_event_bell());
    REQUIRE(pair.host.push({.call_id = id, .argument = {}, .checkpoint = {}}, message.bytes()));
    pair.host.publish();
    auto events = poller->wait(deadline_after(std::chrono::seconds(60)));
    REQUIRE(events);
    REQUIRE(events->size() == 1);
    CHECK(pair.bell.drain());
    REQUIRE(pair.host.pop(completion).value());
    CHECK(completion.descriptor.call_id == id);
  }
  pair.host.disarm();
  pair.stop();
  CHECK_FALSE(pair.bell.drain());
}

TEST_CASE("ipc: a worker killed in mid-flight leaves the count of its open calls, and wake_host ends the wait") {
  ProcessPair pair = ProcessPair::start(8);
  AdaptiveSpin spin;
  pair.worker.kill();
  REQUIRE(pair.worker.wait().value()->signal == 9);
  REQUIRE(pair.host.push({.call_id = 1, .argument = {}, .checkpoint = {}}));
  REQUIRE(pair.host.push({.call_id = 2, .argument = {}, .checkpoint = {}}));
  pair.host.publish();
  CHECK(pair.host.in_flight() == 2);
  pair.host.wake_host();
  CHECK(pair.host.wait(spin, deadline_after(std::chrono::seconds(60))) == WaitResult::kWoken);
  CHECK(pair.host.wait(spin, monotonic_now_ns()) == WaitResult::kTimeout);
}
