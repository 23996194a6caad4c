/// pipeline/bulk_calls.hpp: small calls of one stage that travel together.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include <tenon/error.hpp>
#include <tenon/reply.hpp>
#include <tenon/runtime.hpp>

#include "host/bulk.hpp"
#include "host/pool.hpp"
#include "pipeline/end_queue.hpp"
#include "pipeline/executor.hpp"

namespace tenon::internal {

/// How many calls that wait to be sent, `waiting` of one stage, go into one bulk call: as many as share the work among
/// the workers, but no more than run some time, nor so few that sending costs more than running. `mean_run_ns` is what
/// one of them takes, 0 when that is not known.
[[nodiscard]] std::uint32_t bulk_size(std::size_t waiting, std::int64_t mean_run_ns, std::uint32_t workers) noexcept;

/// The calls of an executor that go in bulk calls. Used by the engine's thread alone; destroyed with no call under way.
class BulkCalls {
 public:
  /// A call that goes by itself.
  struct Alone {
    std::uint32_t slot = 0;
    const std::string* task = nullptr;
    const Reply* argument = nullptr;
    const CallOptions* options = nullptr;
  };

  /// `queue` gets the ends, for `arrived`, and outlives this. Without a pool no call goes in bulk.
  BulkCalls(std::shared_ptr<Pool> pool, EndQueue& queue);

  /// As Executor::submit. False: the call cannot travel with others, because it is large, bound to a time or to a
  /// worker.
  [[nodiscard]] bool add(std::uint32_t slot, const std::string& task, const Reply& argument,
                         const CallOptions* options);
  /// Sends what has been added, and cancels what is to be cancelled. Appends to `alone` the calls that are better off,
  /// or must try, by themselves: they are this object's no more.
  void flush(std::vector<Alone>& alone);
  /// As Executor::cancel. False: the call is none of these.
  [[nodiscard]] bool cancel(std::uint32_t slot);
  /// Whether the call is one of these.
  [[nodiscard]] bool has(std::uint32_t slot) const noexcept {
    return slot < places_.size() && places_[slot].bulk != kElsewhere;
  }
  /// As Executor::take, for one of these.
  [[nodiscard]] Result<Reply> take(std::uint32_t slot);
  /// Appends the calls that have ended.
  void arrived(BulkEnded ended, std::vector<Ended>& calls);

 private:
  static constexpr std::uint32_t kElsewhere = UINT32_MAX;
  static constexpr std::uint32_t kWaits = UINT32_MAX - 1;      // For the flush.
  static constexpr std::uint32_t kCancelled = UINT32_MAX - 2;  // Before it was sent.

  /// Where a call is.
  struct Place {
    std::uint32_t bulk = kElsewhere;
    std::uint32_t item = 0;  ///< Which of the bulk call's.
    std::uint32_t ends = 0;  ///< Which of Bulk::ends has its outcome.
    const Reply* argument = nullptr;
  };
  /// The calls of one stage.
  struct Stage {
    const CallOptions* options = nullptr;
    const std::string* task = nullptr;
    bool gathers = false;
    std::int64_t mean_run_ns = 0;
    std::vector<std::uint32_t> waiting;  ///< Slots.
  };
  struct Bulk {
    Shared<const BulkWork> work;
    Stage* stage = nullptr;
    std::vector<std::uint32_t> slots;  ///< By item.
    std::vector<BulkEnds> ends;
    std::uint32_t open = 0;  ///< Items not taken.
  };
  /// Tells the queue.
  class Sink;

  [[nodiscard]] Stage& stage_of(const CallOptions* options, const std::string& task);
  /// Sends calls from `begin` on, `size` or as many as have room in one block; returns the index behind the last.
  std::size_t send(Stage& stage, std::size_t begin, std::size_t size, std::vector<Alone>& alone);
  [[nodiscard]] std::uint32_t new_bulk();
  void send_cancels();
  void leave(const Stage& stage, std::uint32_t slot, std::vector<Alone>& alone);

  std::shared_ptr<Pool> pool_;
  Shared<BulkSink> sink_;
  std::unordered_map<const CallOptions*, Stage> stages_;
  Stage* last_stage_ = nullptr;  // Calls of one stage come one after another.
  std::vector<Stage*> gathered_;
  std::vector<Place> places_;  // By slot.
  std::vector<Bulk> bulks_;    // By BulkWork::tag.
  std::vector<std::uint32_t> free_bulks_;
  std::vector<std::pair<std::uint32_t, std::uint32_t>> cancels_;  // Bulk and item.
  EndQueue& queue_;
  BulkBuilder builder_;
  Buffer block_;  // Reused.
};

}  // namespace tenon::internal
