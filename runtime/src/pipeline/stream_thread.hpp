/// Threads that read and write streams for a run, so that the engine's thread never waits for them.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <vector>

#include <tenon/error.hpp>

#include "base/guarded.hpp"
#include "pipeline/executor.hpp"
#include "platform/thread.hpp"

namespace tenon::internal {

/// Hands the numbers of nodes whose stream operation has ended to the engine's thread.
class StreamEnds {
 public:
  /// `executor` outlives it.
  explicit StreamEnds(Executor& executor) : executor_(executor) {}

  /// [any-thread]
  void push(std::uint32_t node);
  /// Moves all numbers so far to `nodes`, which loses what it had.
  void take(std::vector<std::uint32_t>& nodes);

 private:
  Executor& executor_;
  Guarded<std::vector<std::uint32_t>> nodes_;
};

/// A thread that does one piece of work at a time. What the work writes is visible to the engine's
/// thread once StreamEnds has reported its end. Used only by the engine's thread.
class StreamThread {
 public:
  /// `ends` outlives it. `name` is as in Thread::start.
  StreamThread(StreamEnds& ends, std::uint32_t node, const char* name) : ends_(ends), node_(node), name_(name) {}
  StreamThread(const StreamThread&) = delete;
  StreamThread& operator=(const StreamThread&) = delete;
  /// Waits for the work to end.
  ~StreamThread();

  /// Begins `work`, which must not throw, and starts the thread at the first call. Nothing may be
  /// under way. Errors: those of Thread::start.
  [[nodiscard]] Result<void> begin(std::function<void()> work);

 private:
  struct Shared {
    std::function<void()> work;  ///< Empty while there is none.
    bool stops = false;
  };

  void run();

  StreamEnds& ends_;
  const std::uint32_t node_;
  const char* const name_;
  Guarded<Shared> shared_;
  std::condition_variable changed_;
  Thread thread_;
};

}  // namespace tenon::internal
