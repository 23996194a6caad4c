#include "host/slot_table.hpp"

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "host/call.hpp"
#include "host/trials.hpp"
#include "scene.hpp"
#include "tenon_test/catch.hpp"

using namespace tenon;
using namespace tenon::internal;
using tenon::test::Scene;

namespace {

constexpr std::int64_t kPatienceNs = 10'000'000'000;

std::shared_ptr<WorkerLink> ready_worker(std::uint64_t id, std::uint32_t slot) {
  auto link = std::make_shared<WorkerLink>();
  link->id = id;
  link->slot = slot;
  link->state = WorkerLink::State::kReady;
  return link;
}

/// Starts whatever is due.
std::vector<std::uint32_t> start_all(SlotTable& slots, MonotonicNs now_ns = 0) {
  std::vector<std::uint32_t> started;
  while (const auto slot = slots.next_start(now_ns)) {
    started.push_back(*slot);
  }
  return started;
}

/// Slots that have ready workers, with ids from 1.
void fill(SlotTable& slots) {
  for (const std::uint32_t slot : start_all(slots)) {
    slots.put(ready_worker(slot + 1, slot));
    slots.note_ready(slot);
  }
}

}  // namespace

TEST_CASE("SlotTable: starts a worker for each primary slot, once") {
  SlotTable slots({.primary_slots = 3});
  REQUIRE(slots.worker_count() == 0);
  REQUIRE(slots.next_start_ns() == 0);
  REQUIRE(start_all(slots) == std::vector<std::uint32_t>{0, 1, 2});
  REQUIRE(slots.worker_count() == 3);
  REQUIRE(slots.ready_count() == 0);
  REQUIRE(slots.next_start_ns() == kNever);

  slots.put(ready_worker(7, 1));
  REQUIRE(slots.ready_count() == 1);
  REQUIRE(slots.find(7) == slots[1].link.get());
  REQUIRE(slots.find(8) == nullptr);
}

TEST_CASE("SlotTable: starts no more than the first workers until it may start freely") {
  SlotTable slots({.primary_slots = 4, .first_workers = 1});
  REQUIRE(start_all(slots).size() == 1);
  REQUIRE(slots.start_freely(500));
  REQUIRE(start_all(slots, 499).empty());
  REQUIRE(slots.next_start_ns() == 500);
  REQUIRE(start_all(slots, 500).size() == 3);
  REQUIRE_FALSE(slots.start_freely(600));
}

TEST_CASE("SlotTable: a failed start ends the limit to the first workers, and its slot waits") {
  SlotTable slots({.primary_slots = 2, .first_workers = 1});
  REQUIRE(slots.next_start(0) == 0);
  slots.end_start(0);
  REQUIRE(slots.note_start_failure(0, 0) == SlotTable::AfterFailure::kTryAgain);
  REQUIRE(start_all(slots, 1) == std::vector<std::uint32_t>{1});
  REQUIRE(slots.next_start_ns() > 1);
  REQUIRE(start_all(slots, slots.next_start_ns()) == std::vector<std::uint32_t>{0});
}

TEST_CASE("SlotTable: a pool that never had a worker gives up when every slot has failed often") {
  SlotTable slots({.primary_slots = 2, .start_patience_ns = kPatienceNs});
  for (std::uint32_t i = 0; i + 1 < StartHistory::kPatientStarts; ++i) {
    REQUIRE(slots.note_start_failure(0, i) == SlotTable::AfterFailure::kTryAgain);
    REQUIRE(slots.note_start_failure(1, i) == SlotTable::AfterFailure::kTryAgain);
  }
  REQUIRE(slots.note_start_failure(0, 10) == SlotTable::AfterFailure::kSlotGivenUp);
  REQUIRE(slots.note_start_failure(1, 10) == SlotTable::AfterFailure::kAllGivenUp);
}

