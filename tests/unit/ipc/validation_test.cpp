// A worker that writes invalid data, and a host whose memory differs from what the worker expects.
#include <cstring>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "ipc/host_end.hpp"
#include "ipc/sealed_count.hpp"
#include "ipc/worker_end.hpp"
#include "tenon_test/catch.hpp"

using namespace tenon;
using namespace tenon::internal;

namespace {

/// The host's side with one published call, and the raw memory that a hostile worker would write.
struct Bench {
  Bench() : host(make()) {
    auto memory = SharedMemory::adopt(*host.completion_descriptor().duplicate(), {});
    REQUIRE(memory);
    auto mapped = memory->map(Access::kReadWrite);
    REQUIRE(mapped);
    raw = std::move(*mapped);
    header = reinterpret_cast<CompletionHeader*>(raw.writable_data());
    slots = reinterpret_cast<CompletionSlot*>(raw.writable_data() + header->fixed.slots_offset_bytes);
    SubmissionDescriptor call;
    call.call_id = 77;
    call.kind = CallKind::kStep;
    call.session_id = 5;
    REQUIRE(host.push(call));
    host.publish();
  }
  static HostEnd make() {
    auto end = HostEnd::create({.worker_name = "worker", .slot_count = 8, .release_count = 2});
    REQUIRE(end);
    return std::move(*end);
  }
  HostEnd host;
  Mapping raw;
  CompletionHeader* header = nullptr;
  CompletionSlot* slots = nullptr;
};

}  // namespace

TEST_CASE("HostEnd: pop names the broken field of a hostile completion and stays broken") {
  const std::vector<std::pair<std::string, std::function<void(CompletionDescriptor&)>>> table = {
      {"call_id", [](auto& d) { d.call_id = 78; }},
      {"session_id", [](auto& d) { d.session_id = 0; }},
      {"kind", [](auto& d) { d.kind = static_cast<CompletionKind>(9); }},
      {"kind", [](auto& d) { d.kind = CompletionKind::kReturned; }},
      {"status", [](auto& d) { d.status = -1; }},
      {"status", [](auto& d) { d.status = TENON_END; }},
      {"flags", [](auto& d) { d.flags = 0x8000; }},
      {"flags", [](auto& d) { d.flags = kCompletionArgument; }},
      {"flags", [](auto& d) { d.flags = kCompletionCheckpoint; }},
      {"items_done", [](auto& d) { d.items_done = 1; }},
      {"payload.size", [](auto& d) { d.payload = {.segment = kInlineSegment, .size_bytes = 193}; }},
      {"payload.size", [](auto& d) { d.payload = {.segment = kInlineSegment, .size_bytes = ~std::uint64_t{0}}; }},
      {"payload.offset", [](auto& d) { d.payload = {.segment = kInlineSegment, .offset_bytes = 16}; }},
      {"payload.segment", [](auto& d) { d.payload = {.segment = kNoSegment, .size_bytes = 1}; }},
  };
  for (const auto& [field, spoil] : table) {
    INFO(field);
    Bench bench;
    CompletionDescriptor answer{.call_id = 77, .session_id = 5, .payload = {}};
    spoil(answer);
    bench.slots[0].descriptor = answer;
    bench.header->ring.tail = 1;
    Completion completion;
    const auto popped = bench.host.pop(completion);
    REQUIRE_FALSE(popped);
    CHECK(popped.error().code == ErrorCode::kCorrupt);
    CHECK(popped.error().message.find(": " + field + " of completion 0") != std::string::npos);
    bench.slots[0].descriptor = {.call_id = 77, .session_id = 5, .payload = {}};
    CHECK_FALSE(bench.host.pop(completion));
    CHECK(bench.host.has_completion());
  }
}

