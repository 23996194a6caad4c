// Both sides run in one process over one mapping, so that the thread sanitizer sees both.
#include <atomic>
#include <chrono>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "ipc/arena.hpp"
#include "ipc/host_end.hpp"
#include "ipc/worker_end.hpp"
#include "stress_message.hpp"
#include "tenon_test/catch.hpp"

using namespace tenon;
using namespace tenon::internal;
using tenon::test::StressMessage;

namespace {

MonotonicNs soon() {
  return deadline_after(std::chrono::seconds(60));
}

struct Ends {
  explicit Ends(std::uint32_t slot_count = 8, std::uint32_t release_count = 4)
      : host(make(slot_count, release_count)), worker(attach(host)) {}
  static HostEnd make(std::uint32_t slot_count, std::uint32_t release_count) {
    auto made = HostEnd::create({.slot_count = slot_count, .release_count = release_count, .in_process = true});
    REQUIRE(made);
    return std::move(*made);
  }
  static WorkerEnd attach(const HostEnd& host) {
    auto bell = EventBell::create();
    REQUIRE(bell);
    auto made = WorkerEnd::attach_in_process(host, std::move(*bell));
    REQUIRE(made);
    return std::move(*made);
  }
  std::uint64_t submit(std::uint64_t call_id) {
    auto position = host.push({.call_id = call_id, .argument = {}, .checkpoint = {}});
    REQUIRE(position);
    host.publish();
    return *position;
  }
  /// Completes all published calls with an empty result.
  void serve() {
    for (auto next = worker.begin(); next.value(); next = worker.begin()) {
      REQUIRE(worker.finish({}));
    }
    worker.publish();
  }
  HostEnd host;
  WorkerEnd worker;
};

}  // namespace

TEST_CASE("ring: an empty one gives nothing on either side") {
  Ends ends;
  Completion completion;
  CHECK_FALSE(ends.worker.begin().value());
  CHECK_FALSE(ends.host.pop(completion).value());
  CHECK(ends.host.free_slots() == 8);
  CHECK(ends.host.in_flight() == 0);
}

TEST_CASE("ring: a pushed call is seen after publish, and its answer after the worker's publish") {
  Ends ends;
  const std::string argument = "an argument";
  SubmissionDescriptor call;
  call.call_id = 9;
  call.route = 3;
  call.attempt = 2;
  REQUIRE(ends.host.push(call, BytesView(reinterpret_cast<const std::uint8_t*>(argument.data()), argument.size())));
  CHECK_FALSE(ends.worker.begin().value());
  ends.host.publish();
  auto begun = ends.worker.begin();
  REQUIRE(begun);
  REQUIRE(begun->has_value());
  CHECK((*begun)->descriptor.route == 3);
  CHECK((*begun)->descriptor.attempt == 2);
  CHECK(std::string((*begun)->inline_payload.begin(), (*begun)->inline_payload.end()) == argument);
  CHECK(reinterpret_cast<std::uintptr_t>((*begun)->inline_payload.data()) % 16 == 0);
  CHECK(ends.worker.begin().error().code == ErrorCode::kInternal);

  REQUIRE(ends.worker.finish({.payload = {}, .status = TENON_FAILED, .run_ns = 5}, (*begun)->inline_payload));
  CHECK(ends.worker.finish({}).error().code == ErrorCode::kInternal);
  Completion completion;
  CHECK_FALSE(ends.host.pop(completion).value());
  CHECK(ends.worker.unpublished() == 1);
  ends.worker.publish();
  REQUIRE(ends.host.pop(completion).value());
  CHECK(completion.descriptor.call_id == 9);
  CHECK(completion.descriptor.status == TENON_FAILED);
  CHECK(completion.inline_payload().size() == argument.size());
  CHECK(std::memcmp(completion.inline_payload().data(), argument.data(), argument.size()) == 0);
}

