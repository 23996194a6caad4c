#include "host/segment.hpp"

#include <algorithm>
#include <bit>
#include <iterator>

#include "base/checked.hpp"

namespace tenon::internal {

void Retired::add_segment(std::uint32_t number) {
  numbers_.lock()->segments.push_back(number);
  bell_.ring();
}

void Retired::add_route(std::uint32_t number) {
  numbers_.lock()->routes.push_back(number);
  bell_.ring();
}

Retired::Numbers Retired::take() {
  return numbers_.take();
}

SharedSegment::~SharedSegment() {
  retired_->add_segment(number_);
}

void SharedSegment::destroy() noexcept {
  if (home_ == nullptr) {
    delete this;
    return;
  }
  const std::shared_ptr<SegmentCache> home = std::move(home_);
  add_reference();  // No other reference exists: this one revives it for the cache.
  home->keep(Shared<SharedSegment>::adopt(this));
}

SegmentCache::SegmentCache(std::uint64_t limit_bytes, std::shared_ptr<Retired> retired)
    : limit_bytes_(limit_bytes), retired_(std::move(retired)) {
  // Avoids an allocation when a segment is returned.
  content_.lock()->idle.reserve(kMaxSegments + 1);
}

Shared<SharedSegment> SegmentCache::take(std::uint64_t size_bytes) {
  Shared<SharedSegment> taken;
  {
    auto content = content_.lock();
    auto& idle = content->idle;
    auto best = idle.end();
    // The latest of the smallest: its pages are the warmest.
    for (auto entry = idle.begin(); entry != idle.end(); ++entry) {
      const std::uint64_t capacity = entry->segment->mapping_->size_bytes();
      if (capacity >= size_bytes && capacity / 2 <= size_bytes &&
          (best == idle.end() || capacity <= best->segment->mapping_->size_bytes())) {
        best = entry;
      }
    }
    if (best == idle.end()) {
      return nullptr;
    }
    taken = std::move(best->segment);
    idle.erase(best);
    content->bytes -= taken->touched_bytes_;
  }
  adopt(*taken, size_bytes);
  return taken;
}

void SegmentCache::adopt(SharedSegment& segment, std::uint64_t used_bytes) {
  segment.home_ = shared_from_this();
  segment.touched_bytes_ = std::max(segment.touched_bytes_, used_bytes);
}

void SegmentCache::keep(Shared<SharedSegment> segment) {
  std::vector<Idle> leaving;
  bool ring = false;
  {
    auto content = content_.lock();
    if (content->closed || segment->touched_bytes_ > limit_bytes_) {
      leaving.push_back({std::move(segment), 0});
    } else {
      const MonotonicNs now_ns = monotonic_now_ns();
      content->bytes += segment->touched_bytes_;
      content->idle.push_back({std::move(segment), now_ns});
      content->last_kept_ns = now_ns;
      std::size_t count = 0;
      while (content->bytes > limit_bytes_ || content->idle.size() - count > kMaxSegments) {
        content->bytes -= content->idle[count].segment->touched_bytes_;
        ++count;
      }
      const auto end = content->idle.begin() + static_cast<std::ptrdiff_t>(count);
      leaving.assign(std::make_move_iterator(content->idle.begin()), std::make_move_iterator(end));
      content->idle.erase(content->idle.begin(), end);
      ring = !std::exchange(content->armed, true);
    }
  }
  if (ring) {
    retired_->ring();
  }
  let_go(std::move(leaving));
}

void SegmentCache::let_go(std::vector<Idle> leaving) {
  std::uint64_t bytes = 0;
  for (const Idle& entry : leaving) {
    bytes += entry.segment->touched_bytes_;
  }
  if (bytes < kApartBytes) {
    return;
  }
  Thread ended;
  {
    auto content = content_.lock();
    if (content->closed) {
      content.unlock();
      return;
    }
    content->leaving.insert(content->leaving.end(), std::make_move_iterator(leaving.begin()),
                            std::make_move_iterator(leaving.end()));
    leaving.clear();
    if (!content->unmapping) {
      ended = std::move(content->unmapper);
      if (auto started = Thread::start("tenon-unmap", [this] { unmap(); })) {
        content->unmapper = std::move(*started);
        content->unmapping = true;
      } else {
        // If no thread can be started, this one unmaps them.
        leaving = std::exchange(content->leaving, {});
      }
    }
  }
  ended.join();
}

void SegmentCache::unmap() {
  for (;;) {
    std::vector<Idle> leaving;
    auto content = content_.lock();
    leaving.swap(content->leaving);
    if (leaving.empty()) {
      content->unmapping = false;
      return;
    }
    content.unlock();
  }
}

MonotonicNs SegmentCache::trim(MonotonicNs now_ns) {
  std::vector<Idle> leaving;
  auto content = content_.lock();
  auto& idle = content->idle;
  const auto end =
      std::find_if(idle.begin(), idle.end(), [&](const Idle& entry) { return now_ns - entry.since_ns < kIdleNs; });
  for (auto entry = idle.begin(); entry != end; ++entry) {
    content->bytes -= entry->segment->touched_bytes_;
  }
  leaving.assign(std::make_move_iterator(idle.begin()), std::make_move_iterator(end));
  idle.erase(idle.begin(), end);
  MonotonicNs next_ns = kNever;
  if (!idle.empty()) {
    next_ns = idle.front().since_ns + kIdleNs;
  } else if (content->armed && now_ns - content->last_kept_ns < kIdleNs) {
    // All are in use: the trim timer stays armed, so that consecutive calls do not wake the reactor
    // each time.
    next_ns = content->last_kept_ns + kIdleNs;
  } else {
    content->armed = false;
  }
  content.unlock();
  let_go(std::move(leaving));
  return next_ns;
}

void SegmentCache::clear() {
  std::vector<Idle> leaving;
  auto content = content_.lock();
  leaving.assign(std::make_move_iterator(content->idle.begin()), std::make_move_iterator(content->idle.end()));
  content->idle.clear();
  content->bytes = 0;
  content.unlock();
}

void SegmentCache::close() {
  Thread unmapper;
  {
    auto content = content_.lock();
    content->closed = true;
    unmapper = std::move(content->unmapper);
  }
  clear();
  unmapper.join();
}

SegmentCache::~SegmentCache() {
  close();
}

std::uint64_t SegmentCache::idle_bytes() {
  return content_.lock()->bytes;
}

std::size_t SegmentCache::idle_segments() {
  return content_.lock()->idle.size();
}

std::uint64_t large_block_capacity(std::uint64_t size_bytes) noexcept {
  // Four steps per power of two.
  const std::uint64_t step = std::max<std::uint64_t>(std::bit_floor(size_bytes) / 4, page_size_bytes());
  return checked_align_up<std::uint64_t>(size_bytes, step).value_or(size_bytes);
}

}  // namespace tenon::internal
