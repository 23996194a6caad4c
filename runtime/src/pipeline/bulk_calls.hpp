/// pipeline/bulk_calls.hpp: sends small calls of one stage together.
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

/// Returns how many of the `waiting` calls of one stage go into one bulk call. The work is divided
/// among the workers, within two limits: a bulk call does not run for too long, and it does not
/// take longer to send than to run. `mean_run_ns` is the mean run time of one call, or 0 if it is
/// not known.
[[nodiscard]] std::uint32_t bulk_size(std::size_t waiting, std::int64_t mean_run_ns, std::uint32_t workers) noexcept;

/// The calls of an executor that are sent in bulk calls. Only the engine's thread uses this object;
/// no call is under way when it is destroyed.
class BulkCalls {
 public:
  /// A call that is sent by itself.
  struct Alone {
    std::uint32_t slot = 0;
    const std::string* task = nullptr;
    const Reply* argument = nullptr;
    const CallOptions* options = nullptr;
  };

  /// `queue` receives the completions, for `arrived`, and outlives this object. Without a pool, no
  /// call is sent in bulk.
  BulkCalls(std::shared_ptr<Pool> pool, EndQueue& queue);

  /// Like Executor::submit. Returns false if the call cannot be sent with others because it is
  /// large, has a deadline, or is bound to one worker.
  [[nodiscard]] bool add(std::uint32_t slot, const std::string& task, const Reply& argument,
                         const CallOptions* options);
  /// Sends the added calls and the requested cancels. Appends to `alone` the calls that are better
  /// sent by themselves, or must be; this object no longer owns them.
  void flush(std::vector<Alone>& alone);
  /// Like Executor::cancel. Returns false if the call is not one of these.
  [[nodiscard]] bool cancel(std::uint32_t slot);
  /// Whether the call is one of these.
  [[nodiscard]] bool has(std::uint32_t slot) const noexcept {
    return slot < places_.size() && places_[slot].bulk != kElsewhere;
  }
  /// Like Executor::take, for one of these calls.
  [[nodiscard]] Result<Reply> take(std::uint32_t slot);
  /// Appends the calls that have completed.
  void arrived(BulkEnded ended, std::vector<Ended>& calls);

 private:
  static constexpr std::uint32_t kElsewhere = UINT32_MAX;
  static constexpr std::uint32_t kWaits = UINT32_MAX - 1;      // Waits for the next flush.
  static constexpr std::uint32_t kCancelled = UINT32_MAX - 2;  // Cancelled before it was sent.

  /// The state of a call.
  struct Place {
    std::uint32_t bulk = kElsewhere;
    std::uint32_t item = 0;  ///< The index of the call in its bulk call.
    std::uint32_t ends = 0;  ///< The index into Bulk::ends of the entry with its outcome.
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
    std::vector<std::uint32_t> slots;  ///< The slot of each item.
    std::vector<BulkEnds> ends;
    std::uint32_t open = 0;  ///< How many items have not been taken.
  };
  /// Pushes completions into the queue.
  class Sink;

  [[nodiscard]] Stage& stage_of(const CallOptions* options, const std::string& task);
  /// Sends calls from index `begin`: `size` of them, or as many as fit into one block. Returns the index after the last
  /// one sent.
  std::size_t send(Stage& stage, std::size_t begin, std::size_t size, std::vector<Alone>& alone);
  [[nodiscard]] std::uint32_t new_bulk();
  void send_cancels();
  void leave(const Stage& stage, std::uint32_t slot, std::vector<Alone>& alone);

  std::shared_ptr<Pool> pool_;
  Shared<BulkSink> sink_;
  std::unordered_map<const CallOptions*, Stage> stages_;
  Stage* last_stage_ = nullptr;  // A cache: calls of one stage are submitted one after another.
  std::vector<Stage*> gathered_;
  std::vector<Place> places_;  // Indexed by slot.
  std::vector<Bulk> bulks_;    // Indexed by BulkWork::tag.
  std::vector<std::uint32_t> free_bulks_;
  std::vector<std::pair<std::uint32_t, std::uint32_t>> cancels_;  // Pairs of bulk call and item.
  EndQueue& queue_;
  BulkBuilder builder_;
  Buffer block_;  // Reused.
};

}  // namespace tenon::internal
