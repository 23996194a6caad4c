/// pipeline/expansion.hpp: the items of an expand stage whose results have not all been passed on.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include <tenon/reply.hpp>

#include "pipeline/edge.hpp"
#include "pipeline/pace.hpp"
#include "pipeline/plan.hpp"
#include "pipeline/ring.hpp"
#include "pipeline/stream_session.hpp"

namespace tenon::internal {

/// Decides which item of an expand gets a session, how far the sessions may run, and whose results
/// come next. With an order, only the session of the first item passes its results on. The others
/// hold them back, each up to its share of `held`, and then pause. The first item always has a
/// session, so the stage cannot come to a stop. Not thread-safe.
class Expansion {
 public:
  /// With an order, at most this many items that have ended, and 4 for each session, wait for the
  /// ones before them.
  static constexpr std::uint64_t kMostInOrder = 64;

  struct Limits {
    std::uint32_t sessions = 1;  ///< Sessions at once, at least 1.
    bool ordered = false;        ///< All results of an item come before those of the next one.
    QueueLimits held;            ///< Results that all sessions together hold back for the order.
  };

  /// An item and its session.
  struct Entry {
    Item item;
    std::optional<StreamSession> session;
    std::uint32_t attempt = 1;

   private:
    friend class Expansion;
    ResultsAhead asked;  ///< Requested by the step under way, unless its results are held back.
    Ring<Reply> held;
    std::uint64_t held_bytes = 0;
    bool over = false;
  };

  /// `plan` outlives it.
  Expansion(const PlanNode& plan, const Limits& limits);

  [[nodiscard]] Entry& operator[](std::uint32_t which) noexcept { return entries_[which]; }
  /// Whether no item is left.
  [[nodiscard]] bool empty() const noexcept { return free_.size() == entries_.size(); }
  /// Whether another item may be taken: a session is free for it, and the results that are held
  /// back leave room for more.
  [[nodiscard]] bool takes() const noexcept {
    return open_.size() < limits_.sessions && order_.size() < kMostInOrder + std::uint64_t{4} * limits_.sessions &&
           held_.items < limits_.held.items && held_.bytes < limits_.held.bytes;
  }
  /// Takes an item and gives it a session. Requires `takes`.
  std::uint32_t take(Item item);

  /// Returns the items that have a session, beginning with another one each time, so that none
  /// always finds the room taken.
  [[nodiscard]] const std::vector<std::uint32_t>& next_round();
  [[nodiscard]] const std::vector<std::uint32_t>& open() const noexcept { return open_; }

  /// Whether the results of an item wait for those of earlier items.
  [[nodiscard]] bool holds_back(std::uint32_t which) noexcept { return limits_.ordered && order_.front() != which; }
  /// Returns how many more results an item whose results are held back may be asked for.
  [[nodiscard]] std::uint32_t room_to_hold(std::uint32_t which) const noexcept;
  /// Returns how many sessions share the room behind the stage.
  [[nodiscard]] std::uint32_t sharers() const noexcept {
    return limits_.ordered ? 1 : static_cast<std::uint32_t>(open_.size());
  }
  /// Notes that a session was asked for this many results.
  void asked(std::uint32_t which, std::uint32_t results);
  /// Returns the results that sessions were asked for and that will be passed on at once.
  [[nodiscard]] const ResultsAhead& ahead() const noexcept { return ahead_; }
  /// Notes that the operation of a session has ended.
  void answered(std::uint32_t which) noexcept;

  /// Adds results of an item. Appends to `ready` those that can be passed on now.
  void gave(std::uint32_t which, std::vector<Reply> results, std::vector<Reply>& ready);
  /// Closes the session of an item that has given its last result or has failed. Appends to `ready`
  /// the results that no longer have to wait for it.
  void over(std::uint32_t which, std::vector<Reply>& ready);

  /// Returns the results that are held back.
  [[nodiscard]] const ResultsAhead& held() const noexcept { return held_; }

 private:
  void release(std::uint32_t which);
  void pass_on(Entry& entry, std::vector<Reply>& ready);

  const PlanNode& plan_;
  const Limits limits_;
  std::deque<Entry> entries_;  ///< A deque, because arguments must not move.
  std::vector<std::uint32_t> free_;
  std::vector<std::uint32_t> open_;
  std::size_t first_ = 0;      ///< Where the next round begins in `open_`.
  Ring<std::uint32_t> order_;  ///< With an order: all items, as they were taken.
  ResultsAhead ahead_;
  ResultsAhead held_;
  /// What earlier sessions of the stage have shown about the task's checkpoints.
  StreamSession::Checkpoints checkpoints_ = StreamSession::Checkpoints::kUnknown;
  StepSize step_;
};

}  // namespace tenon::internal
