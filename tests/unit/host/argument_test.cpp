/// Arguments that are built in place: no copies, no leaks, and clear errors if memory is short.
#include <tenon/argument.hpp>

#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <fstream>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "host/storage.hpp"
#include "platform/file_descriptor.hpp"
#include "runtimes.hpp"
#include "tenon_test/catch.hpp"
#include "tenon_test/runtime.hpp"

using namespace std::chrono_literals;
using tenon::ErrorCode;

namespace {

constexpr std::size_t kMiB = std::size_t{1} << 20;

tenon::Runtime start_with_arenas(unsigned workers, std::uint64_t cache_bytes = std::uint64_t{1} << 30,
                                 std::uint64_t arena_bytes = std::uint64_t{1} << 30) {
  tenon::RuntimeOptions options = tenon::test::shipped_options(workers);
  options.large_block_cache_bytes = cache_bytes;
  options.argument_arena_bytes = arena_bytes;
  options.result_arena_bytes = arena_bytes;
  options.cancel_grace = 50ms;
  return tenon::test::start(std::move(options));
}

/// Builds a tenon.Bytes in place, with `size` bytes of content that all have `value`.
tenon::Reply build(tenon::Runtime& runtime, std::size_t size, std::uint8_t value = 7, std::size_t hint = 0) {
  auto argument = runtime.build_argument(hint == 0 ? size + 128 : hint);
  REQUIRE(argument);
  std::uint8_t* content = nullptr;
  const auto data = argument->flatbuffer().CreateUninitializedVector(size, sizeof(std::uint8_t), &content);
  std::fill_n(content, size, value);
  auto built = argument->finish(tenon::CreateBytes(argument->flatbuffer(), data));
  REQUIRE(built);
  return *std::move(built);
}

bool holds(const tenon::Reply& reply, std::size_t size, std::uint8_t value) {
  const auto bytes = tenon::TypedReply<tenon::Bytes>::verify(reply);
  if (!bytes || (*bytes)->data() == nullptr || (*bytes)->data()->size() != size) {
    return false;
  }
  const auto* data = (*bytes)->data();
  return std::all_of(data->begin(), data->end(), [value](std::uint8_t each) { return each == value; });
}

std::uint32_t segment_of(const tenon::Reply& reply) {
  const auto* segment = reply.storage()->segment();
  return segment == nullptr ? 0 : segment->number();
}

/// While it exists, this process can map at most `spare_bytes` more than it has mapped.
class FewAddresses {
 public:
  explicit FewAddresses(std::uint64_t spare_bytes) {
    ::getrlimit(RLIMIT_AS, &before_);
    std::uint64_t pages = 0;
    std::ifstream("/proc/self/statm") >> pages;
    rlimit few = before_;
    few.rlim_cur = pages * tenon::internal::page_size_bytes() + spare_bytes;
    ::setrlimit(RLIMIT_AS, &few);
  }
  FewAddresses(const FewAddresses&) = delete;
  FewAddresses& operator=(const FewAddresses&) = delete;
  ~FewAddresses() { ::setrlimit(RLIMIT_AS, &before_); }

 private:
  rlimit before_{};
};

/// Like FewAddresses, for descriptors: none is left. No assertion runs meanwhile: see
/// limits_test.cpp.
class NoDescriptors {
 public:
  NoDescriptors() {
    ::getrlimit(RLIMIT_NOFILE, &before_);
    rlimit none = before_;
    none.rlim_cur = 0;
    ::setrlimit(RLIMIT_NOFILE, &none);
  }
  NoDescriptors(const NoDescriptors&) = delete;
  NoDescriptors& operator=(const NoDescriptors&) = delete;
  ~NoDescriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }

 private:
  rlimit before_{};
};

}  // namespace

