/// Many small calls in one bulk call: the guarantees for its items if workers die, hang, are fast
/// or misbehave.
#include <csignal>

#include <atomic>
#include <chrono>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "host/bulk.hpp"
#include "platform/doorbell.hpp"
#include "runtimes.hpp"
#include "tenon_test/catch.hpp"
#include "tenon_test/runtime.hpp"

using namespace std::chrono_literals;
using namespace tenon::internal;
using tenon::ErrorCode;
using tenon::test::start_with_grace;

namespace {

tenon::BytesView view(const flatbuffers::FlatBufferBuilder& builder) {
  return {builder.GetBufferPointer(), builder.GetSize()};
}

/// Returns `count` arguments that `make(index)` builds.
template <typename Make>
auto arguments(std::uint64_t count, Make make) {
  return [count, make, next = std::uint64_t{0},
          kept = std::make_shared<flatbuffers::FlatBufferBuilder>()]() mutable -> std::optional<tenon::BytesView> {
    if (next == count) {
      return std::nullopt;
    }
    *kept = make(next++);
    return view(*kept);
  };
}

std::string text_of(std::uint64_t index) {
  // Some are too large for a bulk call.
  return std::to_string(index) + std::string(index % 97 == 0 ? 3000 : index % 13, 'x');
}

flatbuffers::FlatBufferBuilder text_argument(std::uint64_t index) {
  return tenon::test::bytes_argument(text_of(index));
}

std::string text_of(const tenon::Reply& reply) {
  const auto verified = tenon::TypedReply<tenon::Bytes>::verify(reply);
  REQUIRE(verified);
  return {(*verified)->data()->begin(), (*verified)->data()->end()};
}

/// A result block with a table of two entries and room for 32 bytes.
struct Block {
  Block() : bytes(2 * sizeof(BulkAnswer) + 32) { set(1, {}); }
  void set(std::uint32_t index, BulkAnswer entry) {
    std::memcpy(bytes.data() + index * sizeof entry, &entry, sizeof entry);
  }
  [[nodiscard]] auto copy() const {
    const auto work = make_shared_object<const BulkWork>(Shared<BulkSink>(), RouteRef(), StoredBytes(), 2u,
                                                         std::uint64_t{1}, std::uint64_t{0});
    return BulkAnswers::copy(bytes, 0, 2, *work, nullptr, [](const BlockRef&) -> tenon::Result<StoredBytes> {
      return tenon::fail(ErrorCode::kCorrupt, "no such block");
    });
  }
  tenon::Buffer bytes;
};

}  // namespace

TEST_CASE("bulk: tiny calls among large ones end once each, in order or not") {
  auto runtime = start_with_grace(2);
  const bool ordered = GENERATE(true, false);
  constexpr std::uint64_t kCount = 20'000;
  auto stream =
      runtime.map("tenon.echo", arguments(kCount, text_argument), {.call = {}, .window = 0, .ordered = ordered});
  std::vector<bool> seen(kCount, false);
  std::uint64_t expected = 0;
  while (auto item = stream.next()) {
    REQUIRE(item->index < kCount);
    REQUIRE_FALSE(seen[item->index]);
    seen[item->index] = true;
    if (ordered) {
      REQUIRE(item->index == expected++);
    }
    REQUIRE(item->reply);
    REQUIRE(text_of(*item->reply) == text_of(item->index));
    // tenon.echo passes on its argument, but still counts as the maker of the result.
    REQUIRE(item->reply->plugin() != nullptr);
    REQUIRE(item->reply->plugin()->name == "tenon");
  }
  REQUIRE(std::count(seen.begin(), seen.end(), true) == kCount);
  const auto stats = runtime.stats();
  REQUIRE(stats.submitted == kCount);
  REQUIRE(stats.succeeded == kCount);
  REQUIRE(stats.queued == 0);
}

TEST_CASE("bulk: results that are built, and find no room among the others") {
  auto runtime = start_with_grace(1);
  const std::string content(900, 'c');
  const auto inner = tenon::test::bytes_argument(content);
  std::string json = R"({"task": "tenon.echo", "argument": [)";
  for (std::size_t i = 0; i < inner.GetSize(); ++i) {
    json += (i == 0 ? "" : ",") + std::to_string(inner.GetBufferPointer()[i]);
  }
  const auto argument = *tenon::test::argument_from_json(runtime, "tenon.invoke", json + "]}");
  REQUIRE(argument.size() < BulkBuilder::kLargestArgument);
  int given = 0;
  auto stream = runtime.map("tenon.invoke", [&]() -> std::optional<tenon::BytesView> {
    return given++ < 3000 ? std::optional<tenon::BytesView>(argument) : std::nullopt;
  });
  int count = 0;
  while (auto item = stream.next()) {
    REQUIRE(item->reply);
    const std::string result = text_of(*item->reply);
    REQUIRE(result.size() == inner.GetSize());
    REQUIRE(std::memcmp(result.data(), inner.GetBufferPointer(), inner.GetSize()) == 0);
    ++count;
  }
  REQUIRE(count == 3000);
}