TEST_CASE("ring: inline payloads up to the slot's size fit, one more byte does not") {
  Ends ends;
  const Buffer large(kCompletionInlineBytes + 1, 1);
  const BytesView bytes = large;
  CHECK(ends.host.push({.call_id = 1, .argument = {}, .checkpoint = {}}, bytes.first(kSubmissionInlineBytes + 1))
            .error()
            .code == ErrorCode::kTooLarge);
  REQUIRE(ends.host.push({.call_id = 1, .argument = {}, .checkpoint = {}}, bytes.first(kSubmissionInlineBytes)));
  ends.host.publish();
  REQUIRE(ends.worker.begin().value());
  CHECK(ends.worker.finish({}, bytes).error().code == ErrorCode::kTooLarge);
  REQUIRE(ends.worker.finish({}, bytes.first(kCompletionInlineBytes)));
  ends.worker.publish();
  Completion completion;
  REQUIRE(ends.host.pop(completion).value());
  CHECK(completion.inline_payload().size() == kCompletionInlineBytes);
}

TEST_CASE("ring: a full one rejects, and has room again when answers are popped") {
  Ends ends(4);
  for (std::uint64_t round = 0; round < 5; ++round) {
    for (std::uint64_t i = 1; i <= 4; ++i) {
      ends.submit(round * 4 + i);
    }
    CHECK(ends.host.free_slots() == 0);
    CHECK(ends.host.push({.call_id = 99, .argument = {}, .checkpoint = {}}).error().code == ErrorCode::kRejected);
    ends.serve();
    CHECK(ends.host.free_slots() == 0);
    Completion completion;
    for (std::uint64_t i = 1; i <= 4; ++i) {
      REQUIRE(ends.host.pop(completion).value());
      CHECK(completion.descriptor.call_id == round * 4 + i);
    }
    CHECK(ends.host.free_slots() == 4);
  }
}

TEST_CASE("revoke: what has not begun is taken back and its answer not seen") {
  Ends ends;
  ends.submit(1);
  const std::uint64_t second = ends.submit(2);
  ends.submit(3);
  CHECK(ends.host.revoke(second) == Revoked::kTaken);
  CHECK(ends.host.revoke(second) == Revoked::kUndecided);
  ends.serve();
  Completion completion;
  REQUIRE(ends.host.pop(completion).value());
  CHECK(completion.descriptor.call_id == 1);
  REQUIRE(ends.host.pop(completion).value());
  CHECK(completion.descriptor.call_id == 3);
  CHECK_FALSE(ends.host.pop(completion).value());
  CHECK(ends.host.in_flight() == 0);
}

TEST_CASE("revoke: what has begun or ended stays the worker's") {
  Ends ends(4);
  const std::uint64_t first = ends.submit(1);
  REQUIRE(ends.worker.begin().value());
  CHECK(ends.host.revoke(first) == Revoked::kUndecided);
  REQUIRE(ends.worker.finish({}));
  ends.worker.publish();
  Completion completion;
  REQUIRE(ends.host.pop(completion).value());
  CHECK(completion.descriptor.kind == CompletionKind::kDone);
  CHECK(ends.host.revoke(first) == Revoked::kUndecided);
  CHECK(ends.host.revoke(12345) == Revoked::kUndecided);
  // The old revocation does not apply to the same slot one round later.
  for (std::uint64_t id = 2; id <= 5; ++id) {
    ends.submit(id);
  }
  ends.serve();
  for (std::uint64_t id = 2; id <= 5; ++id) {
    REQUIRE(ends.host.pop(completion).value());
    CHECK(completion.descriptor.kind == CompletionKind::kDone);
  }
}

TEST_CASE("cancel: hits the named call and no other") {
  Ends ends;
  CHECK_FALSE(ends.worker.cancelled(7));
  ends.host.cancel(7);
  CHECK(ends.worker.cancelled(7));
  CHECK_FALSE(ends.worker.cancelled(8));
}

TEST_CASE("progress: the latest report is read, none before the first") {
  Ends ends;
  CHECK_FALSE(ends.host.progress());
  ends.worker.report_progress(4, 1, 10);
  ends.worker.report_progress(4, 2, 10);
  const auto report = ends.host.progress();
  REQUIRE(report);
  CHECK(report->call_id == 4);
  CHECK(report->done == 2);
  CHECK(report->total == 10);
}

TEST_CASE("release: more than the ring holds waits in order and is lost never") {
  Ends ends(8, 2);
  for (std::uint64_t i = 0; i < 10; ++i) {
    ends.host.release({.segment = 1, .tag = static_cast<std::uint32_t>(i), .offset_bytes = i * 64, .size_bytes = 1});
  }
  CHECK(ends.host.flush_releases() == 8);
  for (std::uint64_t i = 0; i < 10; ++i) {
    auto block = ends.worker.pop_release();
    if (!block) {
      ends.host.flush_releases();
      block = ends.worker.pop_release();
    }
    REQUIRE(block);
    CHECK(block->tag == i);
  }
  CHECK_FALSE(ends.worker.pop_release());
}

