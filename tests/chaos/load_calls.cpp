#include <algorithm>
#include <chrono>
#include <cstring>
#include <deque>
#include <optional>
#include <span>
#include <utility>

#include "../integration/swap/plugins/checksum.hpp"
#include "chaos_generated.h"
#include "load.hpp"

namespace tenon::chaos {
namespace {

constexpr std::size_t kSmallBytes = 100;
constexpr std::size_t kMediumBytes = std::size_t{4} << 10;
constexpr std::size_t kLargeBytes = std::size_t{100} << 10;
constexpr std::size_t kHugeBytes = std::size_t{1300} << 10;  // Large enough for a separate block.
constexpr std::chrono::milliseconds kRunTimeout{60};

/// The source of all payloads.
const Buffer& contents() {
  static const Buffer bytes = [] {
    Buffer made(kHugeBytes + 256);
    std::uint64_t state = 1;
    for (std::uint8_t& byte : made) {
      state = state * 6364136223846793005u + 1442695040888963407u;
      byte = static_cast<std::uint8_t>(state >> 56);
    }
    return made;
  }();
  return bytes;
}

}  // namespace

/// The data that a result is checked against.
struct CallLoad::Asked {
  std::uint64_t sequence = 0;
  Way way = Way::kNone;
  std::uint32_t deaths = 1;
  bool once = false;
  bool echo = false;
  std::span<const std::uint8_t> payload;

  [[nodiscard]] const char* task() const { return once ? "chaos.once" : "chaos.again"; }
};

std::uint64_t CallLoad::calls() {
  constexpr std::uint64_t kCount = 50;
  for (std::uint64_t i = 0; i < kCount; ++i) {
    const Asked asked = ask(Kind::kCall, state_.options.mix.ways, kHugeBytes);
    end(asked, state_.runtime.call(asked.task(), build(asked), options(asked)));
  }
  return kCount;
}

std::uint64_t CallLoad::futures() {
  const std::uint64_t count = random_() % 300 + 1;
  struct Open {
    Asked asked;
    Future<Reply> future;
    Future<int> seen;
  };
  std::deque<Open> window;
  for (std::uint64_t i = 0; i < count; ++i) {
    const Asked asked = ask(Kind::kSubmit, state_.options.mix.ways, kLargeBytes);
    Open open{asked, state_.runtime.submit(asked.task(), build(asked), options(asked)), {}};
    if (random_() % 16 == 0) {
      open.seen = open.future.then([](const Result<Reply>&) { return 1; });
    }
    if (random_() % 64 == 0) {
      state_.book.entry(asked.sequence).cancelled = true;
      static_cast<void>(open.future.cancel());
    }
    window.push_back(std::move(open));
  }
  for (const Open& open : window) {
    end(open.asked, open.future.get());
    if (open.seen.valid() && !open.seen.get()) {
      state_.book.find("the continuation of call " + std::to_string(open.asked.sequence) + " did not run", false);
    }
  }
  return count;
}

std::uint64_t CallLoad::map() {
  const std::uint64_t count = random_() % 1000 + 1;
  std::vector<Asked> asked;
  asked.reserve(count);
  const bool once = random_() % 2 == 0;
  MapOptions options;
  options.ordered = random_() % 2 == 0;
  auto stream = state_.runtime.map(
      once ? "chaos.once" : "chaos.again",
      [&]() -> std::optional<BytesView> {
        if (asked.size() == count) {
          return std::nullopt;
        }
        asked.push_back(ask(Kind::kMap, state_.options.mix.ways & ~kWaysWithDeadline, kMediumBytes));
        asked.back().once = once;
        state_.book.entry(asked.back().sequence).once = once;
        return build(asked.back());
      },
      options);
  std::uint64_t next = 0;
  while (const auto item = stream.next()) {
    if (item->index >= asked.size() || (options.ordered && item->index != next)) {
      state_.book.find("a map gave the result of argument " + std::to_string(item->index) + " when that of " +
                           std::to_string(next) + " was due",
                       false);
      break;
    }
    ++next;
    end(asked[item->index], item->reply);
  }
  return count;
}

CallLoad::Asked CallLoad::ask(Kind kind, std::uint64_t ways, std::size_t largest_bytes) {
  Asked asked;
  asked.sequence = state_.book.take(1);
  asked.way = planned_way(state_.options.seed, state_.options.mix.density, ways, asked.sequence);
  constexpr std::array<std::uint32_t, 4> kDeaths = {1, 1, 2, 250};
  asked.deaths = kDeaths[random_() % kDeaths.size()];
  asked.once = random_() % 2 == 0;
  asked.echo = random_() % 4 == 0;
  const std::size_t size = payload_bytes(largest_bytes);
  asked.payload = std::span(contents()).subspan(asked.sequence % 256, size);
  Entry& entry = state_.book.entry(asked.sequence);
  entry.kind = kind;
  entry.way = asked.way;
  entry.deaths = asked.deaths;
  entry.once = asked.once;
  return asked;
}

std::size_t CallLoad::payload_bytes(std::size_t largest_bytes) {
  const std::uint64_t random = random_();
  std::size_t limit = kSmallBytes;
  if (random % 256 == 0) {
    limit = kHugeBytes;
  } else if (random % 64 == 1) {
    limit = kLargeBytes;
  } else if (random % 8 == 2) {
    limit = kMediumBytes;
  }
  return (random >> 16) % std::min(limit, largest_bytes);
}

/// Valid until the next call.
BytesView CallLoad::build(const Asked& asked) {
  builder_.Clear();
  const auto payload = builder_.CreateVector(asked.payload.data(), asked.payload.size());
  builder_.Finish(::chaos::CreateAsk(builder_, asked.sequence, static_cast<std::uint8_t>(asked.way), asked.deaths,
                                     scatter(asked.sequence), payload, asked.echo));
  return {builder_.GetBufferPointer(), builder_.GetSize()};
}

CallOptions CallLoad::options(const Asked& asked) const {
  CallOptions options;
  if ((bit(asked.way) & kWaysWithDeadline) != 0) {
    options.run_timeout = kRunTimeout;
  }
  if (asked.sequence % 7 == 0) {
    options.priority = static_cast<int>(asked.sequence % 3) - 1;
  }
  if (asked.sequence % 97 == 0) {
    options.affinity_key = "key " + std::to_string(asked.sequence % 5);
  }
  return options;
}

void CallLoad::end(const Asked& asked, const Result<Reply>& reply) {
  if (!reply) {
    return state_.book.end_badly(asked.sequence, reply.error());
  }
  const auto answer = TypedReply<::chaos::Answer>::verify(*reply);
  bool right = answer.has_value() && (*answer)->sequence() == asked.sequence &&
               (*answer)->checksum() == test::checksum(asked.sequence, asked.payload);
  if (right && asked.echo) {
    const auto* echoed = (*answer)->payload();
    right = echoed != nullptr && echoed->size() == asked.payload.size() &&
            std::memcmp(echoed->data(), asked.payload.data(), asked.payload.size()) == 0;
  }
  state_.book.end_well(asked.sequence, right);
}

}  // namespace tenon::chaos
