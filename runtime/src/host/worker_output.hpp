/// host/worker_output.hpp: what a worker writes to its stdout or stderr.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "host/log_budget.hpp"
#include "host/log_line.hpp"
#include "platform/file_descriptor.hpp"

namespace tenon::internal {

/// Splits one stream of a worker into log lines and keeps the end of it for errors. Not thread-safe.
class WorkerOutput {
 public:
  /// `source` is "stdout" or "stderr" and outlives the object.
  explicit WorkerOutput(std::string_view source) noexcept : source_(source) {}

  /// Takes what the worker wrote to `stream`, which does not block; whole lines go to `log`. `stream` may be null.
  /// Returns false at the end of the stream. Reads a bounded amount, so that a worker that never stops writing cannot
  /// occupy the reactor. Lines beyond `budget` are counted there and dropped.
  bool read(const FileDescriptor* stream, std::uint64_t worker_id, LogBudget& budget, std::vector<LogLine>& log);
  /// The last 4 KiB, without control characters, for errors.
  [[nodiscard]] std::string tail() const;

 private:
  /// A sink for the whole lines of one read.
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
