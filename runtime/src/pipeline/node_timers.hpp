/// pipeline/node_timers.hpp: what the nodes of a run have to do later.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <queue>
#include <vector>

namespace tenon::internal {

struct NodeTimer {
  enum class Kind : std::uint8_t {
    kWake,          ///< Pump the node.
    kRetry,         ///< Begin the next attempt of the call in slot `which`.
    kGather,        ///< A batch has waited long enough for further items.
    kBatchTimeout,  ///< End the batch in session `which`.
    kBatchRetry,    ///< Begin the batch in session `which` again.
    kReopen,        ///< Open the session of a reduce again.
  };
  std::chrono::steady_clock::time_point at{};
  Kind kind = Kind::kWake;
  std::uint32_t node = 0;
  std::uint32_t which = 0;
  std::uint64_t generation = 0;  ///< The node ignores a timer of an earlier generation.
};

/// The timers of a run. During a pause, some are stopped, and others fire but wait for its end. Not thread-safe.
class NodeTimers {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;

  void set(const NodeTimer& timer) { timers_.push(timer); }
  [[nodiscard]] bool empty() const noexcept { return timers_.empty(); }
  /// Returns when the next one fires; nullopt if none is set.
  [[nodiscard]] std::optional<TimePoint> next() const;
  /// Removes and returns the next timer that is due; nullopt if none is.
  [[nodiscard]] std::optional<NodeTimer> take_due(TimePoint now);

  /// Stops the timers of batches that gather: during a pause no items arrive, so it does not count.
  void pause(TimePoint now);
  /// Keeps a timer that has fired, and must start no work now, until `resume`.
  void hold(const NodeTimer& timer) { held_.push_back(timer); }
  /// Sets what `pause` has stopped and what was held.
  void resume(TimePoint now);
  /// Makes the timers of the nodes that `selects` selects due now.
  void hurry(TimePoint now, const std::function<bool(std::uint32_t node)>& selects);

 private:
  struct Later {
    bool operator()(const NodeTimer& one, const NodeTimer& other) const noexcept { return one.at > other.at; }
  };
  using Queue = std::priority_queue<NodeTimer, std::vector<NodeTimer>, Later>;

  Queue timers_;
  std::vector<NodeTimer> held_;
  TimePoint paused_at_{};
};

}  // namespace tenon::internal
