/// pipeline/reduce_runner.hpp: a reduce, or a sink that collects, over the whole stream.
#pragma once

#include <cstddef>
#include <cstdint>

#include <tenon/reply.hpp>

#include "pipeline/fed_session.hpp"
#include "pipeline/node_runner.hpp"
#include "pipeline/pace.hpp"
#include "pipeline/session_losses.hpp"

namespace tenon::internal {

/// Feeds one session with every item. When its worker dies, a new session continues from the last checkpoint and is fed
/// again the items that came after it.
class ReduceRunner final : public NodeRunner {
 public:
  ReduceRunner(RunContext& run, std::uint32_t node) : NodeRunner(run, node) {}

  void pump() override;
  void wind_down() override;
  void ended(std::uint32_t which) override;
  void fired(const NodeTimer& reopen) override;
  void cancel() override;

 private:
  /// Begins the next operation of the open session.
  void advance();
  void feed();
  void open();
  void checkpoint();
  /// Drops everything: a result over a part of the stream would look like one over all of it.
  void drop_input();
  void drop_taken();

  void opened(ExecutorSession::Outcome outcome);
  void checkpointed(ExecutorSession::Outcome outcome);
  void was_fed(FedSession::Step step);
  void finished(ExecutorSession::Outcome outcome);
  /// Opens a lost session again, or ends the run.
  void recover(Error error);
  /// Forgets the items that need not be fed again.
  void forget();

  FedSession session_;
  Reply checkpoint_;          ///< Empty: the start.
  bool recoverable_ = false;  ///< The session has a checkpoint.
  bool probed_ = false;       ///< It is known whether the task gives checkpoints.
  bool kept_all_ = true;      ///< Every item that was taken is kept or in the checkpoint.
  bool over_ = false;         ///< It has given its result, or will never give one.
  bool waits_ = false;        ///< A timer will open the session again.
  std::size_t counted_ = 0;   ///< How many of the kept items any session has had; each counts once.
  SessionLosses losses_;
  StepSize step_;
  TimePoint step_began_{};
  std::uint64_t next_index_ = 0;
};

}  // namespace tenon::internal
