#include "ipc/message_ring.hpp"

#include <array>
#include <atomic>
#include <cstring>
#include <vector>

#include "tenon_test/catch.hpp"

using namespace tenon::internal;
using tenon::Buffer;
using tenon::ErrorCode;

namespace {

struct RingPair {
  std::atomic<std::uint64_t> tail{0};
  std::atomic<std::uint64_t> head{0};
  std::vector<std::uint8_t> bytes = std::vector<std::uint8_t>(kMessageRingBytes);
  MessageWriter writer{tail, bytes.data(), head};
  MessageReader reader{tail, bytes.data(), head};

  bool write(std::size_t size_bytes, std::uint8_t fill) { return writer.write(Buffer(size_bytes, fill)).value(); }
};

}  // namespace

TEST_CASE("MessageRing: messages arrive whole and in order, also around the ring's end") {
  RingPair pair;
  Buffer message;
  CHECK_FALSE(pair.reader.read(message).value());
  std::uint8_t fill = 0;
  for (std::size_t total = 0; total < 5 * kMessageRingBytes;) {
    for (const std::size_t size :
         {std::size_t{1}, std::size_t{8}, std::size_t{4099}, std::size_t{kMaxWorkerMessageBytes}}) {
      ++fill;
      REQUIRE(pair.write(size, fill));
      REQUIRE(pair.reader.read(message).value());
      REQUIRE(message == Buffer(size, fill));
      total += size;
    }
  }
  CHECK_FALSE(pair.reader.read(message).value());
}

TEST_CASE("MessageRing: a full ring refuses a message until the host has read one") {
  RingPair pair;
  std::size_t written = 0;
  while (pair.write(kMaxWorkerMessageBytes, 7)) {
    ++written;
    REQUIRE(written <= kMessageRingBytes / kMaxWorkerMessageBytes);
  }
  Buffer message;
  REQUIRE(pair.reader.read(message).value());
  CHECK(pair.write(kMaxWorkerMessageBytes, 8));
}

TEST_CASE("MessageRing: empty and oversized messages are refused") {
  RingPair pair;
  CHECK(pair.writer.write({}).error().code == ErrorCode::kInvalidArgument);
  CHECK(pair.writer.write(Buffer(kMaxWorkerMessageBytes + 1)).error().code == ErrorCode::kTooLarge);
}

TEST_CASE("MessageRing: what a hostile worker writes is found out") {
  RingPair pair;
  REQUIRE(pair.write(100, 1));
  const auto write_size = [&](std::uint64_t size) { std::memcpy(pair.bytes.data(), &size, sizeof size); };
  Buffer message;
  SECTION("a tail beyond the ring") {
    pair.tail = kMessageRingBytes + 1;
  }
  SECTION("a tail that goes back") {
    pair.tail = ~std::uint64_t{0};
  }
  SECTION("a tail within a size") {
    pair.tail = 4;
  }
  SECTION("an empty message") {
    write_size(0);
  }
  SECTION("a size beyond the tail") {
    write_size(200);
  }
  SECTION("a size beyond the limit") {
    write_size(kMaxWorkerMessageBytes + 1);
  }
  SECTION("a size that overflows") {
    write_size(~std::uint64_t{0} - 3);
  }
  CHECK(pair.reader.read(message).error().code == ErrorCode::kCorrupt);
}
