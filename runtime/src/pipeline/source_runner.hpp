/// pipeline/source_runner.hpp: a source, one session that gives the items of a stream.
#pragma once

#include <cstdint>

#include "pipeline/node_runner.hpp"
#include "pipeline/stream_session.hpp"

namespace tenon::internal {

/// Asks its session for results while the queues behind it have room.
class SourceRunner final : public NodeRunner {
 public:
  SourceRunner(RunContext& run, std::uint32_t node);

  void pump() override;
  /// Stops only this source.
  void wind_down() override { pump(); }
  void ended(std::uint32_t which) override;
  void drain() override { schedule(); }
  void cancel() override;
  void fill_report() override;

 private:
  void recover(Error error);

  StreamSession stream_;
  std::uint64_t next_index_ = 0;
};

}  // namespace tenon::internal
