#include "host/storage.hpp"

#include <numeric>

#include "tenon_test/catch.hpp"

using namespace tenon::internal;

namespace {

tenon::Buffer pattern(std::size_t size) {
  tenon::Buffer bytes(size);
  std::iota(bytes.begin(), bytes.end(), std::uint8_t{1});
  return bytes;
}

struct Memory {
  EventBell bell = std::move(*EventBell::create());
  std::shared_ptr<Retired> retired = std::make_shared<Retired>(EventBell(std::move(*bell.descriptor().duplicate())));
  std::shared_ptr<ArgumentMemory> arguments = *ArgumentMemory::create({.arena_bytes = std::uint64_t{4} << 20}, retired);
};

}  // namespace

TEST_CASE("copy_to_host: keeps the bytes, aligned, whatever the size") {
  for (const std::size_t size : {0, 1, 192, 193, 100'000}) {
    const tenon::Buffer bytes = pattern(size);
    const StoredBytes copy = copy_to_host(bytes);
    REQUIRE(tenon::Buffer(copy.bytes.begin(), copy.bytes.end()) == bytes);
    REQUIRE(reinterpret_cast<std::uintptr_t>(copy.bytes.data()) % 16 == 0);
    REQUIRE_FALSE(copy.place());
  }
}

TEST_CASE("ArgumentMemory: small ones share the arena, which gets them back") {
  const Memory memory;
  for (int round = 0; round < 100; ++round) {
    const auto stored = memory.arguments->store(pattern(500'000));
    REQUIRE(stored);
    REQUIRE(stored->place()->segment == kFirstSegment);
    REQUIRE(stored->place()->size_bytes == 500'000);
  }
}

TEST_CASE("ArgumentMemory: a full arena is an error, and a segment apart still works") {
  const Memory memory;
  std::vector<StoredBytes> held;
  for (;;) {
    auto stored = memory.arguments->store(pattern(700'000));
    if (!stored) {
      REQUIRE(stored.error().code == tenon::ErrorCode::kOutOfMemory);
      break;
    }
    held.push_back(std::move(*stored));
  }
  REQUIRE(held.size() >= 4);
  REQUIRE(memory.arguments->store_apart(pattern(10)));
}

TEST_CASE("ArgumentMemory: a large one is a segment of its own, whose end is told") {
  const Memory memory;
  std::uint32_t number = 0;
  {
    const auto stored = memory.arguments->store(pattern(3'000'000));
    REQUIRE(stored);
    number = stored->place()->segment;
    REQUIRE(number != kFirstSegment);
    REQUIRE(memory.retired->take().segments.empty());
  }
  REQUIRE(memory.retired->take().segments == std::vector<std::uint32_t>{number});
  REQUIRE(memory.bell.drain());
}
