/// Reports swaps of plugins while a command runs, on standard error and for its report.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include <tenon/log.hpp>
#include <tenon/runtime.hpp>
#include <tenon/swap.hpp>

#include "base/guarded.hpp"
#include "tools/tenon/progress.hpp"

namespace tenon::cli {

/// Returns whether users see this event: versions that became current, versions that did not and
/// why, and problems of the watch. Steps in between are only log lines.
[[nodiscard]] bool is_reported(SwapEvent::Kind kind) noexcept;

/// Returns "tenon: files 1.2.0 -> 1.3.0 (sha256 ab12cd34ef56): switched" with a newline. `before`
/// is the version that was current; empty if there was none.
[[nodiscard]] std::string swap_line(const SwapEvent& event, const std::string& before);

/// Returns `sink` without the runtime's own lines about events that `SwapLines` reports.
[[nodiscard]] LogSink without_swap_lines(LogSink sink);

/// Writes a line for each event above a status line and keeps the events. [any-thread]
class SwapLines {
 public:
  /// Starts with the runtime's first event. `initial` is the catalog that the runtime was started
  /// with; `quiet` leaves out successes. `runtime` and `status` must outlive this object.
  SwapLines(Runtime& runtime, const Catalog& initial, StatusLine& status, bool quiet);
  SwapLines(const SwapLines&) = delete;
  SwapLines& operator=(const SwapLines&) = delete;
  ~SwapLines() = default;

  /// Stops and returns all events so far. Call it before the runtime's shutdown, which cancels
  /// swaps in preparation: users need no line about that.
  [[nodiscard]] std::vector<SwapEvent> end();

 private:
  struct Seen {
    std::map<std::string, std::string> versions;  ///< The current version of each plugin.
    std::vector<SwapEvent> reported;
    std::uint64_t last = 0;  ///< The number of the latest event that was taken.
  };

  void take(Seen& seen, const SwapEvent& event) const;

  Runtime& runtime_;
  StatusLine& status_;
  const bool quiet_;
  internal::Guarded<Seen> seen_;
  // Declared last, so that it is destroyed first: the listener uses all other members.
  EventSubscription subscription_;
};

}  // namespace tenon::cli