TEST_CASE("HostEnd: a tail that answers more than was asked, or runs backwards, is refused") {
  for (const std::uint64_t tail : {std::uint64_t{2}, std::uint64_t{9}, ~std::uint64_t{0}}) {
    Bench bench;
    bench.header->ring.tail = tail;
    Completion completion;
    CHECK(bench.host.pop(completion).error().code == ErrorCode::kCorrupt);
  }
  Bench bench;
  bench.slots[0].descriptor = {.call_id = 77, .session_id = 5, .payload = {}};
  bench.header->ring.tail = 1;
  Completion completion;
  REQUIRE(bench.host.pop(completion).value());
  bench.header->ring.tail = 0;
  CHECK_FALSE(bench.host.pop(completion));
}

TEST_CASE("HostEnd: a worker that runs a call that was taken back is refused") {
  Bench bench;
  REQUIRE(bench.host.revoke(0) == Revoked::kTaken);
  bench.slots[0].descriptor = {.call_id = 77, .session_id = 5, .payload = {}};
  bench.header->ring.tail = 1;
  Completion completion;
  CHECK_FALSE(bench.host.pop(completion));
}

TEST_CASE("HostEnd: nonsense in the other words of a worker neither hangs nor overruns") {
  Bench bench;
  bench.header->release.head = 0x123456789;
  for (int i = 0; i < 10; ++i) {
    bench.host.release({.segment = 1, .tag = 1, .offset_bytes = 64, .size_bytes = 1});
  }
  CHECK(bench.host.flush_releases() == 10);
  bench.header->progress.version = 3;
  CHECK_FALSE(bench.host.progress());
  bench.header->bell.sleep = 0xffffffff;
  bench.host.publish();
  bench.header->begun.begun = ~std::uint64_t{0};
  CHECK(bench.host.revoke(0) == Revoked::kUndecided);
}

TEST_CASE("sealed count: what a stray write leaves is no count") {
  for (const Seal which : {Seal::kBegun, Seal::kItemsBegun, Seal::kItemsDone, Seal::kItemsAnswered, Seal::kReturned,
                           Seal::kUnrepeatable}) {
    CHECK_FALSE(open_seal(which, 0));
    CHECK_FALSE(open_seal(which, ~std::uint64_t{0}));
    for (const std::uint64_t count : {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{77}, kSealedMask}) {
      const std::uint64_t word = put_seal(which, count);
      CHECK(open_seal(which, word) == count);
      for (std::uint64_t step = 1; step <= 4096; ++step) {
        REQUIRE_FALSE(open_seal(which, word + step));
        REQUIRE_FALSE(open_seal(which, word - step));
      }
      for (int bit = 0; bit < 64; ++bit) {
        REQUIRE_FALSE(open_seal(which, word ^ (std::uint64_t{1} << bit)));
      }
      for (int byte = 0; byte < 8; ++byte) {
        REQUIRE((open_seal(which, word & ~(std::uint64_t{0xff} << (8 * byte))).value_or(count) == count));
      }
    }
  }
  // A seal of one word is not valid for another word.
  CHECK_FALSE(open_seal(Seal::kBegun, put_seal(Seal::kItemsDone, 5)));
  CHECK_FALSE(open_seal(Seal::kItemsDone, put_seal(Seal::kItemsBegun, 5)));
  static_assert(ItemPlace::unpack(ItemPlace::pack(3, 4096)).is_at(3));
  static_assert(ItemPlace::unpack(ItemPlace::pack(3, 4096)).item == 4096);
}

TEST_CASE("HostEnd: of a damaged count of what has begun nothing follows") {
  Bench bench;
  CHECK(bench.host.begun() == 0);
  CHECK_FALSE(bench.host.may_have_begun(0));
  // Words that would return a running call, and one word beyond the published calls.
  for (const std::uint64_t word : {std::uint64_t{0}, std::uint64_t{1}, ~std::uint64_t{0}, put_seal(Seal::kItemsDone, 0),
                                   put_seal(Seal::kBegun, 2)}) {
    CAPTURE(word);
    bench.header->begun.begun = word;
    CHECK_FALSE(bench.host.begun());
    CHECK(bench.host.may_have_begun(0));
    CHECK(bench.host.revoke(0) == Revoked::kUndecided);
  }
  bench.header->begun.begun = put_seal(Seal::kBegun, 1);
  CHECK(bench.host.begun() == 1);
  CHECK(bench.host.revoke(0) == Revoked::kUndecided);
  bench.header->begun.begun = put_seal(Seal::kBegun, 0);
  CHECK(bench.host.revoke(0) == Revoked::kTaken);
}

