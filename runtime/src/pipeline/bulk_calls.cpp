#include "pipeline/bulk_calls.hpp"

#include <algorithm>
#include <limits>

#include "host/bulk_limits.hpp"

namespace tenon::internal {
namespace {

/// A bulk call that takes less time than this costs as much to send as to run.
constexpr std::int64_t kLeastRunNs = 10'000;
/// How many bulk calls one flush may send to each worker.
constexpr std::uint32_t kBulksPerWorker = 2;

}  // namespace

std::uint32_t bulk_size(std::size_t waiting, std::int64_t mean_run_ns, std::uint32_t workers) noexcept {
  if (mean_run_ns == 0 || waiting == 0) {
    return 1;
  }
  const auto calls = static_cast<std::int64_t>(waiting);
  const std::int64_t shares = std::int64_t{std::max(workers, 1U)} * kBulksPerWorker;
  const std::int64_t fair = std::max((calls + shares - 1) / shares, kLeastRunNs / mean_run_ns);
  const std::int64_t most = std::clamp<std::int64_t>(std::min(fair, kLongestBulkNs / mean_run_ns), 1, kMostBulkCalls);
  // All bulk calls get about the same size; there is no small one at the end.
  const std::int64_t bulks = (calls + most - 1) / most;
  return static_cast<std::uint32_t>((calls + bulks - 1) / bulks);
}

class BulkCalls::Sink final : public BulkSink {
 public:
  explicit Sink(EndQueue& queue) : queue_(queue) {}
  void on_end(const Shared<const BulkWork>& work, const BulkEnds& ends) noexcept override { queue_.push({work, ends}); }

