#include "pipeline/expansion.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

namespace tenon::internal {

Expansion::Expansion(const PlanNode& plan, const Limits& limits) : plan_(plan), limits_(limits) {}

std::uint32_t Expansion::take(Item item) {
  std::uint32_t which = 0;
  if (free_.empty()) {
    which = static_cast<std::uint32_t>(entries_.size());
    entries_.emplace_back();
  } else {
    which = free_.back();
    free_.pop_back();
  }
  Entry& entry = entries_[which];
  entry.item = std::move(item);
  entry.session.emplace(plan_, checkpoints_, step_);
  open_.push_back(which);
  if (limits_.ordered) {
    order_.push_back(which);
  }
  return which;
}

const std::vector<std::uint32_t>& Expansion::next_round() {
  if (open_.size() > 1) {
    std::rotate(open_.begin(), open_.begin() + 1, open_.end());
  }
  return open_;
}

std::uint32_t Expansion::room_to_hold(std::uint32_t which) const noexcept {
  const Entry& entry = entries_[which];
  const std::uint64_t items = std::max<std::uint64_t>(1, limits_.held.items / limits_.sessions);
  const std::uint64_t bytes = std::max<std::uint64_t>(1, limits_.held.bytes / limits_.sessions);
  if (entry.held.size() >= items || entry.held_bytes >= bytes) {
    return 0;
  }
  const StepSize& step = entry.session->step();
  return static_cast<std::uint32_t>(std::min(
      {std::uint64_t{step.size()}, items - entry.held.size(), std::uint64_t{step.within(bytes - entry.held_bytes)}}));
}

void Expansion::asked(std::uint32_t which, std::uint32_t results) {
  if (holds_back(which)) {
    return;
  }
  Entry& entry = entries_[which];
  entry.asked = {results, results * entry.session->step().item_bytes()};
  ahead_.items += entry.asked.items;
  ahead_.bytes += entry.asked.bytes;
}

void Expansion::answered(std::uint32_t which) noexcept {
  const ResultsAhead asked = std::exchange(entries_[which].asked, {});
  ahead_.items -= asked.items;
  ahead_.bytes -= asked.bytes;
}

void Expansion::gave(std::uint32_t which, std::vector<Reply> results, std::vector<Reply>& ready) {
  if (!holds_back(which)) {
    std::move(results.begin(), results.end(), std::back_inserter(ready));
    return;
  }
  Entry& entry = entries_[which];
  held_.items += results.size();
  for (Reply& result : results) {
    entry.held_bytes += result.size_bytes();
    held_.bytes += result.size_bytes();
    entry.held.push_back(std::move(result));
  }
}

void Expansion::pass_on(Entry& entry, std::vector<Reply>& ready) {
  held_.items -= entry.held.size();
  held_.bytes -= entry.held_bytes;
  entry.held_bytes = 0;
  while (!entry.held.empty()) {
    ready.push_back(entry.held.pop_front());
  }
}

void Expansion::over(std::uint32_t which, std::vector<Reply>& ready) {
  Entry& entry = entries_[which];
  // A session that learned nothing does not change what other sessions have shown about the task.
  const StreamSession::Checkpoints known = entry.session->checkpoints();
  if (known != StreamSession::Checkpoints::kUnknown && checkpoints_ != StreamSession::Checkpoints::kGiven) {
    checkpoints_ = known;
  }
  step_ = entry.session->step().for_another();
  entry.over = true;
  entry.session.reset();
  entry.item = {};
  open_.erase(std::find(open_.begin(), open_.end(), which));
  if (!limits_.ordered) {
    release(which);
    return;
  }
  while (!order_.empty()) {
    // The results that the first item has held back come before its later results.
    Entry& first = entries_[order_.front()];
    pass_on(first, ready);
    if (!first.over) {
      break;
    }
    release(order_.pop_front());
  }
}

void Expansion::release(std::uint32_t which) {
  Entry& entry = entries_[which];
  entry.attempt = 1;
  entry.over = false;
  free_.push_back(which);
}

}  // namespace tenon::internal