TEST_CASE("messages: the worker sees how many were sent, and no count wakes it") {
  Ends ends;
  AdaptiveSpin spin({.limit_ns = 0});
  CHECK(ends.worker.messages() == 0);
  ends.host.count_message();
  ends.host.count_message();
  CHECK(ends.worker.messages() == 2);
  CHECK(ends.worker.wait(spin, monotonic_now_ns()) == WorkerWake::kTimeout);
}

TEST_CASE("wait: deadlines end it on both sides, wakes are not lost when they come first") {
  Ends ends;
  AdaptiveSpin spin({.limit_ns = 0});
  CHECK(ends.host.wait(spin, monotonic_now_ns() + 1'000'000) == WaitResult::kTimeout);
  CHECK(ends.worker.wait(spin, monotonic_now_ns() + 1'000'000) == WorkerWake::kTimeout);
  ends.host.wake_host();
  CHECK(ends.host.wait(spin, soon()) == WaitResult::kWoken);
  ends.host.wake_worker();
  CHECK(ends.worker.wait(spin, soon()) == WorkerWake::kRung);
  CHECK(ends.worker.wait(spin, monotonic_now_ns()) == WorkerWake::kTimeout);
}

TEST_CASE("wait: sleepers on both sides are woken by calls, answers and wakes") {
  Ends ends;
  std::thread server([&ends] {
    AdaptiveSpin spin({.limit_ns = 0});
    for (int served = 0; served < 500;) {
      auto next = ends.worker.begin();
      if (!next || !*next) {
        static_cast<void>(ends.worker.wait(spin, soon()));
        continue;
      }
      static_cast<void>(ends.worker.finish({}));
      ends.worker.publish();
      ++served;
    }
  });
  AdaptiveSpin spin({.limit_ns = 0});
  Completion completion;
  for (std::uint64_t id = 1; id <= 500; ++id) {
    ends.submit(id);
    while (!ends.host.pop(completion).value()) {
      if (ends.host.wait(spin, soon()) == WaitResult::kTimeout) {
        FAIL("a wake-up was lost");
      }
    }
  }
  server.join();

  for (int i = 0; i < 100; ++i) {
    std::thread waker([&ends] { ends.host.wake_host(); });
    CHECK(ends.host.wait(spin, soon()) == WaitResult::kWoken);
    waker.join();
  }
}

TEST_CASE("bell: one armed for a position rings once that is answered, or when the worker says so") {
  HostEnd host = Ends::make(16, 4);
  auto bell = EventBell::create();
  REQUIRE(bell);
  auto worker_bell = bell->descriptor().duplicate();
  REQUIRE(worker_bell);
  auto attached = WorkerEnd::attach_in_process(host, EventBell(std::move(*worker_bell)));
  REQUIRE(attached);
  WorkerEnd worker = std::move(*attached);
  const auto submit = [&](std::uint64_t count) {
    for (std::uint64_t id = 1; id <= count; ++id) {
      REQUIRE(host.push({.call_id = id, .argument = {}, .checkpoint = {}}));
    }
    host.publish();
  };
  const auto serve_one = [&] {
    REQUIRE(worker.begin().value());
    REQUIRE(worker.finish({}));
    worker.publish();
  };
  const auto pop_all = [&] {
    Completion completion;
    while (host.pop(completion).value()) {
    }
  };
  submit(4);
  REQUIRE(host.arm_event_bell(2));
  serve_one();
  serve_one();
  CHECK_FALSE(bell->drain());
  serve_one();
  CHECK(bell->drain());
  serve_one();
  CHECK_FALSE(bell->drain());  // One arming gives only one ring.
  pop_all();

  submit(4);
  REQUIRE(host.arm_event_bell(7));
  serve_one();
  CHECK_FALSE(bell->drain());
  worker.ring();
  CHECK(bell->drain());
  pop_all();

  REQUIRE(host.arm_event_bell(7));
  serve_one();
  CHECK_FALSE(bell->drain());
  host.move_bell(5);
  serve_one();
  CHECK(bell->drain());
  pop_all();

  // An idle worker does not leave the host waiting.
  REQUIRE(host.arm_event_bell(1000));
  serve_one();
  CHECK_FALSE(bell->drain());
  AdaptiveSpin spin({.limit_ns = 0});
  CHECK(worker.wait(spin, monotonic_now_ns()) == WorkerWake::kTimeout);
  CHECK(bell->drain());
  pop_all();

  // A second arming is not satisfied by an earlier ring: it waits for the next completion.
  submit(1);
  REQUIRE(host.arm_event_bell());
  serve_one();
  CHECK(bell->drain());
  pop_all();
  REQUIRE(host.arm_event_bell());
  CHECK(worker.wait(spin, monotonic_now_ns()) == WorkerWake::kTimeout);
  CHECK_FALSE(bell->drain());
  submit(1);
  serve_one();
  CHECK(bell->drain());
}