 private:
  EndQueue& queue_;
};

BulkCalls::BulkCalls(std::shared_ptr<Pool> pool, EndQueue& queue)
    : pool_(std::move(pool)), sink_(make_shared_object<Sink>(queue)), queue_(queue) {}

BulkCalls::Stage& BulkCalls::stage_of(const CallOptions* options, const std::string& task) {
  if (last_stage_ == nullptr || last_stage_->options != options) {
    last_stage_ = &stages_[options];
    if (last_stage_->options == nullptr) {
      last_stage_->options = options;
      last_stage_->task = &task;
      last_stage_->gathers = pool_ != nullptr && may_travel_together(*options);
    }
  }
  return *last_stage_;
}

bool BulkCalls::add(std::uint32_t slot, const std::string& task, const Reply& argument, const CallOptions* options) {
  Stage& stage = stage_of(options, task);
  if (!stage.gathers || argument.size_bytes() > BulkBuilder::kLargestArgument) {
    return false;
  }
  if (places_.size() <= slot) {
    places_.resize(std::max<std::size_t>(slot + 1, places_.size() * 2));
  }
  places_[slot] = {.bulk = kWaits, .item = 0, .ends = 0, .argument = &argument};
  if (stage.waiting.empty()) {
    gathered_.push_back(&stage);
  }
  stage.waiting.push_back(slot);
  return true;
}

void BulkCalls::leave(const Stage& stage, std::uint32_t slot, std::vector<Alone>& alone) {
  alone.push_back({slot, stage.task, places_[slot].argument, stage.options});
  places_[slot].bulk = kElsewhere;
}

void BulkCalls::flush(std::vector<Alone>& alone) {
  // Cancels go first, while the numbers of completed bulk calls are not in use again.
  send_cancels();
  for (Stage* stage : gathered_) {
    std::erase_if(stage->waiting, [this](std::uint32_t slot) { return places_[slot].bulk != kWaits; });
    const std::size_t count = stage->waiting.size();
    if (count == 1) {
      leave(*stage, stage->waiting.front(), alone);
    } else {
      const auto size = std::min<std::uint64_t>(bulk_size(count, stage->mean_run_ns, pool_->worker_count()),
                                                pool_->max_queued_calls());
      for (std::size_t begin = 0; begin < count;) {
        begin = send(*stage, begin, size, alone);
      }
    }
    stage->waiting.clear();
  }
  gathered_.clear();
}

std::size_t BulkCalls::send(Stage& stage, std::size_t begin, std::size_t size, std::vector<Alone>& alone) {
  std::size_t end = begin;
  while (end < stage.waiting.size() && end - begin < size && builder_.size_bytes() < kMostBulkBytes) {
    builder_.add(places_[stage.waiting[end]].argument->bytes_in_place());
    ++end;
  }
  const auto count = static_cast<std::uint32_t>(end - begin);
  builder_.finish(block_);
  const std::uint32_t index = new_bulk();
  Bulk& bulk = bulks_[index];
  bulk.stage = &stage;
  bulk.open = count;
  for (std::uint32_t item = 0; item < count; ++item) {
    const std::uint32_t slot = stage.waiting[begin + item];
    bulk.slots.push_back(slot);
    places_[slot].bulk = index;
    places_[slot].item = item;
  }
  auto work = pool_->calls().make_bulk(sink_, *stage.task, stage.options->params, block_, count, index);
  if (work) {
    bulk.work = *work;
  }
  if (!work || !pool_->submit_bulk(*work, *stage.options)) {
    // Each call is tried by itself and reports why it cannot run.
    for (const std::uint32_t slot : bulk.slots) {
      leave(stage, slot, alone);
    }
    bulk.work = nullptr;
    bulk.slots.clear();
    free_bulks_.push_back(index);
  }
  return end;
}

std::uint32_t BulkCalls::new_bulk() {
  if (free_bulks_.empty()) {
    bulks_.emplace_back();
    return static_cast<std::uint32_t>(bulks_.size() - 1);
  }
  const std::uint32_t index = free_bulks_.back();
  free_bulks_.pop_back();
  return index;
}

bool BulkCalls::cancel(std::uint32_t slot) {
  if (!has(slot)) {
    return false;
  }
  Place& place = places_[slot];
  if (place.bulk == kWaits) {
    place.bulk = kCancelled;
    queue_.push(Ended{Ended::Kind::kCall, slot, 0});
  } else if (place.bulk != kCancelled) {
    cancels_.emplace_back(place.bulk, place.item);
  }
  return true;
}

void BulkCalls::send_cancels() {
  std::sort(cancels_.begin(), cancels_.end());
  for (std::size_t first = 0; first < cancels_.size();) {
    const auto [bulk, item] = cancels_[first];
    std::size_t end = first + 1;
    while (end < cancels_.size() && cancels_[end].first == bulk && cancels_[end].second <= item + (end - first)) {
      ++end;
    }
    if (bulks_[bulk].work != nullptr) {
      const std::uint32_t behind = cancels_[end - 1].second + 1;
      pool_->cancel_items(*bulks_[bulk].work, item, behind - item);
    }
    first = end;
  }
  cancels_.clear();
}

Result<Reply> BulkCalls::take(std::uint32_t slot) {
  Place& place = places_[slot];
  const std::uint32_t index = std::exchange(place.bulk, kElsewhere);
  if (index == kCancelled) {
    return fail(ErrorCode::kCancelled, "the call was cancelled before it began");
  }
  Bulk& bulk = bulks_[index];
  const BulkEnds& ends = bulk.ends[place.ends];
  const std::uint32_t at = place.item - ends.first;
  // A result that is the argument itself is taken from there, so the block of the bulk call can be
  // freed.
  const bool same = ends.answers != nullptr && ends.answers->is_argument(ends.offset + at);
  Result<Reply> outcome = same ? Result<Reply>(*place.argument) : bulk.work->outcome(ends, at);
  if (--bulk.open == 0) {
    bulk.work = nullptr;
    bulk.slots.clear();
    bulk.ends.clear();
    free_bulks_.push_back(index);
  }
  return outcome;
}

void BulkCalls::arrived(BulkEnded ended, std::vector<Ended>& calls) {
  Bulk& bulk = bulks_[ended.work->tag];
  if (const std::int64_t took_ns = ended.ends.mean_run_ns; took_ns > 0) {
    std::int64_t& mean_ns = bulk.stage->mean_run_ns;
    mean_ns = mean_ns == 0 ? took_ns : (mean_ns + took_ns + 1) / 2;
  }
  const auto which = static_cast<std::uint32_t>(bulk.ends.size());
  for (std::uint32_t i = 0; i < ended.ends.count; ++i) {
    const std::uint32_t slot = bulk.slots[ended.ends.first + i];
    places_[slot].ends = which;
    calls.push_back({Ended::Kind::kCall, slot, 0});
  }
  bulk.ends.push_back(std::move(ended.ends));
}

}  // namespace tenon::internal
