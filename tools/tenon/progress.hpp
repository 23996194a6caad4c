/// The one line on a terminal that says how far a run is.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <tenon/pipeline.hpp>

#include "tools/tenon/world.hpp"

namespace tenon::cli {

/// "1,234,567".
[[nodiscard]] std::string group_digits(std::uint64_t number);
/// "8 s", "3 min 20 s", "2 h 05 min".
[[nodiscard]] std::string format_duration(double seconds);
/// `text` cut to `columns`, never inside a UTF-8 character.
[[nodiscard]] std::string cut_to_columns(std::string_view text, std::size_t columns);

/// How far a run is, by its counts.
struct RunState {
  std::uint64_t given = 0;  ///< Items the sources gave.
  std::uint64_t done = 0;   ///< Of these, no longer waiting or running anywhere.
  std::uint64_t failed = 0;
  std::uint64_t in_flight = 0;            ///< In the stages and sinks and the queues before them.
  std::optional<std::uint64_t> expected;  ///< All items there will be, once every source knows.
};
[[nodiscard]] RunState run_state(const RunReport& report);

/// What the first interrupt leads to: "interrupted: finishing 12 items in flight; Ctrl-C again ends at once".
[[nodiscard]] std::string interrupted_line(const RunReport& report);

/// Turns counts at moments into a line. Not thread-safe.
class ProgressMeter {
 public:
  explicit ProgressMeter(std::string name) : name_(std::move(name)) {}
  /// The line at `seconds` since the start; later calls give later moments. The rate is that of the last seconds; the
  /// time left is given when all sources know how many items they will give.
  [[nodiscard]] std::string line(const RunReport& report, double seconds);

 private:
  struct Moment {
    double seconds;
    std::uint64_t done;
  };
  std::string name_;
  std::deque<Moment> moments_;
};

/// A line at the bottom of a terminal that is drawn over again, and texts that go above it. [any-thread]
class StatusLine {
 public:
  /// Draws nothing unless standard error is a terminal and `enabled`.
  StatusLine(const World& world, bool enabled) : world_(world), enabled_(enabled && world.error_is_terminal) {}
  StatusLine(const StatusLine&) = delete;
  StatusLine& operator=(const StatusLine&) = delete;
  ~StatusLine() { clear(); }

  [[nodiscard]] bool enabled() const noexcept { return enabled_; }
  void update(std::string_view line);
  void clear();
  /// Writes to standard error, the status line out of the way.
  void print(std::string_view text);

 private:
  const World& world_;
  const bool enabled_;
  std::mutex mutex_;
  std::string shown_;  // Guarded by mutex_.
};

/// Shows how far a run is: on a terminal a line that is drawn over again. The first interrupt is said there, and
/// elsewhere on one line of its own. Not thread-safe.
class RunProgress {
 public:
  /// `world` and `status` outlive it.
  RunProgress(const World& world, StatusLine& status, std::string name)
      : world_(world), status_(status), meter_(std::move(name)) {}
  /// `seconds` since the start.
  void show(const RunReport& report, double seconds);

 private:
  const World& world_;
  StatusLine& status_;
  ProgressMeter meter_;
  bool interrupt_said_ = false;
};

}  // namespace tenon::cli
