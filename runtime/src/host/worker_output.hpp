/// host/worker_output.hpp: a worker's output on stdout or stderr.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "host/log_budget.hpp"
#include "host/log_line.hpp"

namespace tenon::internal {

/// Splits one stream of a worker into log lines and keeps its end for errors. Not thread-safe.
class WorkerOutput {
 public:
  /// `source` is "stdout" or "stderr" and must outlive the object.
  explicit WorkerOutput(std::string_view source) noexcept : source_(source) {}

  /// Takes what was read; whole lines go to `log`. Lines beyond `budget` are counted there and dropped.
  void add(std::string_view text, std::uint64_t worker_id, LogBudget& budget, std::vector<LogLine>& log);
  /// Takes the last line, also without its end.
  void end(std::uint64_t worker_id, LogBudget& budget, std::vector<LogLine>& log);
  /// The last 4 KiB, without control characters, for errors.
  [[nodiscard]] std::string tail() const;

 private:
  /// The destination of whole lines.
  struct Lines {
    std::uint64_t worker_id;
    LogBudget& budget;
    MonotonicNs now_ns;
    std::vector<LogLine>& log;
  };
  void finish_line(std::string_view line, const Lines& lines) const;

  std::string_view source_;
  std::string tail_;
  std::string line_;
};

}  // namespace tenon::internal
