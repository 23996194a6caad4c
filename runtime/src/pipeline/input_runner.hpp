/// pipeline/input_runner.hpp: a source that reads standard input.
#pragma once

#include <cstdint>
#include <optional>

#include "pipeline/node_runner.hpp"
#include "pipeline/row_input.hpp"
#include "pipeline/stream_thread.hpp"

namespace tenon::internal {

/// Reads a batch of rows on a thread of its own while nothing of the last one waits for room. What was
/// read is kept by the host until it is processed, so no death of a worker loses a row.
class InputRunner final : public NodeRunner {
 public:
  InputRunner(RunContext& run, std::uint32_t node);
  /// A read may be under way if the engine has thrown.
  ~InputRunner() override { InputRunner::cancel(); }

  void pump() override;
  void wind_down() override { pump(); }
  void ended(std::uint32_t which) override;
  void drain() override { schedule(); }
  void cancel() override;

 private:
  void begin();

  std::optional<RowInput> rows_;  ///< Nothing if the run has no input.
  RowInput::Batch batch_;         ///< Written by the thread while a read is under way.
  std::uint64_t next_index_ = 0;
  bool ended_ = false;   ///< The input has ended.
  bool failed_ = false;  ///< It cannot be read any more.
  StreamThread thread_;  ///< Last, because it uses the others.
};

}  // namespace tenon::internal
