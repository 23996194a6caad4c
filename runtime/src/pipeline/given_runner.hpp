/// pipeline/given_runner.hpp: a node that gives the items of a test.
#pragma once

#include <cstdint>

#include "pipeline/node_runner.hpp"

namespace tenon::internal {

/// Passes on the items of its GivenRule while the queues behind it have room.
class GivenRunner final : public NodeRunner {
 public:
  GivenRunner(RunContext& run, std::uint32_t node) : NodeRunner(run, node) {}

  void pump() override;
  void wind_down() override { finish(); }
  void ended(std::uint32_t /*which*/) override {}
  void drain() override { schedule(); }

 private:
  std::uint64_t next_index_ = 0;
};

}  // namespace tenon::internal
