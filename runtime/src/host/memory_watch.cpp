#include "host/memory_watch.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include "base/text.hpp"

namespace tenon::internal {

namespace {

constexpr std::int64_t kPeriodNs = 100'000'000;
/// Memory that the kernel counts in addition to the program's own: page tables and kernel records.
/// The worker's own limit of private memory applies first; a task sees it as an error.
constexpr std::uint64_t kGroupSlackBytes = std::uint64_t{4} << 20;

}  // namespace

void WatchedProcess::check() {
  const std::lock_guard lock(mutex_);
  if (process_ == nullptr || used_bytes_ != 0) {
    return;
  }
  const auto used_bytes = process_memory_bytes(process_->pid(), limit_bytes_);
  if (used_bytes && *used_bytes > limit_bytes_) {
    used_bytes_ = *used_bytes;
    process_->kill();
  }
}

void WatchedProcess::complete(ExitStatus& status) {
  const std::lock_guard lock(mutex_);
  process_ = nullptr;
  const bool by_group = group_ && group_->has_killed();
  if (status.signal == 0 || (used_bytes_ == 0 && !by_group)) {
    return;
  }
  status.out_of_memory = true;
  status.note = ": it used " + (used_bytes_ != 0 ? format_size(used_bytes_) + " of memory, " : std::string()) +
                "more than its limit of " + format_size(limit_bytes_) +
                "; raise RuntimeOptions::worker_memory_limit_bytes";
}

void WatchedProcess::forget() {
  const std::lock_guard lock(mutex_);
  process_ = nullptr;
}

MemoryWatch::MemoryWatch(std::uint64_t limit_bytes) : limit_bytes_(limit_bytes) {
  if (limit_bytes_ != 0) {
    MemoryGroup::sweep();
  }
}

std::shared_ptr<WatchedProcess> MemoryWatch::add(Process& process) {
  if (limit_bytes_ == 0) {
    return nullptr;
  }
  auto group = groups_ ? MemoryGroup::create(limit_bytes_ + kGroupSlackBytes) : std::nullopt;
  groups_ = group.has_value();
  if (group && !group->add(process.pid())) {
    group.reset();
  }
  const bool measured = !group;
  auto watched = std::make_shared<WatchedProcess>(process, limit_bytes_, std::move(group));
  if (measured) {
    std::erase_if(measured_, [](const auto& weak) { return weak.expired(); });
    measured_.push_back(watched);
    next_ns_ = std::min(next_ns_, monotonic_now_ns() + kPeriodNs);
  }
  return watched;
}

MonotonicNs MemoryWatch::look_after(MonotonicNs now_ns) {
  if (now_ns < next_ns_) {
    return next_ns_;
  }
  next_ns_ = kNever;
  for (const auto& weak : measured_) {
    if (const auto watched = weak.lock()) {
      watched->check();
      next_ns_ = now_ns + kPeriodNs;
    }
  }
  return next_ns_;
}

}  // namespace tenon::internal
