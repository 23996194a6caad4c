#include "storm_load.hpp"

#include <array>
#include <cstring>
#include <deque>
#include <span>
#include <utility>

#include <flatbuffers/flatbuffers.h>

#include "plugins/checksum.hpp"
#include "probe_generated.h"

namespace tenon::test {

StormCounts& StormCounts::operator+=(const StormCounts& other) {
  calls += other.calls;
  answered += other.answered;
  failed += other.failed;
  doubled += other.doubled;
  wrong_version += other.wrong_version;
  return *this;
}

/// One thread of the load.
class StormLoad::Caller {
 public:
  Caller(StormLoad& load, unsigned number) : load_(load), turn_(number), payload_(kLargeBytes) {
    std::uint64_t state = number + 1;
    for (std::uint8_t& byte : payload_) {
      state = state * 6364136223846793005u + 1442695040888963407u;
      byte = static_cast<std::uint8_t>(state >> 56);
    }
  }

  void run() {
    constexpr std::array kBursts = {&Caller::one_by_one, &Caller::deep_window, &Caller::mapped, &Caller::large,
                                    &Caller::mapped_once};
    while (!load_.stop_) {
      (this->*kBursts[turn_++ % kBursts.size()])();
      const std::lock_guard lock(load_.mutex_);
      load_.counts_ += std::exchange(counts_, {});
    }
  }

 private:
  static constexpr std::size_t kSmallBytes = 16;
  static constexpr std::size_t kMediumBytes = std::size_t{64} << 10;
  static constexpr std::size_t kLargeBytes = std::size_t{2} << 20;

  /// The data that a result is checked against.
  struct Asked {
    std::uint64_t sequence = 0;
    std::size_t payload_bytes = 0;
    std::uint64_t swaps_before = 0;
    bool echo = false;
  };

  // -- bursts -------------------------------------------------------------------------------------

  /// Synchronous calls: small ones and, now and then, one that is too large for the ring.
  void one_by_one() {
    for (int i = 0; i < 300; ++i) {
      const Asked asked = begin(i % 50 == 49 ? kMediumBytes : kSmallBytes, i % 50 == 49);
      check(asked, load_.runtime_.call(task(i), build(asked)));
    }
  }

  /// Queues many calls of both kinds of task before it takes the first result.
  void deep_window() {
    std::deque<std::pair<Asked, Future<Reply>>> window;
    for (int i = 0; i < 2000; ++i) {
      const Asked asked = begin(kSmallBytes, false);
      window.emplace_back(asked, load_.runtime_.submit(task(i), build(asked)));
    }
    for (auto& [asked, future] : window) {
      check(asked, future.get());
    }
  }

  void mapped() { map("probe.tag", true); }
  void mapped_once() { map("probe.tag_once", false); }
  void map(const char* task, bool ordered) {
    constexpr std::size_t kCount = 5000;
    std::vector<Asked> asked;
    asked.reserve(kCount);
    std::vector<bool> seen(kCount);
    MapOptions options;
    options.ordered = ordered;
    auto stream = load_.runtime_.map(
        task,
        [&]() -> std::optional<BytesView> {
          if (asked.size() == kCount) {
            return std::nullopt;
          }
          asked.push_back(begin(kSmallBytes, false));
          return build(asked.back());
        },
        options);
    while (auto item = stream.next()) {
      if (item->index >= asked.size() || seen[item->index]) {
        ++counts_.doubled;
        note("map gave the result of argument " + std::to_string(item->index) + " once more");
        continue;
      }
      seen[item->index] = true;
      check(asked[item->index], std::move(item->reply));
    }
  }

  /// Arguments and results of megabytes, built in place or copied.
  void large() {
    for (int i = 0; i < 4; ++i) {
      const Asked asked = begin(kLargeBytes, true);
      if (i % 2 == 0) {
        check(asked, load_.runtime_.call(task(i / 2), build(asked)));
        continue;
      }
      auto builder = load_.runtime_.build_argument(asked.payload_bytes + 256);
      if (!builder) {
        check(asked, fail(builder.error()));
        continue;
      }
      auto argument = builder->finish(put(builder->flatbuffer(), asked));
      check(asked, argument ? load_.runtime_.call(task(i / 2), *argument) : fail(argument.error()));
    }
  }

  // -- one call -----------------------------------------------------------------------------------

  static const char* task(int number) { return number % 2 == 0 ? "probe.tag" : "probe.tag_once"; }

