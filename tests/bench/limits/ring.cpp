#include <array>
#include <atomic>
#include <cstdint>

#include "harness/child.hpp"
#include "limits/limits.hpp"
#include "platform/doorbell.hpp"

namespace tenon::bench {
namespace {

constexpr std::uint64_t kSlots = 1024;

struct alignas(64) Message {
  std::uint64_t sequence = 0;
  std::array<std::uint64_t, 7> payload{};
};
static_assert(sizeof(Message) == 64);

/// A ring with one writer and one reader. Each publishes all that it has at once.
struct Ring {
  Line<std::atomic<std::uint64_t>> tail;  ///< Written so far.
  Line<std::atomic<std::uint64_t>> head;  ///< Read so far.
  std::array<Message, kSlots> slots;
};

struct Rings {
  Ring there;
  Ring back;
};

constexpr std::uint64_t kStop = ~std::uint64_t{0};

void answer_all(Rings& rings) {
  std::uint64_t at = 0;
  for (bool stop = false; !stop;) {
    const std::uint64_t end = rings.there.tail.value.load(std::memory_order_acquire);
    if (at == end) {
      internal::cpu_relax();
      continue;
    }
    // The ring for the way back has room: at most one ring of messages is in flight.
    for (; at < end; ++at) {
      const Message& message = rings.there.slots[at % kSlots];
      stop = stop || message.sequence == kStop;
      rings.back.slots[at % kSlots] = message;
    }
    rings.there.head.value.store(at, std::memory_order_release);
    rings.back.tail.value.store(at, std::memory_order_release);
  }
}

}  // namespace

void ring_round_trip(const Settings& settings) {
  const auto rings = make_shared_object<Rings>();
  const Child child([&] { answer_all(*rings); });
  constexpr std::uint64_t kBatch = 64;
  std::uint64_t sent = 0;
  std::uint64_t received = 0;
  const auto send = [&](std::uint64_t sequence) {
    rings->there.slots[sent % kSlots] = {.sequence = sequence, .payload = {sequence}};
    ++sent;
  };
  const auto publish = [&] { rings->there.tail.value.store(sent, std::memory_order_release); };
  const auto exchange = [&](std::uint64_t count) {
    const std::uint64_t goal = sent + count;
    while (received < goal) {
      for (std::uint64_t i = 0; i < kBatch && sent < goal && sent - received < kSlots; ++i) {
        send(sent);
      }
      publish();
      const std::uint64_t end = rings->back.tail.value.load(std::memory_order_acquire);
      for (; received < end; ++received) {
        TENON_CHECK(rings->back.slots[received % kSlots].sequence == received);
      }
    }
  };
  const std::uint64_t count = settings.pick<std::uint64_t>(1'000'000, 500'000);
  std::vector<double> rates;
  exchange(count / 10);
  for (int sample = 0; sample < settings.pick(8, 3); ++sample) {
    rates.push_back(static_cast<double>(count) / time_once([&] { exchange(count); }) * 1e6);
  }
  report("limit.ring.64B", "calls/s", rates);
  send(kStop);
  publish();
}

}  // namespace tenon::bench
