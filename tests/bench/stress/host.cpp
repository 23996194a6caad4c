#include "stress/host.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <deque>
#include <memory>
#include <string>
#include <thread>

#include "harness/measure.hpp"
#include "ipc/arena.hpp"
#include "ipc/host_end.hpp"
#include "ipc/segment_table.hpp"
#include "platform/process.hpp"
#include "platform/reactor/poller.hpp"
#include "stress/message.hpp"
#include "stress/worker.hpp"
#include "tenon_test/check.hpp"

namespace tenon::bench {
namespace {

using namespace tenon::internal;
using std::chrono::microseconds;

constexpr std::uint32_t kSlots = 256;
constexpr std::uint64_t kArenaBytes = std::uint64_t{64} << 20;
constexpr std::chrono::seconds kPatience{30};

/// An error, which ends the test.
struct Wrong {
  std::string what;
};

class StressHost {
 public:
  explicit StressHost(std::uint64_t messages)
      : messages_(messages),
        end_(TENON_VALUE(HostEnd::create({.worker_name = "stress", .slot_count = kSlots, .release_count = 64}))),
        bell_(TENON_VALUE(EventBell::create())),
        poller_(TENON_VALUE(Poller::create())),
        arguments_(TENON_VALUE(Arena::create("arguments", kArgumentSegment, kArenaBytes, true))),
        worker_(start_worker()) {
    TENON_CHECK(poller_.add(bell_.descriptor(), 1).has_value());
    end_.close_descriptors();
  }

  void run() {
    while (ran_ < messages_) {
      send_batch();
      maybe_take_back();
      maybe_pause();
      take_answers();
      // Sometimes it waits for all messages, so that both sides run dry; otherwise only until half
      // of the room is free.
      if (ran_ < messages_ && (all_sent() || end_.in_flight() >= most_in_flight_)) {
        wait();
      }
      if (++batches_ % 512 == 0) {
        const std::uint64_t random = scatter(batches_);
        batch_ = kBatches[random % std::size(kBatches)];
        most_in_flight_ = 1 + (random >> 8) % (kSlots - 1);
      }
    }
    finish();
  }

  void print(double took_s) const {
    std::printf(
        "messages %llu, %.2f M/s, %.1f s; %.1f GB there, %.1f GB back; through arenas %llu; taken back %llu, too late "
        "%llu; pauses %llu; waits by word %llu, by descriptor %llu\n",
        static_cast<unsigned long long>(ran_), static_cast<double>(ran_) / took_s / 1e6, took_s,
        static_cast<double>(sent_bytes_) / 1e9, static_cast<double>(received_bytes_) / 1e9,
        static_cast<unsigned long long>(arena_blocks_), static_cast<unsigned long long>(taken_back_),
        static_cast<unsigned long long>(too_late_), static_cast<unsigned long long>(pauses_),
        static_cast<unsigned long long>(word_waits_), static_cast<unsigned long long>(bell_waits_));
  }

  void end_worker() { worker_.kill(); }

 private:
  static constexpr std::uint64_t kBatches[] = {1, 2, 7, 41, kSlots};

  /// A message under way; the oldest comes first.
  struct Sent {
    std::uint64_t sequence = 0;
    std::uint64_t position = 0;
    BlockRef block;  ///< In the argument arena; absent if the argument is inline.
  };

  Process start_worker() {
    SharedMemory results = TENON_VALUE(SharedMemory::create("results", kArenaBytes));
    TENON_CHECK(results.seal({.shrink = true, .grow = true}).has_value());
    Mapping view = TENON_VALUE(results.map(Access::kReadOnly));
    TENON_CHECK(segments_.add(kResultSegment, std::make_shared<const Mapping>(std::move(view))).has_value());
    return TENON_VALUE(Process::spawn({.executable = "/proc/self/exe",
                                       .arguments = {"--worker"},
                                       .descriptors = {{end_.submission_descriptor().get(), kSubmissions},
                                                       {end_.completion_descriptor().get(), kCompletions},
                                                       {bell_.descriptor().get(), kBell},
                                                       {arguments_.descriptor().get(), kArguments},
                                                       {results.descriptor().get(), kResults}}}));
  }

