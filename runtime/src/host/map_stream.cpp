#include "host/map_stream.hpp"

#include <algorithm>
#include <utility>

#include <tenon/internal/promise.hpp>

#include "base/clock.hpp"
#include "host/bulk_limits.hpp"

namespace tenon {

using internal::BulkBuilder;
using internal::BulkEnds;
using internal::BulkWork;
using internal::kLongestBulkNs;
using internal::kMostBulkBytes;
using internal::kMostBulkCalls;
using internal::may_travel_together;
using internal::monotonic_now_ns;
using internal::Shared;

namespace {

constexpr std::size_t kWindowPerWorker = 64;
/// Bulk calls in flight per worker; it runs one of them.
constexpr std::size_t kBulksPerWorker = 4;
/// How long the first argument of a bulk call may wait for the others.
constexpr std::int64_t kGatherNs = 100'000;
constexpr std::uint32_t kGrowth = 4;
/// How long a stream without order drives one worker before it waits for all of them.
constexpr std::int64_t kDriveNs = 200'000;

}  // namespace

// -- arrivals ---------------------------------------------------------------------------------

void MapStream::Impl::Inbox::on_end(const Shared<const BulkWork>& work, const BulkEnds& ends) noexcept {
  Arrival arrival;
  arrival.index = work->tag + ends.first;
  arrival.count = ends.count;
  arrival.work = work;
  arrival.ends = ends;
  add(std::move(arrival));
}

void MapStream::Impl::Inbox::add(Arrival arrival) {
  const std::lock_guard lock(mutex_);
  if (!abandoned()) {
    waiting_.push_back(std::move(arrival));
    arrived_.notify_one();
  }
}

void MapStream::Impl::Inbox::close() {
  abandon();
  // Arrivals hold the work, which holds this inbox; they are therefore dropped outside the lock.
  std::vector<Arrival> dropped;
  {
    const std::lock_guard lock(mutex_);
    dropped.swap(waiting_);
  }
}

bool MapStream::Impl::Inbox::try_take(std::vector<Arrival>& arrivals) {
  const std::lock_guard lock(mutex_);
  std::move(waiting_.begin(), waiting_.end(), std::back_inserter(arrivals));
  waiting_.clear();
  return !arrivals.empty();
}

void MapStream::Impl::Inbox::take(std::vector<Arrival>& arrivals) {
  {
    std::unique_lock lock(mutex_);
    arrived_.wait(lock, [this] { return !waiting_.empty(); });
  }
  static_cast<void>(try_take(arrivals));
}

// -- the stream -------------------------------------------------------------------------------

MapStream::Impl::Impl(std::shared_ptr<internal::Pool> pool, std::string_view task,
                      std::function<std::optional<BytesView>()> next_argument, const MapOptions& options)
    : pool_(std::move(pool)),
      task_(task),
      next_argument_(std::move(next_argument)),
      options_(options),
      params_(options.call.params.begin(), options.call.params.end()),
      gathers_(pool_ != nullptr && may_travel_together(options.call)) {
  options_.call.params = params_;
}

MapStream::Impl::~Impl() {
  inbox_->close();
  for (const Group& group : groups_) {
    group.single.cancel();
  }
}

std::size_t MapStream::Impl::window() const noexcept {
  if (options_.window != 0) {
    return options_.window;
  }
  const std::size_t workers = pool_ == nullptr ? 1 : pool_->worker_count();
  return workers * std::max(kWindowPerWorker, kBulksPerWorker * bulk_size_);
}

void MapStream::Impl::choose_bulk_size(std::int64_t gathering_ns) {
  std::int64_t size = std::min<std::int64_t>(kMostBulkCalls, std::int64_t{bulk_size_} * kGrowth);
  if (mean_run_ns_ == 0) {
    size = 1;  // Nothing is known about its calls yet.
  } else {
    size = std::min(size, kLongestBulkNs / mean_run_ns_);
  }
  if (const std::int64_t each_ns = gathering_ns / bulk_size_; each_ns > 0) {
    size = std::min(size, kGatherNs / each_ns);
  }
  if (options_.window != 0) {
    size = std::min<std::int64_t>(size, static_cast<std::int64_t>(options_.window / (2 * pool_->worker_count())));
  }
  bulk_size_ = static_cast<std::uint32_t>(std::max<std::int64_t>(size, 1));
}

void MapStream::Impl::submit_single(BytesView argument) {
  Group group;
  group.end_index = next_index_ + 1;
  if (pool_ == nullptr) {
    group.single = internal::completed_future<Reply>(
        fail(ErrorCode::kInvalidArgument, "this runtime has been moved away; use the one it was moved to"));
  } else if (auto call = pool_->calls().make(task_, argument, options_.call)) {
    group.single = Future<Reply>(Shared<internal::TypedState<Reply>>(*call));
    pool_->submit(std::move(*call));
  } else {
    group.single = internal::completed_future<Reply>(fail(std::move(call.error())));
  }
  if (!options_.ordered) {
    Arrival arrival;
    arrival.index = next_index_;
    arrival.single = group.single;
    static_cast<void>(group.single.then([inbox = inbox_, arrival](const Result<Reply>&) { inbox->add(arrival); }));
  }
  groups_.push_back(std::move(group));
  ++next_index_;
  ++in_flight_;
}

void MapStream::Impl::submit_bulk() {
  const std::uint32_t count = gathered_.count();
  if (count == 0) {
    return;
  }
  gathered_.finish(block_);
  Group group;
  group.end_index = next_index_ + count;
  auto work = pool_->calls().make_bulk(inbox_, task_, options_.call.params, block_, count, next_index_);
  auto submitted = work ? pool_->submit_bulk(*work, options_.call) : Result<internal::CallRef>(fail(work.error()));
  if (submitted) {
    group.bulk = std::move(*submitted);
  } else {
    Arrival arrival;
    arrival.index = next_index_;
    arrival.count = count;
    arrival.single = internal::completed_future<Reply>(fail(std::move(submitted.error())));
    group.single = arrival.single;
    if (!options_.ordered) {
      inbox_->add(std::move(arrival));
    }
  }
  groups_.push_back(std::move(group));
  next_index_ += count;
  in_flight_ += count;
}

void MapStream::Impl::fill() {
  while (!exhausted_ && in_flight_ + (gathers_ ? bulk_size_ : 1) <= std::max<std::size_t>(window(), 1)) {
    const auto start_ns = monotonic_now_ns();
    while (gathered_.count() < bulk_size_ && gathered_.size_bytes() < kMostBulkBytes) {
      const std::optional<BytesView> argument = next_argument_();
      if (!argument) {
        exhausted_ = true;
        break;
      }
      if (!gathers_ || argument->size() > BulkBuilder::kLargestArgument) {
        submit_bulk();
        submit_single(*argument);
        break;
      }
      gathered_.add(*argument);
    }
    submit_bulk();
    if (gathers_) {
      choose_bulk_size(monotonic_now_ns() - start_ns);
    }
  }
}

MapStream::Item MapStream::Impl::give(Arrival& arrival) {
  const std::uint32_t i = arrival.given++;
  --in_flight_;
  return Item{arrival.index + i,
              arrival.work != nullptr ? arrival.work->outcome(arrival.ends, i) : arrival.single.get()};
}

void MapStream::Impl::sort_in() {
  for (Arrival& arrival : taken_) {
    if (arrival.ends.mean_run_ns > 0) {
      mean_run_ns_ = mean_run_ns_ == 0 ? arrival.ends.mean_run_ns
                                       : std::max<std::int64_t>((mean_run_ns_ * 3 + arrival.ends.mean_run_ns) / 4, 1);
    }
    early_.emplace(arrival.index, std::move(arrival));
  }
  taken_.clear();
}

void MapStream::Impl::collect() {
  if (!inbox_->try_take(taken_)) {
    // The results of the oldest bulk call are needed first, or usually arrive first.
    if (!groups_.empty() && groups_.front().bulk != nullptr) {
      pool_->drive(*groups_.front().bulk, options_.ordered ? internal::kNever : monotonic_now_ns() + kDriveNs);
    }
    inbox_->take(taken_);
  }
  sort_in();
}

std::optional<MapStream::Item> MapStream::Impl::next() {
  if (current_ && current_->given < current_->count) {
    return give(*current_);
  }
  current_.reset();
  fill();
  if (in_flight_ == 0) {
    return std::nullopt;
  }
  return options_.ordered ? next_in_order() : next_arrived();
}

std::optional<MapStream::Item> MapStream::Impl::next_in_order() {
  while (groups_.front().end_index <= next_out_) {
    groups_.pop_front();
  }
  Group& group = groups_.front();
  if (group.bulk == nullptr) {
    current_.emplace();
    current_->index = next_out_;
    current_->count = static_cast<std::uint32_t>(group.end_index - next_out_);
    current_->single = group.single;
  } else {
    auto found = early_.find(next_out_);
    for (; found == early_.end(); found = early_.find(next_out_)) {
      collect();
    }
    current_ = std::move(found->second);
    early_.erase(found);
  }
  next_out_ += current_->count;
  return give(*current_);
}

std::optional<MapStream::Item> MapStream::Impl::next_arrived() {
  while (early_.empty()) {
    collect();
  }
  current_ = std::move(early_.begin()->second);
  early_.erase(early_.begin());
  // Groups are kept only for waiting: those before the current arrival are done, or nearly so.
  while (groups_.size() > 1 && groups_.front().end_index <= current_->index + current_->count) {
    groups_.pop_front();
  }
  return give(*current_);
}

MapStream::MapStream(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
MapStream::MapStream(MapStream&&) noexcept = default;
MapStream& MapStream::operator=(MapStream&&) noexcept = default;
MapStream::~MapStream() = default;

std::optional<MapStream::Item> MapStream::next() {
  return impl_ == nullptr ? std::nullopt : impl_->next();
}

}  // namespace tenon