TEST_CASE("HostEnd: a stray write does not turn a call that ran into a returned one") {
  Bench bench;
  REQUIRE(bench.host.revoke(0) == Revoked::kTaken);
  bench.slots[0].descriptor = {.call_id = 77, .session_id = 5, .payload = {}, .kind = CompletionKind::kReturned};
  bench.header->ring.tail = 1;
  Completion completion;
  CHECK_FALSE(bench.host.pop(completion));
}

TEST_CASE("HostEnd: how far a bulk call came is known, or known to be unknown") {
  Bench bench;
  SubmissionDescriptor call;
  call.call_id = 100;
  call.kind = CallKind::kBulk;
  call.max_results = 10;
  const std::uint64_t position = *bench.host.push(call);
  bench.host.publish();
  auto& bulk = bench.header->bulk;
  const auto set = [&](std::uint32_t begun, std::uint32_t done) {
    bulk.begun = put_seal(Seal::kItemsBegun, ItemPlace::pack(position, begun));
    bulk.done = put_seal(Seal::kItemsDone, ItemPlace::pack(position, done));
    bulk.answers_segment = 2;
    bulk.answers_offset_bytes = 64;
    bulk.answers_size_bytes = 4096;
    bulk.answers_check = check_of_place(position, 2, 64, 4096);
  };
  BulkRemains remains = bench.host.bulk_remains(position);
  CHECK(remains.intact);  // The worker has not reached it.
  CHECK(remains.begun == 0);
  CHECK_FALSE(remains.progress);

  set(5, 4);
  remains = bench.host.bulk_remains(position);
  REQUIRE(remains.intact);
  CHECK(remains.begun == 5);
  CHECK(remains.progress->done == 4);
  CHECK(remains.progress->answers.size_bytes == 4096);
  CHECK(bench.host.bulk_progress(position)->done == 4);

  const std::vector<std::function<void()>> damages = {
      [&] { bulk.begun = 0; },
      [&] { bulk.done = 0; },
      [&] { bulk.done = ~std::uint64_t{0}; },
      [&] { bulk.done = bulk.begun.load(); },
      [&] { bulk.begun = bulk.done.load(); },
      [&] { bulk.done += 1; },
      [&] { bulk.begun -= 1; },
      [&] { bulk.answers_segment = 3; },
      [&] { bulk.answers_offset_bytes += 16; },
      [&] { bulk.answers_size_bytes = std::uint64_t{500} << 20; },
      [&] { bulk.answers_check = 0; },
      [&] { set(4, 5); },    // It is done before it started.
      [&] { set(7, 4); },    // Two calls run at once.
      [&] { set(11, 10); },  // More calls than were published.
  };
  for (std::size_t i = 0; i < damages.size(); ++i) {
    CAPTURE(i);
    set(5, 4);
    damages[i]();
    CHECK_FALSE(bench.host.bulk_remains(position).intact);
  }
  set(5, 4);
  bulk.begun = 0;
  CHECK_FALSE(bench.host.revoke_items(position));
}

TEST_CASE("HostEnd: counts that are no power of two are refused") {
  for (const std::uint32_t count : {0u, 1u, 3u, 100u, 131072u}) {
    CHECK(HostEnd::create({.slot_count = count}).error().code == ErrorCode::kInvalidArgument);
    CHECK(HostEnd::create({.release_count = count}).error().code == ErrorCode::kInvalidArgument);
  }
}