TEST_CASE("ring: submitter, reaper and worker on three threads lose and mix up nothing, revocations included") {
  Ends ends(16);
  constexpr std::uint64_t kCount = 30'000;
  std::atomic<bool> failed{false};
  std::atomic<std::uint64_t> taken{0};
  std::vector<std::atomic<int>> seen(kCount + 1);

  std::thread worker([&] {
    AdaptiveSpin spin;
    for (;;) {
      auto next = ends.worker.begin();
      if (!next) {
        failed = true;
        return;
      }
      if (!*next) {
        static_cast<void>(ends.worker.wait(spin, soon()));
        continue;
      }
      const Submission& call = **next;
      const bool last = call.descriptor.argument.absent();
      if (!last && !StressMessage::check(call.inline_payload, call.descriptor.call_id)) {
        failed = true;
      }
      if (!ends.worker.finish({}, call.inline_payload)) {
        failed = true;
      }
      if (call.descriptor.call_id % 3 == 0 || last) {
        ends.worker.publish();
      }
      if (last) {
        return;
      }
    }
  });
  std::thread reaper([&] {
    AdaptiveSpin spin;
    Completion completion;
    for (;;) {
      auto popped = ends.host.pop(completion);
      if (!popped) {
        failed = true;
        return;
      }
      if (!*popped) {
        if (ends.host.wait(spin, soon()) == WaitResult::kTimeout) {
          failed = true;
          return;
        }
        continue;
      }
      const std::uint64_t id = completion.descriptor.call_id;
      if (id == kCount + 1) {
        return;
      }
      ++seen[id];
      if (completion.descriptor.kind == CompletionKind::kDone &&
          !StressMessage::check(completion.inline_payload(), id)) {
        failed = true;
      }
    }
  });
  const auto wait_for_room = [&ends] {
    while (ends.host.free_slots() == 0) {
      std::this_thread::yield();
    }
  };
  for (std::uint64_t id = 1; id <= kCount; ++id) {
    wait_for_room();
    const StressMessage message = StressMessage::make(id);
    auto position = ends.host.push({.call_id = id, .argument = {}, .checkpoint = {}}, message.bytes());
    if (!position) {
      failed = true;
      break;
    }
    ends.host.publish();
    if (id % 5 == 0 && ends.host.revoke(*position) == Revoked::kTaken) {
      ++seen[id];
      ++taken;
    }
  }
  wait_for_room();
  REQUIRE(ends.host.push({.call_id = kCount + 1, .argument = {}, .checkpoint = {}}));
  ends.host.publish();
  worker.join();
  reaper.join();
  CHECK_FALSE(failed);
  std::uint64_t wrong = 0;
  for (std::uint64_t id = 1; id <= kCount; ++id) {
    wrong += seen[id] == 1 ? 0 : 1;
  }
  CHECK(wrong == 0);
  INFO("taken back: " << taken);
}

