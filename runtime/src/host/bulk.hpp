/// host/bulk.hpp: many small calls of one task that travel together.
///
/// A bulk call costs the ring and the scheduler as much as one call. Each item has the guarantees of a single call: it
/// ends once; when the worker dies, only the item it was running is charged and the others continue elsewhere; an item
/// that has not begun is taken back for an idle worker.
#pragma once

#include <atomic>
#include <cstdint>
#include <cstring>
#include <memory>
#include <utility>
#include <vector>

#include <tenon/bytes.hpp>
#include <tenon/error.hpp>
#include <tenon/reply.hpp>

#include "host/route.hpp"
#include "host/storage.hpp"
#include "ipc/bulk.hpp"

namespace tenon::internal {

class BulkWork;
class Call;

/// The results of some items, copied from the worker's memory and checked. Owns the storage of their replies. Immutable
/// once it is announced.
class BulkAnswers final : public ReplyStorage {
 public:
  /// Copies entries `first` to `end` of the worker's result block and the bytes to which they refer, but not what was
  /// copied before. `lease` returns the referenced bytes, which the host then owns. Errors: kCorrupt, with the name of
  /// the invalid field or if there are more bytes than a worker has room for. `made_by` is the origin of all of them,
  /// including arguments that were returned as results.
  template <typename Lease>
  [[nodiscard]] static Result<Shared<BulkAnswers>> copy(BytesView block, std::uint32_t first, std::uint32_t end,
                                                        const BulkWork& work, GenerationRef made_by, Lease lease);
  /// Copies the results that lie in the worker's memory; they stay there if the host is out of memory. Must be called
  /// before any reply refers to them.
  void copy_references() noexcept;

  /// The result at `index` of the block, which must be one of those copied; it belongs to item `item` of `work`. Errors
  /// have no context.
  [[nodiscard]] Result<Reply> get(std::uint32_t index, const BulkWork& work, std::uint32_t item) const;
  [[nodiscard]] bool ok(std::uint32_t index) const noexcept { return entry(index).status == TENON_OK; }
  [[nodiscard]] const PluginInfo* origin() const noexcept override {
    return made_by_ == nullptr ? nullptr : made_by_->plugin.get();
  }
  /// Whether the result is the item's own argument.
  [[nodiscard]] bool is_argument(std::uint32_t index) const noexcept {
    return entry(index).status == TENON_OK && (entry(index).flags & kBulkAnswerArgument) != 0;
  }

 private:
  BulkAnswers() = default;
  [[nodiscard]] static Result<Shared<BulkAnswers>> copy_block(BytesView block, std::uint32_t first, std::uint32_t end);

  [[nodiscard]] const BulkAnswer& entry(std::uint32_t index) const noexcept { return entries_[index - first_]; }
  /// The bytes to which an entry refers.
  [[nodiscard]] BytesView bytes_of(const BulkAnswer& entry) const noexcept {
    return entry.size_bytes == 0 ? BytesView(bytes_.get(), 0)
                                 : BytesView(bytes_.get() + (entry.offset_bytes - bytes_offset_), entry.size_bytes);
  }

  GenerationRef made_by_;
  std::uint32_t first_ = 0;  // Index of the first entry.
  std::vector<BulkAnswer> entries_;
  std::uint64_t bytes_offset_ = 0;         // The offset of bytes_ in the worker's block.
  std::unique_ptr<std::uint8_t[]> bytes_;  // Never null.
  std::vector<std::pair<std::uint32_t, StoredBytes>> references_;
  /// The work's arguments as results; null if no item returned its argument. One object serves all items: separate ones
  /// would cost an allocation and six reference-count changes per item.
  Shared<const ReplyStorage> handed_on_;
};

/// Items of a bulk call that have ended.
struct BulkEnds {
  std::uint32_t first = 0;
  std::uint32_t count = 0;
  /// The route they ran on, or were to run on.
  RouteRef route;
  /// Their results, from `offset` on; null if all items ended with `error`.
  Shared<const BulkAnswers> answers;
  std::uint32_t offset = 0;
  /// The run time of one item, as the worker reports it; 0 if unknown.
  std::int64_t mean_run_ns = 0;
  std::shared_ptr<const Error> error;
};

/// Receives the results of a bulk call. It is notified of each item once. [any-thread], also concurrently.
class BulkSink : public SharedObject {
 public:
  virtual void on_end(const Shared<const BulkWork>& work, const BulkEnds& ends) noexcept = 0;