TEST_CASE("bulk: errors name the call of their item") {
  auto runtime = start_with_grace(1);
  const auto failing = *tenon::test::params_from_json(runtime, "tenon.fail", R"({"message": "so it is"})");
  const auto make = [](std::uint64_t) {
    flatbuffers::FlatBufferBuilder builder;
    builder.Finish(tenon::CreateEmpty(builder));
    return builder;
  };
  auto stream = runtime.map("tenon.fail", arguments(500, make), {.call = {.params = failing}});
  std::uint64_t last_id = 0;
  while (auto item = stream.next()) {
    REQUIRE_FALSE(item->reply);
    const tenon::Error& error = item->reply.error();
    REQUIRE(error.code == ErrorCode::kFailed);
    REQUIRE(error.message.find("so it is") != std::string::npos);
    REQUIRE(error.context.task == "tenon.fail");
    REQUIRE(error.context.call_id > last_id);
    last_id = error.context.call_id;
  }
}

TEST_CASE("bulk: workers killed at any moment lose nothing and do nothing twice to the reader") {
  auto runtime = start_with_grace(2);
  std::atomic<bool> done{false};
  std::thread killer([&] {
    std::uint64_t succeeded = 0;
    for (int i = 0; !done.load(); ++i) {
      std::this_thread::sleep_for(3ms + std::chrono::microseconds(137 * (i % 23)));
      // As in bulk_cancel_test.cpp: workers must start faster than they are killed.
      const std::uint64_t now = runtime.stats().succeeded;
      if (now < succeeded + 200) {
        continue;
      }
      succeeded = now;
      for (const auto& worker : runtime.stats().workers) {
        if (worker.pid > 0 && (worker.id + static_cast<std::uint64_t>(i)) % 2 == 0) {
          ::kill(static_cast<pid_t>(worker.pid), SIGKILL);
        }
      }
    }
  });
  constexpr std::uint64_t kCount = 60'000;
  tenon::MapOptions options;
  options.call.max_attempts = 200;
  options.ordered = GENERATE(true, false);
  std::uint64_t wrong = 0;
  std::string first_error;
  std::vector<int> seen(kCount, 0);
  auto stream = runtime.map("tenon.echo", arguments(kCount, text_argument), options);
  while (auto item = stream.next()) {
    ++seen[item->index];
    if (!item->reply) {
      first_error = first_error.empty() ? item->reply.error().to_string() : first_error;
      ++wrong;
    } else if (text_of(*item->reply) != text_of(item->index)) {
      ++wrong;
    }
  }
  done = true;
  killer.join();
  INFO(first_error);
  REQUIRE(wrong == 0);
  REQUIRE(std::count(seen.begin(), seen.end(), 1) == static_cast<std::ptrdiff_t>(kCount));
}

TEST_CASE("bulk: an item that kills its worker is charged alone") {
  auto runtime = start_with_grace(2);
  const auto aborting = *tenon::test::params_from_json(runtime, "tenon.fail", R"({"mode": "abort"})");
  const auto make = [](std::uint64_t) {
    flatbuffers::FlatBufferBuilder builder;
    builder.Finish(tenon::CreateEmpty(builder));
    return builder;
  };
  auto stream = runtime.map("tenon.fail", arguments(12, make), {.call = {.params = aborting}});
  int count = 0;
  while (auto item = stream.next()) {
    REQUIRE_FALSE(item->reply);
    REQUIRE(item->reply.error().code == ErrorCode::kCrashed);
    REQUIRE(item->reply.error().context.signal == SIGABRT);
    ++count;
  }
  REQUIRE(count == 12);
  REQUIRE(runtime.stats().crashed_workers == 12);  // One crash for each item, so no item ran twice.
}

TEST_CASE("bulk: a long item holds neither those before it nor, with an idle worker, those after it") {
  auto runtime = start_with_grace(2);
  constexpr std::uint64_t kCount = 4000;
  constexpr std::uint64_t kLong = 2500;
  const auto quick = *tenon::test::argument_from_json(runtime, "tenon.sleep", R"({"duration_ms": 0})");
  const auto slow = *tenon::test::argument_from_json(runtime, "tenon.sleep", R"({"duration_ms": 3000})");
  std::uint64_t next = 0;
  auto stream = runtime.map("tenon.sleep",
                            [&]() -> std::optional<tenon::BytesView> {
                              if (next == kCount) {
                                return std::nullopt;
                              }
                              return tenon::BytesView(next++ == kLong ? slow : quick);
                            },
                            {.call = {}, .window = 0, .ordered = false});
  const auto begin = std::chrono::steady_clock::now();
  std::uint64_t count = 0;
  std::chrono::steady_clock::duration short_ones{};
  while (auto item = stream.next()) {
    REQUIRE(item->reply);
    ++count;
    if (item->index != kLong) {
      short_ones = std::chrono::steady_clock::now() - begin;
    }
  }
  REQUIRE(count == kCount);
  REQUIRE(short_ones < 2500ms);
}

