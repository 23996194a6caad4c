/// The storm's load: threads that keep a runtime saturated with calls of every form and check each answer.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <tenon/runtime.hpp>

namespace tenon::test {

/// Which version is current, by the number of swaps. A call that read `done` before it was submitted, and `begun` after
/// it had ended, was answered rightly by any version from the former to the latter. Sequentially consistent: the order
/// of these reads around a call is what is checked.
class SwapCount {
 public:
  void begin() { ++begun_; }
  void end() { ++done_; }
  [[nodiscard]] std::uint64_t begun() const { return begun_; }
  [[nodiscard]] std::uint64_t done() const { return done_; }
  /// Swaps go to and fro between versions 1 and 2.
  [[nodiscard]] static std::uint32_t version_after(std::uint64_t swaps) { return swaps % 2 == 0 ? 1 : 2; }

 private:
  std::atomic<std::uint64_t> begun_ = 0;
  std::atomic<std::uint64_t> done_ = 0;
};

struct StormCounts {
  std::uint64_t calls = 0;          ///< Submitted.
  std::uint64_t answered = 0;       ///< Ended, well or not.
  std::uint64_t failed = 0;         ///< Ended with an error, or with an answer to something else.
  std::uint64_t doubled = 0;        ///< Answered once more.
  std::uint64_t wrong_version = 0;  ///< Answered by a version that was not current at any moment of the call.

  StormCounts& operator+=(const StormCounts& other);
};

/// Of all loads of a storm; calls that are submitted and have not ended are on their way, or lost. Relaxed: figures.
struct StormProgress {
  std::atomic<std::uint64_t> submitted = 0;
  std::atomic<std::uint64_t> ended = 0;
  std::atomic<std::uint64_t> next_sequence = 1;
};

struct StormLoadOptions {
  unsigned threads = 4;
  /// Each swap has a content of its own, stamped with its number.
  bool stamped = false;
};

/// Begins with the object; ends with `stop`, which returns all counts.
class StormLoad {
 public:
  StormLoad(Runtime& runtime, const SwapCount& swaps, StormLoadOptions options, StormProgress& progress);
  StormLoad(const StormLoad&) = delete;
  StormLoad& operator=(const StormLoad&) = delete;
  ~StormLoad() { (void)stop(); }

  StormCounts stop();
  /// What was wrong first; empty when nothing was.
  [[nodiscard]] std::string trouble() const;

 private:
  class Caller;
  Runtime& runtime_;
  const SwapCount& swaps_;
  const StormLoadOptions options_;
  StormProgress& progress_;
  std::atomic<bool> stop_ = false;
  mutable std::mutex mutex_;  // Guards what follows.
  StormCounts counts_;
  std::string trouble_;
  std::vector<std::thread> threads_;
};

}  // namespace tenon::test
