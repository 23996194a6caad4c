/// What happens to plugins while a command runs them, on standard error and for its report.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include <tenon/log.hpp>
#include <tenon/runtime.hpp>
#include <tenon/swap.hpp>

#include "tools/tenon/progress.hpp"

namespace tenon::cli {

/// Whether people are told of such an event: what became current, what did not and why, and the watch's own troubles.
/// The steps between them are log lines.
[[nodiscard]] bool is_told(SwapEvent::Kind kind) noexcept;

/// "tenon: files 1.2.0 -> 1.3.0 (sha256 ab12cd34ef56): switched" with a newline. `before` is the version that was
/// current; empty when there was none.
[[nodiscard]] std::string swap_line(const SwapEvent& event, const std::string& before);

/// `sink` without the runtime's own lines about events that `SwapLines` tells.
[[nodiscard]] LogSink without_swap_lines(LogSink sink);

/// Writes a line for each event above a status line and keeps the events. [any-thread]
class SwapLines {
 public:
  /// From the runtime's first event on. `initial` is what the runtime was started with; `quiet` leaves out what went
  /// well. `runtime` and `status` outlive this.
  SwapLines(Runtime& runtime, const Catalog& initial, StatusLine& status, bool quiet);
  SwapLines(const SwapLines&) = delete;
  SwapLines& operator=(const SwapLines&) = delete;
  ~SwapLines() = default;

  /// Ends it; all events so far. Call it before the runtime's shutdown, which turns back what is being prepared: nobody
  /// needs to hear of that.
  [[nodiscard]] std::vector<SwapEvent> end();

 private:
  void take(const SwapEvent& event);
  void take_locked(const SwapEvent& event);

  Runtime& runtime_;
  StatusLine& status_;
  const bool quiet_;
  std::mutex mutex_;
  std::map<std::string, std::string> versions_;  // Current, by plugin. Guarded by mutex_, as is what follows.
  std::vector<SwapEvent> told_;
  std::uint64_t last_ = 0;  // Number of the latest event that was taken.
  // Last, so that it ends first: the listener uses all of the above.
  EventSubscription subscription_;
};

}  // namespace tenon::cli