TEST_CASE("WorkerEnd: refuses segments that are not what they should be") {
  const auto attach = [](const SharedMemory& submission, const SharedMemory& completion) {
    return WorkerEnd::attach(*submission.descriptor().duplicate(), *completion.descriptor().duplicate(), EventBell());
  };
  const auto plain = [](std::uint64_t size_bytes) {
    auto memory = SharedMemory::create("x", size_bytes);
    REQUIRE(memory);
    REQUIRE(memory->seal({.shrink = true, .grow = true}));
    return std::move(*memory);
  };
  const LayoutSizes sizes = layout_sizes(8, 2);
  // Copies of the host's header, with one change each.
  const auto changed = [&](const std::function<void(SubmissionHeader&)>& change) {
    Bench bench;
    auto source = SharedMemory::adopt(*bench.host.submission_descriptor().duplicate(), {});
    REQUIRE(source);
    auto from = source->map(Access::kReadOnly);
    REQUIRE(from);
    SharedMemory memory = plain(sizes.submission_bytes);
    {
      auto to = memory.map(Access::kReadWrite);
      REQUIRE(to);
      std::memcpy(to->writable_data(), from->data(), sizes.submission_bytes);
      change(*reinterpret_cast<SubmissionHeader*>(to->writable_data()));
    }
    REQUIRE(memory.seal({.future_write = true}));
    auto completion = SharedMemory::adopt(*bench.host.completion_descriptor().duplicate(), {});
    REQUIRE(completion);
    return attach(memory, *completion);
  };
  CHECK(changed([](SubmissionHeader&) {}));
  CHECK(changed([](SubmissionHeader& h) { h.fixed.magic = 1; }).error().code == ErrorCode::kCorrupt);
  CHECK(changed([](SubmissionHeader& h) { h.fixed.version = kLayoutVersion + 1; }).error().code ==
        ErrorCode::kIncompatible);
  CHECK(changed([](SubmissionHeader& h) { h.fixed.slot_count = 16; }).error().code == ErrorCode::kCorrupt);
  CHECK(changed([](SubmissionHeader& h) { h.fixed.slot_count = 7; }).error().code == ErrorCode::kCorrupt);
  CHECK(changed([](SubmissionHeader& h) { h.fixed.release_count = 1 << 15; }).error().code == ErrorCode::kCorrupt);
  CHECK(changed([](SubmissionHeader& h) { h.fixed.slots_offset_bytes = 0; }).error().code == ErrorCode::kCorrupt);

  SharedMemory tiny = plain(16);
  CHECK(attach(tiny, tiny).error().code == ErrorCode::kCorrupt);
  CHECK_FALSE(WorkerEnd::attach(FileDescriptor(), FileDescriptor(), EventBell()));
}

TEST_CASE("WorkerEnd: names the broken field of a submission") {
  const std::vector<std::pair<std::string, std::function<void(SubmissionDescriptor&)>>> table = {
      {"call_id", [](auto& d) { d.call_id = 0; }},
      {"kind", [](auto& d) { d.kind = static_cast<CallKind>(0); }},
      {"kind", [](auto& d) { d.kind = static_cast<CallKind>(8); }},
      {"session_id", [](auto& d) { d.session_id = 1; }},
      {"session_id", [](auto& d) { d.kind = CallKind::kOpen; }},
      {"flags", [](auto& d) { d.flags = 8; }},
      {"attempt", [](auto& d) { d.attempt = 0; }},
      {"argument", [](auto& d) { d.argument = {.segment = kInlineSegment, .size_bytes = 161}; }},
      {"argument", [](auto& d) { d.argument = {.segment = kNoSegment, .offset_bytes = 1}; }},
      {"checkpoint", [](auto& d) { d.checkpoint = {.segment = 1, .size_bytes = 1}; }},
      {"checkpoint", [](auto& d) { d.checkpoint = {.segment = kInlineSegment}; }},
      {"items", [](auto& d) { d.first_item = 1; }},
  };
  for (const auto& [field, spoil] : table) {
    INFO(field);
    auto host = HostEnd::create({.slot_count = 4, .in_process = true});
    REQUIRE(host);
    auto worker = WorkerEnd::attach_in_process(*host, EventBell());
    REQUIRE(worker);
    SubmissionDescriptor call;
    call.call_id = 1;
    spoil(call);
    REQUIRE(host->push(call));
    host->publish();
    const auto begun = worker->begin();
    REQUIRE_FALSE(begun);
    CHECK(begun.error().code == ErrorCode::kCorrupt);
    CHECK(begun.error().message.find(": " + field + " of submission 0") != std::string::npos);
  }
}
