/// The load of the storm: threads that keep a runtime saturated with calls of every form and check
/// each result.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <tenon/runtime.hpp>

namespace tenon::test {

/// Counts swaps, which determine the current version. A call that read `done` before its submission
/// and `begun` after its completion may have used any version from the former to the latter.
/// Sequentially consistent: the test relies on the order of these reads around a call.
class SwapCount {
 public:
  void begin() { ++begun_; }
  void end() { ++done_; }
  [[nodiscard]] std::uint64_t begun() const { return begun_; }
  [[nodiscard]] std::uint64_t done() const { return done_; }
  /// Swaps alternate between versions 1 and 2.
  [[nodiscard]] static std::uint32_t version_after(std::uint64_t swaps) { return swaps % 2 == 0 ? 1 : 2; }

 private:
  std::atomic<std::uint64_t> begun_ = 0;
  std::atomic<std::uint64_t> done_ = 0;
};

struct StormCounts {
  std::uint64_t calls = 0;          ///< Submitted calls.
  std::uint64_t answered = 0;       ///< Calls that ended, with or without an error.
  std::uint64_t failed = 0;         ///< Calls that ended with an error, or with the result of
                                    ///< another call.
  std::uint64_t doubled = 0;        ///< Calls that ended more than once.
  std::uint64_t wrong_version = 0;  ///< Calls that were run by a version that was not current at
                                    ///< any moment of the call.

  StormCounts& operator+=(const StormCounts& other);
};

/// Totals of all loads of a storm. Calls that are submitted and have not ended are under way, or
/// lost. Relaxed: these are only statistics.
struct StormProgress {
  std::atomic<std::uint64_t> submitted = 0;
  std::atomic<std::uint64_t> ended = 0;
  std::atomic<std::uint64_t> next_sequence = 1;
};

struct StormLoadOptions {
  unsigned threads = 4;
  /// Each swap has a different content, stamped with its number.
  bool stamped = false;
};

/// Starts with construction; ends with `stop`, which returns all counts.
class StormLoad {
 public:
  StormLoad(Runtime& runtime, const SwapCount& swaps, StormLoadOptions options, StormProgress& progress);
  StormLoad(const StormLoad&) = delete;
  StormLoad& operator=(const StormLoad&) = delete;
  ~StormLoad() { (void)stop(); }

  StormCounts stop();
  /// Returns the first error; empty if there was none.
  [[nodiscard]] std::string trouble() const;

 private:
  class Caller;
  Runtime& runtime_;
  const SwapCount& swaps_;
  const StormLoadOptions options_;
  StormProgress& progress_;
  std::atomic<bool> stop_ = false;
  mutable std::mutex mutex_;  // Guards the members below.
  StormCounts counts_;
  std::string trouble_;
  std::vector<std::thread> threads_;
};

}  // namespace tenon::test
