/// pipeline/batch_runner.hpp: a reduce over a fixed number of items at a time.
#pragma once

#include <cstdint>
#include <vector>

#include "pipeline/fed_session.hpp"
#include "pipeline/node_runner.hpp"
#include "pipeline/session_losses.hpp"

namespace tenon::internal {

/// Gathers items until a batch is full or has waited long enough, and feeds each batch to a short
/// session of its own, which gives one result.
class BatchRunner final : public NodeRunner {
 public:
  BatchRunner(RunContext& run, std::uint32_t node);

  void pump() override;
  void wind_down() override;
  void ended(std::uint32_t which) override;
  void fired(const NodeTimer& timer) override;
  void cancel() override;

 private:
  /// A batch; its items are those of the session. Free if it has none.
  struct Batch {
    FedSession session;
    std::uint32_t attempt = 1;
    std::uint64_t number = 0;
    std::uint64_t generation = 0;  ///< Identifies timers that were set for an earlier use.
    bool timed_out = false;
    SessionLosses losses;
  };

  void gather();
  /// Drops the gathered items if the rest of their batch will not arrive.
  void drop_incomplete();
  /// Whether the gathered items are to be processed as they are.
  [[nodiscard]] bool due() const;
  /// Makes a batch of the gathered items.
  void begin_gathered(std::uint32_t which);
  void clear_gathered();

  /// Opens the session of a batch, for its first or a further attempt.
  void begin(std::uint32_t which);
  void stepped(std::uint32_t which, FedSession::Step step);
  void fail_batch(std::uint32_t which, FedSession::Phase phase, Error error);
  /// Restarts a batch whose session was lost before it took an item, or by a cause outside the
  /// batch. Returns false if the loss counts as an attempt.
  [[nodiscard]] bool restart(std::uint32_t which, FedSession::Phase phase, const Error& error);
  void drop(std::uint32_t which);
  /// Frees the place of a batch that is over.
  void vacate(std::uint32_t which);

  std::vector<Batch> batches_;  ///< As many as run at once.
  std::vector<Item> gathered_;  ///< The items of the next batch.
  std::uint64_t gathered_generation_ = 0;
  bool gathered_due_ = false;
  std::uint64_t next_number_ = 0;
};

}  // namespace tenon::internal
