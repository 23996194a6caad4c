#include "stress/worker.hpp"

#include <cstdio>
#include <thread>

#include "ipc/arena.hpp"
#include "ipc/segment_table.hpp"
#include "ipc/worker_end.hpp"
#include "stress/message.hpp"
#include "tenon_test/check.hpp"

namespace tenon::bench {
namespace {

using namespace tenon::internal;

constexpr int kBadMessage = 4;

class StressWorker {
 public:
  StressWorker()
      : end_(TENON_VALUE(WorkerEnd::attach(FileDescriptor(kSubmissions), FileDescriptor(kCompletions),
                                           EventBell(FileDescriptor(kBell))))),
        results_(TENON_VALUE(
            Arena::over(TENON_VALUE(SharedMemory::adopt(FileDescriptor(kResults), {.shrink = true, .grow = true})),
                        kResultSegment))) {
    const auto arguments = TENON_VALUE(map_foreign_segment(FileDescriptor(kArguments)));
    TENON_CHECK(segments_.add(kArgumentSegment, arguments).has_value());
  }

  int run() {
    for (;;) {
      const auto next = TENON_VALUE(end_.begin());
      if (!next) {
        static_cast<void>(end_.wait(spin_, deadline_after(std::chrono::seconds(60))));
        continue;
      }
      const std::uint64_t sequence = next->descriptor.call_id;
      if (sequence == kLastCall) {
        const auto count = BytesView(reinterpret_cast<const std::uint8_t*>(&run_), sizeof run_);
        TENON_CHECK(end_.finish({}, count).has_value());
        end_.publish();
        end_.ring();
        return 0;
      }
      const BytesView argument =
          TENON_VALUE(segments_.resolve(next->descriptor.argument, next->inline_payload, "argument"));
      if (sequence <= last_ || !MessageForm::argument().check(sequence, argument)) {
        std::fprintf(stderr, "bench_stress: worker: call %llu after %llu carries a wrong message of %zu bytes\n",
                     static_cast<unsigned long long>(sequence), static_cast<unsigned long long>(last_),
                     argument.size());
        return kBadMessage;
      }
      last_ = sequence;
      ++run_;
      answer(sequence);
      pause(sequence);
    }
  }

 private:
  void answer(std::uint64_t sequence) {
    constexpr MessageForm kForm = MessageForm::result();
    const std::size_t size_bytes = kForm.size_bytes(sequence);
    if (kForm.is_inline(sequence)) {
      alignas(16) std::uint8_t bytes[kCompletionInlineBytes];
      kForm.write(sequence, bytes);
      TENON_CHECK(end_.finish({}, BytesView(bytes, size_bytes)).has_value());
    } else {
      const ArenaBlock block = allocate(size_bytes);
      kForm.write(sequence, block.bytes.data());
      TENON_CHECK(end_.finish({.payload = block.ref}).has_value());
    }
    // Completions are batched while more work waits; sometimes each is published at once.
    if (scatter(sequence) % 4 == 0 || !end_.has_submission() || end_.unpublished() >= 16) {
      end_.publish();
    }
  }

  ArenaBlock allocate(std::size_t size_bytes) {
    for (;;) {
      while (const auto block = end_.pop_release()) {
        TENON_CHECK(results_.free(*block).has_value());
      }
      if (auto block = results_.allocate(size_bytes)) {
        return *block;
      }
      end_.publish();  // The host frees blocks only for completions that it can see.
      end_.ring();
      std::this_thread::yield();
    }
  }

  void pause(std::uint64_t sequence) {
    const std::uint64_t random = scatter(sequence ^ 0x5eed);
    if (random % kMessagesPerPause == 0) {
      end_.publish();
      end_.ring();
      std::this_thread::sleep_for(std::chrono::microseconds(pause_us(random >> 20)));
    }
  }

  WorkerEnd end_;
  Arena results_;
  SegmentTable segments_;
  AdaptiveSpin spin_;
  std::uint64_t last_ = 0;
  std::uint64_t run_ = 0;
};

}  // namespace

int run_stress_worker() {
  return StressWorker().run();
}

}  // namespace tenon::bench
