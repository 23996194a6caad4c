/// host/bulk.hpp: many small calls of one task that travel together.
///
/// A bulk call costs the ring and the scheduler as much as one call. What its items promise is the same: each ends
/// once; when the worker dies, the item it was running is charged and the others continue elsewhere; an item that has
/// not begun is taken back for an idle worker.
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

/// Answers to some items, copied from the worker's memory, and checked; the storage of the replies in it. Immutable
/// once it is announced.
class BulkAnswers final : public ReplyStorage {
 public:
  /// Copies what the worker wrote: entries `first` to `end` of its answer block and what they name, not what was copied
  /// before. `lease` gives the bytes that a reference names, which are then the host's. Errors: kCorrupt naming the
  /// field, or more bytes than a worker has room for.
  /// `made_by` is the origin of all of them, arguments that were given on among them.
  template <typename Lease>
  [[nodiscard]] static Result<Shared<BulkAnswers>> copy(BytesView block, std::uint32_t first, std::uint32_t end,
                                                        const BulkWork& work, GenerationRef made_by, Lease lease);
  /// Copies the results that lie in the worker's memory; they stay there when the host is out of memory. Before any
  /// reply refers to them.
  void copy_references() noexcept;

  /// The answer `index` of the block, one of those copied, which is to item `item` of `work`. Without context in
  /// errors.
  [[nodiscard]] Result<Reply> get(std::uint32_t index, const BulkWork& work, std::uint32_t item) const;
  [[nodiscard]] bool ok(std::uint32_t index) const noexcept { return entry(index).status == TENON_OK; }
  [[nodiscard]] const PluginInfo* origin() const noexcept override {
    return made_by_ == nullptr ? nullptr : made_by_->plugin.get();
  }
  /// Whether the answer is the item's own argument.
  [[nodiscard]] bool is_argument(std::uint32_t index) const noexcept {
    return entry(index).status == TENON_OK && (entry(index).flags & kBulkAnswerArgument) != 0;
  }

 private:
  BulkAnswers() = default;
  [[nodiscard]] static Result<Shared<BulkAnswers>> copy_block(BytesView block, std::uint32_t first, std::uint32_t end);

  [[nodiscard]] const BulkAnswer& entry(std::uint32_t index) const noexcept { return entries_[index - first_]; }
  /// What an entry names.
  [[nodiscard]] BytesView bytes_of(const BulkAnswer& entry) const noexcept {
    return entry.size_bytes == 0 ? BytesView(bytes_.get(), 0)
                                 : BytesView(bytes_.get() + (entry.offset_bytes - bytes_offset_), entry.size_bytes);
  }

  GenerationRef made_by_;
  std::uint32_t first_ = 0;  // Index of the first entry.
  std::vector<BulkAnswer> entries_;
  std::uint64_t bytes_offset_ = 0;         // Of bytes_ in the worker's block.
  std::unique_ptr<std::uint8_t[]> bytes_;  // Never null.
  std::vector<std::pair<std::uint32_t, StoredBytes>> references_;
  /// The work's arguments as results; null when no item gave its own on. One for all of them: each item's own would be
  /// an allocation and six changes of counts.
  Shared<const ReplyStorage> handed_on_;
};

/// Items of a bulk call that have ended.
struct BulkEnds {
  std::uint32_t first = 0;
  std::uint32_t count = 0;
  /// What they ran on, or were to run on.
  RouteRef route;
  /// The answers to them, from `offset` on; null when all ended as `error` says.
  Shared<const BulkAnswers> answers;
  std::uint32_t offset = 0;
  /// How long one of them took, as the worker says; 0 when it is not known.
  std::int64_t mean_run_ns = 0;
  std::shared_ptr<const Error> error;
};

/// Who gets the results of a bulk call. Told of each item once. [any-thread], also several at once.
class BulkSink : public SharedObject {
 public:
  virtual void on_end(const Shared<const BulkWork>& work, const BulkEnds& ends) noexcept = 0;

  void abandon() noexcept { abandoned_.store(true, std::memory_order_relaxed); }
  // Relaxed: a thread that sees it late runs some items in vain.
  [[nodiscard]] bool abandoned() const noexcept { return abandoned_.load(std::memory_order_relaxed); }

 private:
  std::atomic<bool> abandoned_{false};
};

/// Where the items of a bulk call are that have not ended. Guarded by the scheduler's lock.
struct BulkParts {
  Call* first = nullptr;        ///< Of the calls that have them, by CallDetails::next_part.
  std::vector<bool> cancelled;  ///< By item; empty as long as none is.
};

/// The items of one bulk call as they were submitted. Immutable but for `parts`.
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

  /// Argument of an item, in the block; empty for one that has none.
  [[nodiscard]] BytesView argument_bytes(std::uint32_t index) const noexcept;
  /// The same; it shares the block.
  [[nodiscard]] StoredBytes argument(std::uint32_t index) const;
  /// What items count against max_queued_bytes; adds up to the block's size.
  [[nodiscard]] std::uint64_t bytes_of(std::uint32_t from, std::uint32_t items) const noexcept {
    const std::uint64_t size = block.bytes.size();
    return size * (from + items) / count - size * from / count;
  }

  /// Whether no caller waits for the items any more: those that have not been sent need not be.
  [[nodiscard]] bool abandoned() const noexcept { return sink->abandoned(); }

  /// How the `index`-th item of `ends` ended.
  [[nodiscard]] Result<Reply> outcome(const BulkEnds& ends, std::uint32_t index) const;

  const Shared<BulkSink> sink;
  const RouteRef route;
  const StoredBytes block;
  const std::uint32_t count;
  const std::uint64_t first_id;  ///< Call id of item 0; the others follow.
  const std::uint64_t tag;       ///< A number of the sink's own.
  mutable BulkParts parts;       ///< The scheduler's.
};

/// Gathers arguments for an argument block.
class BulkBuilder {
 public:
  /// An argument that is too large travels better by itself.
  static constexpr std::size_t kLargestArgument = 1024;

  [[nodiscard]] std::uint32_t count() const noexcept { return static_cast<std::uint32_t>(places_.size()); }
  [[nodiscard]] std::size_t size_bytes() const noexcept { return bytes_.size(); }
  void add(BytesView argument);
  /// The block, and an empty builder. `store` puts it together where workers can read it.
  void finish(Buffer& block);

 private:
  std::vector<BulkArgument> places_;  // Offsets from the begin of bytes_.
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