  void send_batch() {
    constexpr MessageForm kForm = MessageForm::argument();
    for (std::uint64_t i = 0; i < batch_ && !all_sent() && end_.free_slots() > 0; ++i) {
      const std::size_t size_bytes = kForm.size_bytes(next_);
      SubmissionDescriptor call;
      call.call_id = next_;
      if (kForm.is_inline(next_)) {
        alignas(16) std::uint8_t bytes[kSubmissionInlineBytes];
        kForm.write(next_, bytes);
        sent_.push_back({next_, TENON_VALUE(end_.push(call, BytesView(bytes, size_bytes))), {}});
      } else {
        const auto block = arguments_.allocate(size_bytes);
        if (!block) {
          break;  // The ring is full; completions free it.
        }
        kForm.write(next_, block->bytes.data());
        call.argument = block->ref;
        sent_.push_back({next_, TENON_VALUE(end_.push(call)), block->ref});
        ++arena_blocks_;
      }
      sent_bytes_ += size_bytes;
      ++next_;
    }
    end_.publish();
  }

  /// Revoked messages do not count; others are sent in their place.
  [[nodiscard]] bool all_sent() const { return ran_ + sent_.size() >= messages_; }

  /// Revokes a message, which races with its start in the worker, and forgets it: its number is
  /// skipped.
  void maybe_take_back() {
    const std::uint64_t random = scatter(next_ ^ batches_);
    if (sent_.empty() || random % 64 != 0) {
      return;
    }
    // One of the oldest messages is about to start; the worker may not have seen the newest yet.
    const auto oldest = static_cast<std::ptrdiff_t>((random >> 8) % std::min<std::size_t>(8, sent_.size()));
    const auto message = random >> 32 & 1 ? sent_.begin() + oldest : sent_.end() - 1;
    if (end_.revoke(message->position) == Revoked::kTaken) {
      give_back(*message);
      sent_.erase(message);
      ++taken_back_;
    } else {
      ++too_late_;  // Its completion shows whether it ran.
    }
  }

  void maybe_pause() {
    const std::uint64_t random = scatter(next_ ^ 0xa5);
    if (random % (kMessagesPerPause / 20) == 0) {  // Checked once for about twenty messages.
      std::this_thread::sleep_for(microseconds(pause_us(random >> 20)));
      ++pauses_;
    }
  }

  void take_answers() {
    Completion completion;
    while (TENON_VALUE(end_.pop(completion))) {
      if (sent_.empty()) {
        throw Wrong{"an answer came to nothing: call " + std::to_string(completion.descriptor.call_id)};
      }
      const Sent oldest = sent_.front();
      sent_.pop_front();
      if (completion.descriptor.call_id != oldest.sequence) {
        throw Wrong{"the answer to call " + std::to_string(completion.descriptor.call_id) + " came where that to " +
                    std::to_string(oldest.sequence) + " was due"};
      }
      give_back(oldest);
      if (completion.descriptor.kind == CompletionKind::kReturned) {
        ++taken_back_;
        continue;
      }
      const BytesView result =
          TENON_VALUE(segments_.resolve(completion.descriptor.payload, completion.inline_payload(), "result"));
      if (!MessageForm::result().check(oldest.sequence, result)) {
        throw Wrong{"the result of call " + std::to_string(oldest.sequence) + ", " + std::to_string(result.size()) +
                    " bytes, is not whole"};
      }
      received_bytes_ += result.size();
      if (!completion.descriptor.payload.is_inline()) {
        end_.release(completion.descriptor.payload);
        ++arena_blocks_;
      }
      ++ran_;
    }
    end_.flush_releases();
  }

