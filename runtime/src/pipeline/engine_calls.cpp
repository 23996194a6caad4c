// Map stages and plain sinks: one call for each item, with order, retries and time-outs.
#include <algorithm>
#include <utility>

#include "pipeline/engine.hpp"

namespace tenon::internal {

void Engine::pump_calls(std::uint32_t node) {
  NodeState& state = nodes_[node];
  const PlanNode& plan = *state.plan;
  if (resequences(plan)) {
    flush_sequence(node);
  } else {
    // Even if not everything fits, calls may continue within `hold`.
    static_cast<void>(flush_outbox(node));
  }
  state.window.measure(now_);
  const std::uint32_t most_under_way = state.under_way + state.window.free(state.under_way);
  while (state.under_way < most_under_way && !state.again.empty()) {
    start_call(state.again.pop_front());
  }
  const std::uint32_t most_active = hold(state);
  while (state.under_way < most_under_way && state.active < most_active && state.sequence.size() < most_active) {
    const std::uint32_t edge = next_edge(state);
    if (edge == kNone) {
      break;
    }
    const std::uint64_t bytes = edges_[edge].front().bytes();
    if (state.active > 0 && state.active_bytes + bytes > plan.queue.bytes) {
      break;
    }
    take_item(node, pop(edge));
  }
  if (state.active == 0 && state.sequence.empty() && input_ended(state)) {
    finish_node(node);
  }
}

bool Engine::resequences(const PlanNode& plan) noexcept {
  return plan.kind == NodeKind::kMap && plan.order == OrderKind::kInput;
}

std::uint32_t Engine::hold(const NodeState& state) noexcept {
  const PlanNode& plan = *state.plan;
  if (plan.order == OrderKind::kNone) {
    return 2 * state.window.size();
  }
  // In an ordered sink, an item that waits for its next attempt blocks the others.
  return plan.kind == NodeKind::kSink && plan.order == OrderKind::kInput ? 1 : 4 * state.window.size() + 64;
}

std::uint32_t Engine::new_call() {
  if (free_calls_.empty()) {
    calls_.emplace_back();
    return static_cast<std::uint32_t>(calls_.size() - 1);
  }
  const std::uint32_t slot = free_calls_.back();
  free_calls_.pop_back();
  return slot;
}

void Engine::take_item(std::uint32_t node, Item item) {
  NodeState& state = nodes_[node];
  const PlanNode& plan = *state.plan;
  std::string key;
  if (plan.order == OrderKind::kKey) {
    Result<std::string> value = plan.key_reader(item.reply.bytes());
    if (!value) {
      ++state.report.failed;
      record_failure(node, identify(plan, item), std::move(value.error()));
      return;
    }
    key = std::move(*value);
  }
  std::string claimed;
  if (plan.naming) {
    const std::string who = identify(plan, item);
    Result<std::string> name = output_names_.claim(*plan.naming, plan.name, who, item);
    if (!name) {
      ++state.report.failed;
      record_failure(node, who, std::move(name.error()));
      return;
    }
    claimed = std::move(*name);
  }
  ++state.active;
  state.active_bytes += item.bytes();
  const std::uint32_t slot = new_call();
  Call& call = calls_[slot];
  call.item = std::move(item);
  call.node = node;
  call.attempt = 1;
  call.call_id = 0;
  call.claimed = std::move(claimed);
  if (resequences(plan)) {
    call.sequence = state.sequence_base + state.sequence.size();
    state.sequence.push_back({});
  } else if (plan.order == OrderKind::kKey) {
    const auto [busy, inserted] = state.keys.try_emplace(std::move(key));
    call.key = &*busy;
    if (!inserted) {
      busy->second.push_back(slot);
      return;
    }
  }
  start_call(slot);
}

void Engine::start_call(std::uint32_t slot) {
  Call& call = calls_[slot];
  NodeState& state = nodes_[call.node];
  call.under_way = true;
  operation_began(call.node);
  executor_.submit(slot, state.plan->task, call.item.reply, &state.call_options, {call.attempt - 1, call.call_id});
}

void Engine::call_ended(std::uint32_t slot) {
  Result<Reply> outcome = executor_.take(slot);
  Call& call = calls_[slot];
  const std::uint32_t node = call.node;
  const PlanNode& plan = *nodes_[node].plan;
  call.under_way = false;
  nodes_[node].window.ended();
  ++ended_calls_;
  operation_ended(node);
  if (aborted_) {
    // Items that a sink has taken count; all others stay unfinished.
    if (outcome && plan.kind == NodeKind::kSink) {
      answer(slot, std::move(*outcome));
    }
    return;
  }
  if (!outcome && outcome.error().code == ErrorCode::kCrashed) {
    last_crash_ = node;
  }
  if (outcome) {
    answer(slot, std::move(*outcome));
  } else if (nodes_[node].unwanted) {
    ++nodes_[node].report.dropped;
    remove_call(slot);
  } else if (may_retry(plan, outcome.error(), call.attempt)) {
    timers_.push({now_ + backoff(plan.retry, call.attempt), Timer::Kind::kRetry, slot, 0, 0});
    ++call.attempt;
    call.call_id = outcome.error().context.call_id;
    ++nodes_[node].report.retried;
  } else {
    fail_call(slot, std::move(outcome.error()));
  }
  schedule(node);
}

void Engine::answer(std::uint32_t slot, Reply reply) {
  Call& call = calls_[slot];
  NodeState& state = nodes_[call.node];
  state.went_well = true;
  if (state.plan->kind == NodeKind::kSink) {
    ++state.report.items_out;
    --state.active;
  } else if (resequences(*state.plan)) {
    Ordered& place = state.sequence[call.sequence - state.sequence_base];
    place.done = true;
    place.item = {std::move(reply), call.item.index};
  } else {
    Item item{std::move(reply), call.item.index};
    if (state.outbox.empty() && deliver(call.node, 0, item)) {
      --state.active;
    } else {
      state.outbox.push_back(std::move(item));
    }
  }
  release_call(slot);
}

void Engine::fail_call(std::uint32_t slot, Error error) {
  Call& call = calls_[slot];
  NodeState& state = nodes_[call.node];
  ++state.report.failed;
  record_failure(call.node, identify(*state.plan, call.item), std::move(error));
  remove_call(slot);
}

void Engine::remove_call(std::uint32_t slot) {
  Call& call = calls_[slot];
  NodeState& state = nodes_[call.node];
  if (!call.claimed.empty()) {
    output_names_.release(call.claimed);
  }
  --state.active;
  if (resequences(*state.plan)) {
    Ordered& place = state.sequence[call.sequence - state.sequence_base];
    place.done = true;
    place.failed = true;
  }
  release_call(slot);
}

void Engine::release_call(std::uint32_t slot) {
  Call& call = calls_[slot];
  const std::uint32_t node = call.node;
  NodeState& state = nodes_[node];
  state.active_bytes -= call.item.bytes();
  call.item = {};
  call.node = kNone;
  free_calls_.push_back(slot);
  if (state.plan->order != OrderKind::kKey) {
    return;
  }
  KeyEntry* const busy = std::exchange(call.key, nullptr);
  if (busy->second.empty()) {
    state.keys.erase(state.keys.find(busy->first));
  } else if (!aborted_) {
    const std::uint32_t next = busy->second.pop_front();
    if (paused_ || state.unwanted) {
      state.again.push_back(next);
    } else {
      start_call(next);
    }
  }
}

void Engine::flush_sequence(std::uint32_t node) {
  NodeState& state = nodes_[node];
  while (!state.sequence.empty() && state.sequence.front().done) {
    Ordered& first = state.sequence.front();
    if (!first.failed) {
      if (!deliver(node, 0, first.item)) {
        return;
      }
      --state.active;
    }
    static_cast<void>(state.sequence.pop_front());
    ++state.sequence_base;
  }
}

bool Engine::may_retry(const PlanNode& plan, const Error& error, std::uint32_t attempt) const {
  if (!plan.retries || attempt >= plan.retry.attempts) {
    return false;
  }
  switch (error.code) {
    case ErrorCode::kFailed:
    case ErrorCode::kDeadline:
    case ErrorCode::kCrashed:
    case ErrorCode::kRejected:
    case ErrorCode::kOutOfMemory:
    case ErrorCode::kIo:
    case ErrorCode::kUnavailable:
      return true;
    case ErrorCode::kCancelled:
    case ErrorCode::kInvalidArgument:
    case ErrorCode::kNotFound:
    case ErrorCode::kIncompatible:
    case ErrorCode::kCorrupt:
    case ErrorCode::kTooLarge:
    case ErrorCode::kUnsupported:
    case ErrorCode::kInternal:
      return false;
  }
  return false;
}

std::chrono::nanoseconds Engine::backoff(const RetryPolicy& retry, std::uint32_t attempt) {
  std::chrono::nanoseconds wait = retry.backoff;
  for (std::uint32_t i = 1; i < attempt && wait < retry.max; ++i) {
    wait *= 2;
  }
  return std::min(wait, retry.max);
}

}  // namespace tenon::internal