  void abandon() noexcept { abandoned_.store(true, std::memory_order_relaxed); }
  // Relaxed: a thread that sees it late only runs some items for nothing.
  [[nodiscard]] bool abandoned() const noexcept { return abandoned_.load(std::memory_order_relaxed); }

 private:
  std::atomic<bool> abandoned_{false};
};

/// The locations of the items of a bulk call that have not ended. Guarded by the scheduler's lock.
struct BulkParts {
  Call* first = nullptr;        ///< The first of the calls that have them; CallDetails::next_part links the others.
  std::vector<bool> cancelled;  ///< Indexed by item; empty until an item is cancelled.
};

/// The items of one bulk call as they were submitted. Immutable except for `parts`.
class BulkWork final : public SharedObject {
 public:
  BulkWork(Shared<BulkSink> to, RouteRef of_task, StoredBytes argument_block, std::uint32_t item_count,
           std::uint64_t first_call_id, std::uint64_t of_sink)
      : sink(std::move(to)),
        route(std::move(of_task)),
        block(std::move(argument_block)),
        count(item_count),
        first_id(first_call_id),
        tag(of_sink) {}

  /// Argument of an item, inside the block; empty for an item without one.
  [[nodiscard]] BytesView argument_bytes(std::uint32_t index) const noexcept;
  /// The same as an owner that shares the block.
  [[nodiscard]] StoredBytes argument(std::uint32_t index) const;
  /// What items count against max_queued_bytes; the sum over all items is the block's size.
  [[nodiscard]] std::uint64_t bytes_of(std::uint32_t from, std::uint32_t items) const noexcept {
    const std::uint64_t size = block.bytes.size();
    return size * (from + items) / count - size * from / count;
  }

  /// Whether no caller waits for the items any more, so that those not sent yet need not be sent.
  [[nodiscard]] bool abandoned() const noexcept { return sink->abandoned(); }

  /// The outcome of the `index`-th item of `ends`.
  [[nodiscard]] Result<Reply> outcome(const BulkEnds& ends, std::uint32_t index) const;

  const Shared<BulkSink> sink;
  const RouteRef route;
  const StoredBytes block;
  const std::uint32_t count;
  const std::uint64_t first_id;  ///< Call id of item 0; the others follow.
  const std::uint64_t tag;       ///< A number for the sink's own use.
  mutable BulkParts parts;       ///< Belongs to the scheduler.
};

/// Gathers arguments for an argument block.
class BulkBuilder {
 public:
  /// A larger argument is sent separately.
  static constexpr std::size_t kLargestArgument = 1024;

  [[nodiscard]] std::uint32_t count() const noexcept { return static_cast<std::uint32_t>(places_.size()); }
  [[nodiscard]] std::size_t size_bytes() const noexcept { return bytes_.size(); }
  void add(BytesView argument);
  /// Moves the arguments into `block` for workers to read, and leaves the builder empty.
  void finish(Buffer& block);

 private:
  std::vector<BulkArgument> places_;  // Offsets from the start of bytes_.
  Buffer bytes_;
};

template <typename Lease>
Result<Shared<BulkAnswers>> BulkAnswers::copy(BytesView block, std::uint32_t first, std::uint32_t end,
                                              const BulkWork& work, GenerationRef made_by, Lease lease) {
  auto copied = copy_block(block, first, end);
  if (!copied) {
    return fail(std::move(copied.error()));
  }
  (*copied)->made_by_ = std::move(made_by);
  for (std::uint32_t i = first; i < end; ++i) {
    const BulkAnswer& entry = (*copied)->entry(i);
    if ((entry.flags & kBulkAnswerArgument) != 0 && (*copied)->handed_on_ == nullptr) {
      (*copied)->handed_on_ = with_origin(work.block, (*copied)->made_by_).storage;
    }
    if ((entry.flags & kBulkAnswerReference) != 0) {
      BlockRef ref;
      std::memcpy(&ref, (*copied)->bytes_of(entry).data(), sizeof ref);
      Result<StoredBytes> leased = lease(ref);
      if (!leased) {
        return fail(std::move(leased.error()));
      }
      (*copied)->references_.emplace_back(i, std::move(*leased));
    }
  }
  return copied;
}

}  // namespace tenon::internal
