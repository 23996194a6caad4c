/// An executor that simulates workers and time: runs are deterministic for a seed, and hours pass
/// in microseconds.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "pipeline/executor.hpp"

namespace tenon::test {

/// Returns a reply that owns a text.
[[nodiscard]] Reply make_reply(std::string_view text);
[[nodiscard]] std::string text_of(const Reply& reply);

/// The behaviour of a simulated task.
struct FakeTask {
  /// For plain tasks: returns the result for an argument.
  std::function<Result<std::string>(const std::string&)> run;
  /// The range from which the duration of an operation is drawn.
  std::chrono::microseconds least{10};
  std::chrono::microseconds most{500};
  /// The additional duration of a session's step for each item.
  std::chrono::microseconds per_item{0};
  /// For sources and reduces.
  bool checkpoints = true;
  /// The numbers of session operations (next, feed, finish) that die, counted from 0 over all
  /// sessions of the task.
  std::set<int> crashes;
  /// Values at which an operation dies, once for each value.
  std::set<std::int64_t> traps;
  /// Checkpoints that die, counted in the same way.
  std::set<int> checkpoint_crashes;
  /// Checkpoints that fail in the task's own code.
  std::set<int> checkpoint_failures;
  /// Openings that die, counted in the same way.
  std::set<int> open_crashes;
  /// Operations, checkpoints and openings that are lost because their worker dies in other work.
  std::set<int> losses;
  std::set<int> checkpoint_losses;
  std::set<int> open_losses;
  /// For sources: whether the results of a step come with a checkpoint.
  bool step_checkpoints = false;
  /// For sources: returns the item with a number, if it is not the usual one.
  std::function<std::string(std::int64_t)> item;
  /// The numbers of operations that fail.
  std::set<int> failures;
  /// For sources: positions at which a step fails each time; see FakeSession.
  std::set<std::int64_t> broken;
  /// Session operations end at their time though they are cancelled.
  bool ignores_cancel = false;
  /// For sources that take items: returns how many results an item has; 10 without it.
  std::function<int(std::int64_t)> results_of;
  /// For sources: the numbers of steps that give nothing.
  std::set<int> pauses;

  // Records of the run:
  int operations = 0;
  int checkpoints_taken = 0;
  int opened = 0;
  std::uint32_t running = 0;
  std::uint32_t most_running = 0;
  std::vector<std::string> arguments;  ///< The arguments of plain calls,
                                       ///< in the order of submission.
  std::uint32_t sessions = 0;          ///< How many are open.
  std::uint32_t most_sessions = 0;
  std::vector<std::size_t> fed;                                  ///< The sizes of feeds.
  std::vector<std::uint32_t> asked;                              ///< How many results each step of
                                                                 ///< a source could give.
  std::vector<std::pair<std::uint32_t, std::uint64_t>> earlier;  ///< For plain calls: the number of
                                                                 ///< earlier attempts and their
                                                                 ///< call id.
};

class FakeExecutor final : public internal::Executor {
 public:
  explicit FakeExecutor(std::uint32_t seed = 1, unsigned workers = 4) : random_(seed), workers_(workers) {}

  /// Created on first use. Sources have names that end in "numbers" or "walk"; they give `count`
  /// items. `other.split` gives "value=V;part=0" and so on for an item "value=V".
  FakeTask& task(const std::string& name) { return tasks_[name]; }
  /// From now on, calls wait for one of the workers, which needs `latency` more to start a call.
  void queue_calls(std::chrono::microseconds latency) {
    latency_ = latency;
    free_at_.assign(workers_, now_);
  }
  /// Called before each wait, to inspect the run from outside.
  std::function<void()> on_wait;
  [[nodiscard]] std::uint64_t waits() const noexcept { return waits_; }
  /// Returns the number of rounds of submits.
  [[nodiscard]] std::uint64_t flushes() const noexcept { return flushes_; }

  unsigned worker_count() const override { return workers_; }
  Clock::time_point now() const override { return now_; }
  /// The simulated time, as if it had begun in 1970.
  std::int64_t wall_clock_ns() const override {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(now_.time_since_epoch()).count();
  }
  void submit(std::uint32_t slot, const std::string& task, const Reply& argument, const CallOptions* options,
              const internal::EarlierAttempts& earlier) override;
  void flush() override {
    flushes_ += unflushed_ > 0 ? 1 : 0;
    unflushed_ = 0;
  }
  void cancel(std::uint32_t slot) override;
  Result<Reply> take(std::uint32_t slot) override;
  std::unique_ptr<internal::ExecutorSession> make_session(std::uint32_t first, std::uint32_t second) override;
  void wait(Clock::time_point deadline, std::vector<internal::Ended>& ended) override;
  void wake() override { woken_ = true; }

 private:
  friend class FakeSession;
  struct Pending {
    Clock::time_point at;
    internal::Ended ended;
    std::string task;
  };
  Clock::time_point finish_time(const FakeTask& task);
  void begin(const std::string& task, const internal::Ended& ended, Clock::time_point at);

  std::mt19937 random_;
  unsigned workers_;
  Clock::time_point now_{std::chrono::hours(1)};
  std::atomic<bool> woken_{false};
  std::uint64_t waits_ = 0;
  std::uint64_t flushes_ = 0;
  std::uint64_t unflushed_ = 0;  ///< Calls since the last flush; none of them needs to have
                                 ///< started.
  std::map<std::string, FakeTask> tasks_;
  std::vector<Pending> pending_;
  std::chrono::microseconds latency_{0};
  std::vector<Clock::time_point> free_at_;  ///< When each worker is free; empty while calls do not
                                            ///< wait for workers.
  std::map<std::uint32_t, Result<Reply>> outcomes_;
};

}  // namespace tenon::test