TEST_CASE("ArgumentBuilder: what is built in place comes back as the result without a copy, as often as it is given") {
  auto runtime = start_with_arenas(2);
  for (const std::size_t size : {std::size_t{200}, std::size_t{64} << 10, kMiB, 256 * kMiB}) {
    const tenon::Reply built = build(runtime, size);
    REQUIRE(reinterpret_cast<std::uintptr_t>(built.bytes().data()) % 16 == 0);
    for (int round = 0; round < 3; ++round) {
      const auto called = runtime.call("tenon.echo", built);
      REQUIRE(called);
      REQUIRE(called->bytes().data() == built.bytes().data());
      REQUIRE(called->bytes().size() == built.bytes().size());
      const auto submitted = runtime.submit("tenon.echo", built).get();
      REQUIRE(submitted);
      REQUIRE(submitted->bytes().data() == built.bytes().data());
    }
    REQUIRE(holds(built, size, 7));
    const auto digest = runtime.call<tenon::Bytes>("tenon.echo", built);
    REQUIRE(digest);
    REQUIRE((*digest)->data()->size() == size);
  }
}

TEST_CASE("ArgumentBuilder: one that is as small as a slot travels there") {
  auto runtime = start_with_arenas(1);
  for (const std::size_t size : {0, 1, 64}) {
    const tenon::Reply built = build(runtime, size);
    REQUIRE(segment_of(built) == 0);
    const auto reply = runtime.call("tenon.echo", built);
    REQUIRE(reply);
    REQUIRE(holds(*reply, size, 7));
  }
}