  Asked begin(std::size_t payload_bytes, bool echo) {
    if (sequence_ == sequence_end_) {
      constexpr std::uint64_t kBlock = 4096;
      sequence_ = load_.progress_.next_sequence.fetch_add(kBlock);
      sequence_end_ = sequence_ + kBlock;
    }
    ++counts_.calls;
    load_.progress_.submitted.fetch_add(1, std::memory_order_relaxed);
    return {sequence_++, payload_bytes, load_.swaps_.done(), echo};
  }

  std::span<const std::uint8_t> payload(const Asked& asked) const {
    return std::span(payload_).first(asked.payload_bytes);
  }

  flatbuffers::Offset<probe::Ask> put(flatbuffers::FlatBufferBuilder& builder, const Asked& asked) {
    const auto data = builder.CreateVector(payload_.data(), asked.payload_bytes);
    return probe::CreateAsk(builder, asked.sequence, data, asked.echo);
  }

  /// Valid until the next call.
  BytesView build(const Asked& asked) {
    builder_.Clear();
    builder_.Finish(put(builder_, asked));
    return BytesView(builder_.GetBufferPointer(), builder_.GetSize());
  }

  void check(const Asked& asked, Result<Reply> reply) {
    ++counts_.answered;
    load_.progress_.ended.fetch_add(1, std::memory_order_relaxed);
    const std::uint64_t swaps_after = load_.swaps_.begun();
    const auto answer = std::move(reply).and_then(TypedReply<probe::Answer>::verify);
    if (!answer) {
      ++counts_.failed;
      return note("call " + std::to_string(asked.sequence) + " failed: " + answer.error().to_string());
    }
    const probe::Answer& got = **answer;
    if (got.sequence() != asked.sequence || got.checksum() != checksum(asked.sequence, payload(asked)) ||
        !echoes(got, asked)) {
      ++counts_.failed;
      return note("call " + std::to_string(asked.sequence) + " got the answer to call " +
                  std::to_string(got.sequence()) + ", or to another payload");
    }
    if (!may_answer(got, asked.swaps_before, swaps_after)) {
      ++counts_.wrong_version;
      note("call " + std::to_string(asked.sequence) + ", submitted after swap " + std::to_string(asked.swaps_before) +
           " and ended before swap " + std::to_string(swaps_after + 1) + ", was answered by version " +
           std::to_string(got.version()) + " with stamp " + std::to_string(got.stamp()));
    }
  }

  [[nodiscard]] bool echoes(const probe::Answer& got, const Asked& asked) const {
    if (!asked.echo) {
      return got.payload() == nullptr;
    }
    return got.payload() != nullptr && got.payload()->size() == asked.payload_bytes &&
           std::memcmp(got.payload()->data(), payload_.data(), asked.payload_bytes) == 0;
  }

  [[nodiscard]] bool may_answer(const probe::Answer& got, std::uint64_t before, std::uint64_t after) const {
    if (load_.options_.stamped) {
      return before <= got.stamp() && got.stamp() <= after && got.version() == SwapCount::version_after(got.stamp());
    }
    return got.version() == SwapCount::version_after(before) ||
           (after > before && got.version() == SwapCount::version_after(before + 1));
  }

  void note(std::string text) {
    const std::lock_guard lock(load_.mutex_);
    if (load_.trouble_.empty()) {
      load_.trouble_ = std::move(text);
    }
  }

  StormLoad& load_;
  unsigned turn_;
  std::vector<std::uint8_t> payload_;
  std::uint64_t sequence_ = 0;
  std::uint64_t sequence_end_ = 0;
  flatbuffers::FlatBufferBuilder builder_;
  StormCounts counts_;
};

StormLoad::StormLoad(Runtime& runtime, const SwapCount& swaps, StormLoadOptions options, StormProgress& progress)
    : runtime_(runtime), swaps_(swaps), options_(options), progress_(progress) {
  for (unsigned i = 0; i < options_.threads; ++i) {
    threads_.emplace_back([this, i] { Caller(*this, i).run(); });
  }
}

StormCounts StormLoad::stop() {
  stop_ = true;
  for (std::thread& thread : threads_) {
    thread.join();
  }
  threads_.clear();
  const std::lock_guard lock(mutex_);
  return counts_;
}

std::string StormLoad::trouble() const {
  const std::lock_guard lock(mutex_);
  return trouble_;
}

}  // namespace tenon::test
