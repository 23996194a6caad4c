/// pipeline/output_runner.hpp: a sink that writes standard output.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <tenon/error.hpp>

#include "pipeline/node_runner.hpp"
#include "pipeline/row_output.hpp"
#include "pipeline/stream_thread.hpp"

namespace tenon::internal {

/// Writes its items on a thread of its own, in blocks that grow only while that thread waits. An item
/// counts as out once it is written. If the reader goes away, the sink takes no further items, as
/// after a limit. In a test, it gives its lines as items instead.
class OutputRunner final : public NodeRunner {
 public:
  OutputRunner(RunContext& run, std::uint32_t node);
  /// A write may be under way if the engine has thrown.
  ~OutputRunner() override { OutputRunner::cancel(); }

  void pump() override;
  void wind_down() override { pump(); }
  void ended(std::uint32_t which) override;
  void cancel() override;
  void fill_report() override;

 private:
  /// Text that waits or is being written, with the number of its items.
  struct Block {
    std::string text;
    std::uint64_t items = 0;
  };

  void take_item(std::uint32_t edge);
  void begin();
  void close();
  [[nodiscard]] bool in_test() const noexcept { return !plan_.outputs.empty(); }
  void show_line(std::string_view row, std::uint64_t index);

  RowOutput rows_;
  Block next_;
  Block writing_;
  Result<void> written_;  ///< Written by the thread while a write is under way.
  bool closed_ = false;   ///< The reader has gone away.
  StreamThread thread_;   ///< Last, because it uses the others.
};

}  // namespace tenon::internal