TEST_CASE("ArgumentBuilder: a hint that was too small costs a copy and nothing else") {
  auto runtime = start_with_arenas(1);
  for (const std::size_t hint : {std::size_t{1}, std::size_t{5000}, kMiB, 3 * kMiB}) {
    const tenon::Reply at_once = build(runtime, 5 * kMiB, 3, hint);
    REQUIRE(segment_of(at_once) > tenon::internal::kFirstSegment);
    REQUIRE(holds(at_once, 5 * kMiB, 3));
    // The argument grows step by step, from the arena into separate segments.
    auto argument = runtime.build_argument(hint);
    REQUIRE(argument);
    std::vector<flatbuffers::Offset<flatbuffers::String>> lines;
    for (int i = 0; i < 40'000; ++i) {
      lines.push_back(argument->flatbuffer().CreateString("line " + std::to_string(i) + std::string(100, '.')));
    }
    const auto data = argument->flatbuffer().CreateVector(tenon::Buffer(1000, 9));
    const auto grown = argument->finish(tenon::CreateBytes(argument->flatbuffer(), data, lines[12'345]));
    REQUIRE(grown);
    REQUIRE(segment_of(*grown) > tenon::internal::kFirstSegment);
    const auto reply = runtime.call<tenon::Bytes>("tenon.echo", *grown);
    REQUIRE(reply);
    REQUIRE(reply->reply().bytes().data() == grown->bytes().data());
    REQUIRE((*reply)->origin()->str() == "line 12345" + std::string(100, '.'));
    REQUIRE((*reply)->data()->size() == 1000);
  }
}

TEST_CASE("ArgumentBuilder: raw bytes from elsewhere are committed where they were read to") {
  auto runtime = start_with_arenas(1);
  const auto finished = tenon::test::bytes_argument(std::string(3 * kMiB, 'x'));
  auto argument = runtime.build_argument(finished.GetSize() + 100);
  REQUIRE(argument);
  const tenon::MutableBytesView bytes = argument->bytes();
  REQUIRE(bytes.size() >= finished.GetSize() + 100);
  std::copy_n(finished.GetBufferPointer(), finished.GetSize(), bytes.begin() + 32);
  REQUIRE(argument->commit(1, 16).error().code == ErrorCode::kInvalidArgument);
  REQUIRE(argument->commit(0, bytes.size() + 1).error().code == ErrorCode::kInvalidArgument);
  REQUIRE(argument->commit(~std::size_t{15}, 16).error().code == ErrorCode::kInvalidArgument);
  const auto built = argument->commit(32, finished.GetSize());
  REQUIRE(built);
  REQUIRE(built->bytes().data() == bytes.data() + 32);
  const auto reply = runtime.call("tenon.echo", *built);
  REQUIRE(reply);
  REQUIRE(reply->bytes().data() == built->bytes().data());
  REQUIRE(holds(*reply, 3 * kMiB, 'x'));
}

TEST_CASE("ArgumentBuilder: what is finished is out of its hands") {
  auto runtime = start_with_arenas(1);
  auto argument = runtime.build_argument(2 * kMiB);
  REQUIRE(argument);
  REQUIRE(argument->finish(flatbuffers::Offset<tenon::Bytes>(8)).error().code == ErrorCode::kInvalidArgument);
  auto& builder = argument->flatbuffer();
  const auto data = builder.CreateVector(tenon::Buffer(kMiB, 1));
  REQUIRE(argument->bytes().empty());
  REQUIRE(argument->commit(0, 16).error().code == ErrorCode::kInvalidArgument);
  const auto built = argument->finish(tenon::CreateBytes(builder, data));
  REQUIRE(built);
  REQUIRE(argument->bytes().empty());
  REQUIRE(argument->commit(0, 16).error().code == ErrorCode::kInvalidArgument);
  REQUIRE(argument->finish(flatbuffers::Offset<tenon::Bytes>(8)).error().code == ErrorCode::kInvalidArgument);
  auto moved = std::move(*argument);
  REQUIRE(argument->commit(0, 16).error().code == ErrorCode::kInvalidArgument);
  REQUIRE(moved.bytes().empty());
}

TEST_CASE("ArgumentBuilder: built arguments outlive the runtime, and builders too") {
  tenon::Reply built;
  std::optional<tenon::ArgumentBuilder> open;
  {
    auto runtime = start_with_arenas(1);
    built = build(runtime, 2 * kMiB, 5);
    open = *runtime.build_argument(2 * kMiB);
    const auto data = open->flatbuffer().CreateVector(tenon::Buffer(kMiB, 6));
    static_cast<void>(data);
  }
  REQUIRE(holds(built, 2 * kMiB, 5));
  const auto data = open->flatbuffer().CreateVector(tenon::Buffer(kMiB, 8));
  const auto late = open->finish(tenon::CreateBytes(open->flatbuffer(), data));
  REQUIRE(late);
  REQUIRE(holds(*late, kMiB, 8));
}

TEST_CASE("Runtime: arguments of another runtime reach its workers as copies") {
  auto first = start_with_arenas(1);
  auto second = start_with_arenas(1);
  for (const std::size_t size : {std::size_t{1000}, 2 * kMiB}) {
    const tenon::Reply theirs = build(first, size, 1);
    const tenon::Reply ours = build(second, size, 2);
    const auto reply = second.call("tenon.echo", theirs);
    REQUIRE(reply);
    REQUIRE(holds(*reply, size, 1));
    REQUIRE(reply->bytes().data() != theirs.bytes().data());
    REQUIRE(holds(ours, size, 2));
  }
}

TEST_CASE("Runtime: large arguments that are copied in take turns in one segment") {
  auto runtime = start_with_arenas(1);
  const auto argument = tenon::test::bytes_argument(std::string(8 * kMiB, 'a'));
  const tenon::BytesView bytes(argument.GetBufferPointer(), argument.GetSize());
  std::uint32_t segment = 0;
  {
    const auto reply = runtime.call("tenon.echo", bytes);
    REQUIRE(reply);
    segment = segment_of(*reply);
  }
  const std::size_t descriptors = *tenon::internal::open_descriptor_count();
  for (int round = 0; round < 10; ++round) {
    const auto reply = runtime.call("tenon.echo", bytes);
    REQUIRE(reply);
    REQUIRE(segment_of(*reply) == segment);
    REQUIRE(holds(*reply, 8 * kMiB, 'a'));
    REQUIRE(*tenon::internal::open_descriptor_count() == descriptors);
  }
}

TEST_CASE("Runtime: memory of large arguments goes back to the system while it is idle") {
  auto runtime = start_with_arenas(1);
  const std::size_t before = *tenon::internal::open_descriptor_count();
  {
    std::vector<tenon::Reply> held;
    for (int i = 0; i < 5; ++i) {
      held.push_back(build(runtime, 2 * kMiB));
    }
    REQUIRE(*tenon::internal::open_descriptor_count() == before + 5);
  }
  REQUIRE(*tenon::internal::open_descriptor_count() == before + 5);
  for (int i = 0; i < 3000 && *tenon::internal::open_descriptor_count() > before; ++i) {
    std::this_thread::sleep_for(10ms);
  }
  REQUIRE(*tenon::internal::open_descriptor_count() == before);
}

TEST_CASE("Runtime: without a cache each large argument is given back at once") {
  auto runtime = start_with_arenas(1, 0);
  const std::size_t before = *tenon::internal::open_descriptor_count();
  for (int i = 0; i < 3; ++i) {
    REQUIRE(runtime.call("tenon.discard", build(runtime, 2 * kMiB)));
  }
  REQUIRE(*tenon::internal::open_descriptor_count() == before);
}

TEST_CASE("Runtime: a worker that is killed with a large argument costs its call and nothing else") {
  auto runtime = start_with_arenas(1);
  const tenon::Reply built = build(runtime, 8 * kMiB, 4);
  const auto params = tenon::test::params_from_json(runtime, "tenon.fail", R"({"mode": "hang"})");
  REQUIRE(params);
  tenon::CallOptions options;
  options.params = *params;
  REQUIRE(runtime.call("tenon.echo", built));
  const std::size_t descriptors = *tenon::internal::open_descriptor_count();
  for (int round = 0; round < 3; ++round) {
    const std::int64_t pid = tenon::test::stats_of_all_workers(runtime).workers.at(0).pid;
    const auto hanging = runtime.submit("tenon.fail", built, options);
    for (int i = 0; i < 1000 && runtime.stats().running == 0; ++i) {
      std::this_thread::sleep_for(5ms);
    }
    // The worker reports the call as running when it starts: it has mapped the argument, or is
    // about to.
    std::this_thread::sleep_for(20ms);
    REQUIRE(::kill(static_cast<pid_t>(pid), SIGKILL) == 0);
    const auto reply = hanging.get();
    REQUIRE_FALSE(reply);
    REQUIRE(reply.error().code == ErrorCode::kCrashed);
    REQUIRE(holds(built, 8 * kMiB, 4));
    const auto again = runtime.call("tenon.echo", built);
    REQUIRE(again);
    REQUIRE(again->bytes().data() == built.bytes().data());
  }
  REQUIRE(*tenon::internal::open_descriptor_count() <= descriptors + 2);
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
TEST_CASE("ArgumentBuilder: an address space that is too small is an error with the limit's name") {
  auto runtime = start_with_arenas(1);
  const auto reply = [&]() -> tenon::Result<tenon::ArgumentBuilder> {
    const FewAddresses few(16 * kMiB);
    return runtime.build_argument(256 * kMiB);
  }();
  REQUIRE_FALSE(reply);
  REQUIRE(reply.error().code == ErrorCode::kOutOfMemory);
  REQUIRE(reply.error().message.find("RLIMIT_AS") != std::string::npos);
  const tenon::Buffer large(32 * kMiB, 0);
  const auto called = [&] {
    const FewAddresses few(8 * kMiB);
    return runtime.call("tenon.discard", large);
  }();
  REQUIRE_FALSE(called);
  REQUIRE(called.error().code == ErrorCode::kOutOfMemory);
  REQUIRE(build(runtime, 256 * kMiB).bytes().size() > 256 * kMiB);
}
#endif

TEST_CASE("ArgumentBuilder: without a descriptor left it says so; one that grows goes on in private memory") {
  auto runtime = start_with_arenas(1);
  auto growing = runtime.build_argument(1000);
  REQUIRE(growing);
  std::optional<tenon::Error> refused;
  flatbuffers::Offset<flatbuffers::Vector<std::uint8_t>> data;
  const tenon::Buffer content(3 * kMiB, 5);
  {
    const NoDescriptors none;
    if (auto argument = runtime.build_argument(2 * kMiB); !argument) {
      refused = argument.error();
    }
    data = growing->flatbuffer().CreateVector(content);
  }
  REQUIRE(refused);
  REQUIRE(refused->code == ErrorCode::kUnavailable);
  const auto built = growing->finish(tenon::CreateBytes(growing->flatbuffer(), data));
  REQUIRE(built);
  REQUIRE(segment_of(*built) == 0);
  const auto reply = runtime.call("tenon.echo", *built);
  REQUIRE(reply);
  REQUIRE(holds(*reply, 3 * kMiB, 5));
}

TEST_CASE("Runtime: a full argument arena moves built arguments into segments of their own") {
  auto runtime = start_with_arenas(1, 0, kMiB);
  std::vector<tenon::Reply> held;
  for (int i = 0; i < 10; ++i) {
    held.push_back(build(runtime, 300'000, static_cast<std::uint8_t>(i)));
  }
  REQUIRE(segment_of(held.front()) == tenon::internal::kFirstSegment);
  REQUIRE(segment_of(held.back()) != tenon::internal::kFirstSegment);
  for (int i = 0; i < 10; ++i) {
    const auto reply = runtime.call("tenon.echo", held[static_cast<std::size_t>(i)]);
    REQUIRE(reply);
    REQUIRE(reply->bytes().data() == held[static_cast<std::size_t>(i)].bytes().data());
    REQUIRE(holds(*reply, 300'000, static_cast<std::uint8_t>(i)));
  }
}

TEST_CASE("Runtime: what a C++ plugin builds is aligned at both ends, so that nothing has to be moved") {
  auto runtime = start_with_arenas(1);
  for (int size = 1; size < 20; ++size) {
    const auto inner = tenon::test::bytes_argument(std::string(static_cast<std::size_t>(size), 'x'));
    std::string list;
    for (std::uint32_t i = 0; i < inner.GetSize(); ++i) {
      list += (i == 0 ? "" : ",") + std::to_string(inner.GetBufferPointer()[i]);
    }
    const auto argument = tenon::test::argument_from_json(runtime, "tenon.invoke",
                                                          R"({"task": "tenon.echo", "argument": [)" + list + "]}");
    REQUIRE(argument);
    const auto reply = runtime.call("tenon.invoke", *argument);
    REQUIRE(reply);
    REQUIRE(reply->bytes().size() % 16 == 0);
    REQUIRE(reply->bytes().size() >= inner.GetSize());
  }
}

TEST_CASE("Runtime: a result larger than its arena is an error that names the option") {
  auto runtime = start_with_arenas(1, 0, kMiB);
  flatbuffers::FlatBufferBuilder inner = tenon::test::bytes_argument(std::string(2 * kMiB, 'x'));
  const std::string task = "tenon.echo";
  const auto definition = runtime.catalog().find_task("tenon.invoke");
  REQUIRE(definition);
  std::string list;
  for (std::uint32_t i = 0; i < inner.GetSize(); ++i) {
    list += (i == 0 ? "" : ",") + std::to_string(inner.GetBufferPointer()[i]);
  }
  const auto argument =
      tenon::test::argument_from_json(runtime, "tenon.invoke", R"({"task": "tenon.echo", "argument": [)" + list + "]}");
  REQUIRE(argument);
  const auto reply = runtime.call("tenon.invoke", *argument);
  REQUIRE_FALSE(reply);
  REQUIRE(reply.error().code == ErrorCode::kTooLarge);
  REQUIRE(reply.error().message.find("result_arena_bytes") != std::string::npos);
}
