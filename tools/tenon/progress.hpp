/// The terminal line that shows the progress of a run.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <tenon/pipeline.hpp>

#include "base/guarded.hpp"
#include "tools/tenon/world.hpp"

namespace tenon::cli {

/// Returns a number with separators, as in "1,234,567".
[[nodiscard]] std::string group_digits(std::uint64_t number);
/// Returns "8 s", "3 min 20 s", "2 h 05 min".
[[nodiscard]] std::string format_duration(double seconds);
/// Cuts `text` to `columns`, never inside a UTF-8 character.
[[nodiscard]] std::string cut_to_columns(std::string_view text, std::size_t columns);

/// The progress of a run, as counts.
struct RunState {
  std::uint64_t given = 0;  ///< Items that the sources gave.
  std::uint64_t done = 0;   ///< Items that no longer wait or run anywhere.
  std::uint64_t failed = 0;
  std::uint64_t in_flight = 0;            ///< Items in the stages and sinks and in the queues
                                          ///< before them.
  std::optional<std::uint64_t> expected;  ///< The total number of items, once every source knows
                                          ///< it.
};
[[nodiscard]] RunState run_state(const RunReport& report);

/// Returns the line after the first interrupt: "interrupted: finishing 12 items in flight; Ctrl-C
/// again stops at once".
[[nodiscard]] std::string interrupted_line(const RunReport& report);

/// Turns counts over time into a line. Not thread-safe.
class ProgressMeter {
 public:
  explicit ProgressMeter(std::string name) : name_(std::move(name)) {}
  /// Returns the line at `seconds` since the start, which must not decrease between calls. The rate
  /// covers the last seconds; the remaining time is shown if all sources know how many items they
  /// will give.
  [[nodiscard]] std::string line(const RunReport& report, double seconds);

 private:
  struct Moment {
    double seconds;
    std::uint64_t done;
  };
  std::string name_;
  std::deque<Moment> moments_;
};

/// A line at the bottom of a terminal that is overwritten, with texts above it. [any-thread]
class StatusLine {
 public:
  /// Draws nothing unless standard error is a terminal and `enabled` is true.
  StatusLine(const World& world, bool enabled) : world_(world), enabled_(enabled && world.error_is_terminal) {}
  StatusLine(const StatusLine&) = delete;
  StatusLine& operator=(const StatusLine&) = delete;
  ~StatusLine() { clear(); }

  [[nodiscard]] bool enabled() const noexcept { return enabled_; }
  void update(std::string_view line);
  void clear();
  /// Writes to standard error above the status line.
  void print(std::string_view text);

 private:
  const World& world_;
  const bool enabled_;
  internal::Guarded<std::string> shown_;
};

/// Shows the progress of a run, on a terminal as a line that is overwritten. The first interrupt is
/// shown in this line, or on a separate line if there is no terminal. Not thread-safe.
class RunProgress {
 public:
  /// `world` and `status` must outlive it.
  RunProgress(const World& world, StatusLine& status, std::string name)
      : world_(world), status_(status), meter_(std::move(name)) {}
  /// `seconds` is the time since the start.
  void show(const RunReport& report, double seconds);

 private:
  const World& world_;
  StatusLine& status_;
  ProgressMeter meter_;
  bool interrupt_said_ = false;
};

}  // namespace tenon::cli
