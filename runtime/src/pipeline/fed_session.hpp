/// pipeline/fed_session.hpp: a session of a reduce, which takes items and gives one result.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include <tenon/bytes.hpp>

#include "pipeline/edge.hpp"
#include "pipeline/executor.hpp"
#include "pipeline/plan.hpp"

namespace tenon::internal {

/// The items that a session is fed, and the operation under way. A reduce feeds it as items arrive;
/// a batch feeds it a fixed number. Items stay until they are forgotten, so that another worker's
/// session can be fed them again. Not thread-safe.
class FedSession {
 public:
  enum class Phase : std::uint8_t { kClosed, kOpening, kIdle, kFeeding, kCheckpointing, kFinishing };

  [[nodiscard]] bool closed() const noexcept { return phase_ == Phase::kClosed; }
  /// Whether no operation is under way.
  [[nodiscard]] bool idle() const noexcept { return phase_ == Phase::kClosed || phase_ == Phase::kIdle; }

  /// Begins to open it for the task of `plan`, from a checkpoint; empty means the start. Its
  /// completions carry `node` and `which`.
  void open(Executor& executor, const PlanNode& plan, std::uint32_t node, std::uint32_t which,
            BytesView checkpoint = {}, std::optional<std::chrono::nanoseconds> step_timeout = {});
  /// Begins to feed it the next items, at most `most`.
  void feed(std::size_t most);
  void checkpoint();
  void finish();
  /// Requests that the operation under way ends soon.
  void cancel() { session_->cancel(); }

  struct Step {
    Phase phase = Phase::kClosed;  ///< The operation that has ended.
    ExecutorSession::Outcome outcome;
    std::size_t fed = 0;  ///< How many items a successful feed has taken.
  };
  /// Takes the outcome of the operation that has ended. The session is idle then. A finish without a
  /// result is a kCorrupt error.
  [[nodiscard]] Step take();
  /// Gives up the worker's session. The items stay; a new session has had none of them.
  void close();

  void add(Item item);
  [[nodiscard]] const std::vector<Item>& items() const noexcept { return items_; }
  /// Returns how many of the items this session has taken.
  [[nodiscard]] std::size_t fed() const noexcept { return fed_; }
  [[nodiscard]] std::uint64_t bytes() const noexcept { return bytes_; }
  /// Forgets all items.
  void forget();
  /// Forgets the items that this session has taken.
  void forget_fed();
  /// Gives back the memory that is kept for further items.
  void shrink();

 private:
  std::unique_ptr<ExecutorSession> session_;
  Phase phase_ = Phase::kClosed;
  std::vector<Item> items_;
  std::uint64_t bytes_ = 0;
  std::size_t fed_ = 0;
  std::size_t feeding_ = 0;  ///< How many items the feed under way carries.
  std::vector<Reply> feed_;  ///< Reused for each feed.
};

}  // namespace tenon::internal