TEST_CASE("bulk: long items, as many as there are cores, do not hold the others while workers are idle") {
  const unsigned cores = usable_core_count();
  auto runtime = start_with_grace(cores + 2);
  const std::uint64_t count = 1000 * (cores + 1);
  const auto quick = *tenon::test::argument_from_json(runtime, "tenon.sleep", R"({"duration_ms": 0})");
  const auto slow = *tenon::test::argument_from_json(runtime, "tenon.sleep", R"({"duration_ms": 3000})");
  const auto is_long = [&](std::uint64_t index) { return index % 1000 == 500 && index < 1000 * cores; };
  std::uint64_t next = 0;
  auto stream = runtime.map("tenon.sleep",
                            [&]() -> std::optional<tenon::BytesView> {
                              if (next == count) {
                                return std::nullopt;
                              }
                              return tenon::BytesView(is_long(next++) ? slow : quick);
                            },
                            {.call = {}, .window = 0, .ordered = false});
  const auto begin = std::chrono::steady_clock::now();
  std::chrono::steady_clock::duration short_ones{};
  while (auto item = stream.next()) {
    REQUIRE(item->reply);
    if (!is_long(item->index)) {
      short_ones = std::chrono::steady_clock::now() - begin;
    }
  }
  REQUIRE(short_ones < 2500ms);
}

TEST_CASE("bulk: calls that are all long soon have all workers") {
  // Short calls come first, so that the runtime expects the long calls to be short too.
  auto runtime = start_with_grace(12);
  const auto quick = *tenon::test::argument_from_json(runtime, "tenon.sleep", R"({"duration_ms": 0})");
  const auto slow = *tenon::test::argument_from_json(runtime, "tenon.sleep", R"({"duration_ms": 1000})");
  for (int i = 0; i < 200; ++i) {
    REQUIRE(runtime.call("tenon.sleep", tenon::BytesView(quick)));
  }
  while (runtime.stats().workers.size() < 12) {
    std::this_thread::sleep_for(1ms);
  }
  const auto begin = std::chrono::steady_clock::now();
  std::vector<tenon::Future<tenon::Reply>> results;
  for (int i = 0; i < 12; ++i) {
    results.push_back(runtime.submit("tenon.sleep", tenon::BytesView(slow)));
  }
  for (auto& result : results) {
    REQUIRE(result.get());
  }
  REQUIRE(std::chrono::steady_clock::now() - begin < 1900ms);
}

TEST_CASE("bulk: a stream that is dropped, and a shutdown in the middle") {
  auto runtime = start_with_grace(1, 50ms);
  const auto pause = *tenon::test::argument_from_json(runtime, "tenon.sleep", R"({"duration_ms": 1})");
  const auto endless = [&]() -> std::optional<tenon::BytesView> { return tenon::BytesView(pause); };
  {
    auto dropped = runtime.map("tenon.sleep", endless);
    REQUIRE(dropped.next());
  }
  auto stream = runtime.map("tenon.sleep", endless);
  REQUIRE(stream.next());
  runtime.shutdown(tenon::Shutdown::kCancel);
  std::optional<ErrorCode> last;
  for (int i = 0; i < 2000 && last != ErrorCode::kRejected; ++i) {
    const auto item = stream.next();
    REQUIRE(item);
    last = item->reply ? std::nullopt : std::optional(item->reply.error().code);
    REQUIRE((!last || *last == ErrorCode::kCancelled || *last == ErrorCode::kRejected));
  }
  REQUIRE(last == ErrorCode::kRejected);
}

TEST_CASE("bulk: answers that are nonsense are told from good ones") {
  Block block;
  constexpr std::uint32_t kRoom = 2 * sizeof(BulkAnswer);
  block.set(0, {.offset_bytes = kRoom, .size_bytes = 32});
  REQUIRE(block.copy());
  const BulkAnswer bad[] = {
      {.offset_bytes = kRoom, .size_bytes = 33},
      {.offset_bytes = kRoom + 8, .size_bytes = 8},
      {.offset_bytes = kRoom - 16, .size_bytes = 8},
      {.offset_bytes = ~15u, .size_bytes = 8},
      {.offset_bytes = kRoom, .size_bytes = ~0u},
      {.offset_bytes = kRoom, .size_bytes = 8, .status = 12345},
      {.offset_bytes = kRoom, .size_bytes = 8, .status = -1},
      {.offset_bytes = kRoom, .size_bytes = 8, .flags = 4},
      {.offset_bytes = kRoom, .size_bytes = 8, .flags = 3},
      {.offset_bytes = kRoom, .size_bytes = 8, .flags = kBulkAnswerReference},
      {.offset_bytes = kRoom, .size_bytes = 0, .flags = kBulkAnswerReference},
      {.offset_bytes = kRoom, .size_bytes = sizeof(BlockRef), .flags = kBulkAnswerReference},
  };
  for (const BulkAnswer& entry : bad) {
    CAPTURE(entry.offset_bytes, entry.size_bytes, entry.status, entry.flags);
    block.set(0, entry);
    const auto copied = block.copy();
    REQUIRE_FALSE(copied);
    REQUIRE(copied.error().code == ErrorCode::kCorrupt);
  }
  block.bytes.resize(kRoom - 1);
  REQUIRE_FALSE(block.copy());
}