  void give_back(const Sent& message) {
    if (!message.block.absent()) {
      TENON_CHECK(arguments_.free(message.block).has_value());
    }
  }

  void wait() {
    if (end_.in_flight() == 0) {
      return;
    }
    const MonotonicNs deadline_ns = deadline_after(kPatience);
    if (scatter(batches_ ^ 0x77) % 4 == 0) {
      ++bell_waits_;
      if (end_.arm_event_bell()) {
        if (TENON_VALUE(poller_.wait(deadline_ns)).empty()) {
          throw_silence();
        }
        end_.disarm();
        static_cast<void>(bell_.drain());
      }
      return;
    }
    ++word_waits_;
    if (end_.wait(spin_, deadline_ns) == WaitResult::kTimeout) {
      throw_silence();
    }
  }

  [[noreturn]] void throw_silence() {
    const auto status = TENON_VALUE(worker_.wait(monotonic_now_ns()));
    throw Wrong{"no answer for " + std::to_string(kPatience.count()) + " s with " + std::to_string(sent_.size()) +
                " calls under way; the worker " +
                (status ? "has ended with " + status->to_string() : std::string("still runs"))};
  }

  /// Stops the worker and compares its counts.
  void finish() {
    Completion completion;
    (void)TENON_VALUE(end_.push({.call_id = kLastCall, .argument = {}, .checkpoint = {}}));
    end_.publish();
    while (!TENON_VALUE(end_.pop(completion))) {
      if (end_.wait(spin_, deadline_after(kPatience)) == WaitResult::kTimeout) {
        throw_silence();
      }
    }
    std::uint64_t worker_ran = 0;
    TENON_CHECK(completion.inline_payload().size() == sizeof worker_ran);
    std::memcpy(&worker_ran, completion.inline_bytes.data(), sizeof worker_ran);
    if (worker_ran != ran_) {
      throw Wrong{"the worker ran " + std::to_string(worker_ran) + " calls, and " + std::to_string(ran_) +
                  " were answered"};
    }
    const auto status = TENON_VALUE(worker_.wait(deadline_after(kPatience)));
    if (!status || !status->success()) {
      throw Wrong{"the worker ended with " + (status ? status->to_string() : std::string("nothing"))};
    }
    if (arguments_.allocator().ranges_in_use() != 0) {
      throw Wrong{std::to_string(arguments_.allocator().ranges_in_use()) + " argument blocks were never freed"};
    }
  }

  std::uint64_t messages_;
  HostEnd end_;
  EventBell bell_;
  Poller poller_;
  Arena arguments_;
  SegmentTable segments_;
  Process worker_;
  AdaptiveSpin spin_;
  std::deque<Sent> sent_;
  std::uint64_t next_ = 1;  // Sequence number of the next message.
  std::uint64_t ran_ = 0;   // Messages that the worker has run and completed.
  std::uint64_t batch_ = 7;
  std::uint64_t most_in_flight_ = kSlots / 2;
  std::uint64_t batches_ = 0;
  std::uint64_t sent_bytes_ = 0;
  std::uint64_t received_bytes_ = 0;
  std::uint64_t arena_blocks_ = 0;
  std::uint64_t taken_back_ = 0;
  std::uint64_t too_late_ = 0;
  std::uint64_t pauses_ = 0;
  std::uint64_t word_waits_ = 0;
  std::uint64_t bell_waits_ = 0;
};

}  // namespace

int run_stress_host(std::uint64_t messages) {
  StressHost host(messages);
  const Clock::time_point begin = Clock::now();
  try {
    host.run();
  } catch (const Wrong& wrong) {
    std::fprintf(stderr, "bench_stress: error: %s\n", wrong.what.c_str());
    host.print(seconds(Clock::now() - begin));
    std::puts("errors 1");
    host.end_worker();
    return 1;
  }
  host.print(seconds(Clock::now() - begin));
  std::puts("errors 0");
  return 0;
}

}  // namespace tenon::bench