TEST_CASE("SlotTable: a pool that has had a worker waits for the whole patience") {
  SlotTable slots({.primary_slots = 1, .start_patience_ns = kPatienceNs});
  slots.note_ready(0);
  for (std::uint32_t i = 0; i < 2 * StartHistory::kPatientStarts; ++i) {
    REQUIRE(slots.note_start_failure(0, 0) == SlotTable::AfterFailure::kTryAgain);
  }
  REQUIRE(slots.note_start_failure(0, kPatienceNs) == SlotTable::AfterFailure::kAllGivenUp);
}

TEST_CASE("SlotTable: starts nothing once it has been stopped") {
  SlotTable slots({.primary_slots = 2});
  slots.stop_starts();
  REQUIRE(slots.next_start_ns() == kNever);
  REQUIRE(start_all(slots).empty());
}

TEST_CASE("SlotTable: slots take turns, so that one whose workers die at once does not keep others from starting") {
  SlotTable slots({.primary_slots = 3});
  REQUIRE(slots.next_start(0) == 0);
  slots.put(ready_worker(1, 0));
  static_cast<void>(slots.take(0));
  slots.note_exit(0, true, 0);
  REQUIRE(slots.next_start(0) == 1);
}

TEST_CASE("SlotTable: a session goes to the least loaded worker, and to one whose start fails last") {
  SlotTable slots({.primary_slots = 3});
  REQUIRE(slots.for_session() == 0);
  fill(slots);
  slots[0].link->sessions.push_back(std::make_shared<SessionRecord>());
  REQUIRE(slots.for_session() == 1);
  static_cast<void>(slots.take(1));
  REQUIRE(slots.for_session() == 2);
  static_cast<void>(slots.take(2));
  slots.note_exit(1, true, 0);
  slots.note_exit(2, true, 0);
  REQUIRE(slots.for_session() == 0);
}

TEST_CASE("SlotTable: sessions that are opened before all workers are there are spread over all") {
  SlotTable slots({.primary_slots = 2, .first_workers = 1});
  REQUIRE(start_all(slots) == std::vector<std::uint32_t>{0});
  slots.put(ready_worker(1, 0));
  slots.note_ready(0);
  REQUIRE(slots.for_session() == 0);
  slots[0].link->sessions.push_back(std::make_shared<SessionRecord>());
  REQUIRE(slots.for_session() == 1);
}

TEST_CASE("SlotTable: a key always has the same primary slot") {
  for (const std::string key : {"", "a", "another"}) {
    REQUIRE(slot_of_key(key, 7) == slot_of_key(key, 7));
    REQUIRE(slot_of_key(key, 7) < 7);
    REQUIRE(slot_of_key(key, 1) == 0);
  }
}

TEST_CASE("SlotTable: extra slots come behind the primary ones and are used again") {
  Scene scene;
  SlotTable slots({.primary_slots = 2});
  fill(slots);
  REQUIRE(slots.occupy(SlotRole::kWarm, scene.generation) == 2);
  REQUIRE(slots.occupy(SlotRole::kAside, scene.generation) == 3);
  REQUIRE(slots[2].is_extra());
  REQUIRE(slots[2].generation.get() == scene.generation.get());
  slots.free(2);
  REQUIRE(slots[2].role == SlotRole::kFree);
  REQUIRE(slots[2].generation == nullptr);
  REQUIRE(slots.occupy(SlotRole::kAside, nullptr) == 2);
  REQUIRE(slots.size() == 4);
}

TEST_CASE("SlotTable: a warm slot starts once, one aside only for what waits in it") {
  Scene scene;
  SlotTable slots({.primary_slots = 1});
  fill(slots);
  const std::uint32_t warm = slots.occupy(SlotRole::kWarm, scene.generation);
  const std::uint32_t aside = slots.occupy(SlotRole::kAside, scene.generation);
  REQUIRE(start_all(slots) == std::vector<std::uint32_t>{warm});
  slots.end_start(warm);
  REQUIRE(start_all(slots).empty());

  const CallRef call = scene.call(static_cast<std::int32_t>(aside));
  slots.push(*call, false);
  REQUIRE(slots.pinned_calls() == 1);
  REQUIRE(start_all(slots) == std::vector<std::uint32_t>{aside});
  slots.remove(*call);
  REQUIRE(slots.pinned_calls() == 0);
}