TEST_CASE("ring: a call or an item that called a task which is not idempotent says so, before and after its end") {
  Ends ends;
  const std::uint64_t first = ends.submit(1);
  const std::uint64_t second = ends.submit(2);
  SubmissionDescriptor bulk;
  bulk.call_id = 3;
  bulk.kind = CallKind::kBulk;
  bulk.max_results = 4;
  const auto third = ends.host.push(bulk);
  REQUIRE(third);
  ends.host.publish();
  CHECK(ends.host.unrepeatable(first) == Known::kNo);

  REQUIRE(ends.worker.begin().value());
  ends.worker.mark_unrepeatable();
  CHECK(ends.host.unrepeatable(first) == Known::kYes);
  CHECK(ends.host.unrepeatable(second) == Known::kNo);
  REQUIRE(ends.worker.finish({}));
  REQUIRE(ends.worker.begin().value());
  CHECK(ends.host.unrepeatable(second) == Known::kNo);
  REQUIRE(ends.worker.finish({}));
  REQUIRE(ends.worker.begin().value());
  static_cast<void>(ends.worker.begin_item(0));
  static_cast<void>(ends.worker.begin_item(1));
  ends.worker.mark_unrepeatable();
  static_cast<void>(ends.worker.begin_item(2));
  CHECK(ends.host.unrepeatable(*third, 0) == Known::kNo);
  CHECK(ends.host.unrepeatable(*third, 1) == Known::kYes);
  CHECK(ends.host.unrepeatable(*third, 2) == Known::kNo);
  REQUIRE(ends.worker.finish({.payload = {}, .items_done = 3}));
  ends.worker.publish();

  Completion completion;
  REQUIRE(ends.host.pop(completion).value());
  CHECK((completion.descriptor.flags & kCompletionUnrepeatable) != 0);
  REQUIRE(ends.host.pop(completion).value());
  CHECK((completion.descriptor.flags & kCompletionUnrepeatable) == 0);
  REQUIRE(ends.host.pop(completion).value());
  CHECK((completion.descriptor.flags & kCompletionUnrepeatable) != 0);
  CHECK(completion.descriptor.items_done == 3);
}

TEST_CASE("ring: the place of a bulk call's answers is all of their block, the rest of its last granule included") {
  auto arena = Arena::create("results", 2, 1 << 16, false);
  REQUIRE(arena);
  const auto block = arena->allocate(100);
  REQUIRE(block);
  REQUIRE(block->bytes.size() > 100);
  Ends ends;
  SubmissionDescriptor call;
  call.call_id = 1;
  call.kind = CallKind::kBulk;
  call.max_results = 1;
  const auto position = ends.host.push(call);
  REQUIRE(position);
  ends.host.publish();
  REQUIRE(ends.worker.begin().value());
  ends.worker.begin_bulk(*block);
  const auto progress = ends.host.bulk_progress(*position);
  REQUIRE(progress);
  CHECK(progress->answers.segment == 2);
  CHECK(progress->answers.offset_bytes == block->ref.offset_bytes);
  CHECK(progress->answers.size_bytes == block->bytes.size());
}

TEST_CASE("ring: the place of a bulk call's answers is never that of the next one") {
  constexpr std::uint64_t kCount = 200'000;
  Ends ends;
  std::vector<std::uint8_t> nowhere(1009);
  std::atomic<bool> failed{false};
  std::thread worker([&] {
    for (std::uint64_t position = 0; position < kCount && !failed;) {
      const auto next = ends.worker.begin();
      if (!next || !*next) {
        failed = failed || !next;
        continue;
      }
      const MutableBytesView place(nowhere.data(), 1 + position % nowhere.size());
      ends.worker.begin_bulk({.ref = {.segment = 5, .offset_bytes = position + 1}, .bytes = place});
      static_cast<void>(ends.worker.begin_item(0));
      ends.worker.finish_item(0);
      CompletionDescriptor done;
      done.items_done = 1;
      failed = failed || !ends.worker.finish(done);
      ends.worker.publish();
      ++position;
    }
  });
  std::uint64_t pushed = 0;
  std::uint64_t looks = 0;
  Completion completion;
  for (std::uint64_t answered = 0; answered < kCount && !failed;) {
    while (pushed < kCount && ends.host.free_slots() > 0 && !failed) {
      SubmissionDescriptor call;
      call.call_id = pushed + 1;
      call.kind = CallKind::kBulk;
      call.max_results = 1;
      failed = failed || !ends.host.push(call);
      ends.host.publish();
      ++pushed;
    }
    if (const auto progress = ends.host.bulk_progress(answered); progress && progress->done > 0) {
      ++looks;
      failed = failed || progress->answers.offset_bytes != answered + 1 ||
               progress->answers.size_bytes != 1 + answered % nowhere.size();
    }
    const auto popped = ends.host.pop(completion);
    failed = failed || !popped;
    answered += popped && *popped ? 1 : 0;
  }
  worker.join();
  CHECK_FALSE(failed);
  CHECK(looks > 0);
}