TEST_CASE("SlotTable: a worker that moves takes its number along and leaves its slot to another one") {
  SlotTable slots({.primary_slots = 1});
  fill(slots);
  const std::uint32_t aside = slots.occupy(SlotRole::kAside, nullptr);
  slots.move(0, aside);
  REQUIRE(slots[0].link == nullptr);
  REQUIRE(slots[aside].link->slot == aside);
  REQUIRE(&slots.of(*slots[aside].link) == &slots[aside]);
  REQUIRE(slots.ready_count() == 0);
  REQUIRE(start_all(slots) == std::vector<std::uint32_t>{0});
}

TEST_CASE("Trials: a share of the idempotent calls goes to the workers on trial, in turns") {
  Scene scene;
  SlotTable slots({.primary_slots = 1});
  Trials trials(slots);
  const GenerationRef next = scene.make_generation();
  const std::uint32_t first = slots.occupy(SlotRole::kWarm, next);
  const std::uint32_t second = slots.occupy(SlotRole::kWarm, next);
  fill(slots);
  scene.route->trial = scene.make_route(next);

  trials.begin(next, 0.5, false);
  REQUIRE_FALSE(trials.empty());
  std::vector<std::int32_t> went;
  for (int i = 0; i < 6; ++i) {
    const CallRef call = scene.call();
    trials.divert(*call);
    if (call->details().diverted) {
      REQUIRE(call->run_route().get() == scene.route->trial.get());
      went.push_back(call->details().pinned_slot);
      Trials::undivert(*call);
      REQUIRE(call->run_route().get() == scene.route.get());
      REQUIRE(call->details().pinned_slot == -1);
    }
  }
  const auto a = static_cast<std::int32_t>(first);
  const auto b = static_cast<std::int32_t>(second);
  REQUIRE((went == std::vector<std::int32_t>{a, b, a} || went == std::vector<std::int32_t>{b, a, b}));

  trials.end(*next);
  REQUIRE(trials.empty());
  scene.route->trial = nullptr;
}

TEST_CASE("Trials: a task that is not idempotent takes no part, nor does a call that is bound to a slot") {
  Scene scene;
  SlotTable slots({.primary_slots = 1});
  Trials trials(slots);
  const GenerationRef next = scene.make_generation();
  static_cast<void>(slots.occupy(SlotRole::kWarm, next));
  fill(slots);
  scene.route->trial = scene.make_route(next);
  trials.begin(next, 1, false);

  const CallRef pinned = scene.call(0);
  trials.divert(*pinned);
  REQUIRE_FALSE(pinned->details().diverted);
  scene.task.idempotent = false;
  const CallRef once = scene.call();
  trials.divert(*once);
  REQUIRE_FALSE(once->details().diverted);
  scene.route->trial = nullptr;
}

TEST_CASE("Trials: a shadow trial diverts nothing and gives shadows a slot") {
  Scene scene;
  SlotTable slots({.primary_slots = 1});
  Trials trials(slots);
  const GenerationRef next = scene.make_generation();
  const std::uint32_t warm = slots.occupy(SlotRole::kWarm, next);
  fill(slots);
  scene.route->trial = scene.make_route(next);
  trials.begin(next, 1, true);

  const CallRef call = scene.call();
  trials.divert(*call);
  REQUIRE_FALSE(call->details().diverted);
  REQUIRE(trials.slot_for_shadow(*call) == warm);
  slots[warm].link->state = WorkerLink::State::kStopping;
  REQUIRE(trials.slot_for_shadow(*call) == std::nullopt);
  scene.route->trial = nullptr;
}
