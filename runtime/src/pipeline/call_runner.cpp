#include "pipeline/call_runner.hpp"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "pipeline/retries.hpp"

namespace tenon::internal {

CallRunner::CallRunner(RunContext& run, std::uint32_t node) : NodeRunner(run, node) {
  options_.params = plan_.params;
  options_.run_timeout = plan_.timeout;
  if (plan_.retries) {
    // The file's own retry policy replaces the runtime's.
    options_.max_attempts = 1;
  }
  window_ = plan_.workers > 0 ? CallWindow::fixed(plan_.workers)
                              : CallWindow::adaptive(std::max(1U, run.executor.worker_count()));
  if (plan_.kind == NodeKind::kSink && plan_.order == OrderKind::kInput) {
    // A sink has no outputs to order, so its calls themselves run in order.
    window_ = CallWindow::fixed(1);
  }
}

void CallRunner::pump() {
  if (resequences()) {
    flush_sequence();
  } else {
    // Even if not everything fits, calls may continue within `hold`.
    flush_results();
  }
  window_.measure(run_.now);
  const std::uint32_t most_under_way = under_way() + window_.free(under_way());
  while (under_way() < most_under_way && !again_.empty()) {
    start(again_.pop_front());
  }
  const std::uint32_t most_active = hold();
  while (under_way() < most_under_way && active_ < most_active && sequence_.size() < most_active) {
    const std::optional<std::uint32_t> edge = run_.flow.next_edge(node_);
    if (!edge) {
      break;
    }
    const std::uint64_t bytes = run_.flow.edge(*edge).front().bytes();
    if (active_ > 0 && active_bytes_ + bytes > plan_.queue.bytes) {
      break;
    }
    take_item(run_.flow.pop(*edge));
  }
  if (input_ended()) {
    finish_if_done();
  }
}

void CallRunner::wind_down() {
  while (!again_.empty()) {
    // It waited for its next attempt.
    ++report_.dropped;
    remove(again_.pop_front());
  }
  // Everything fits into closed edges.
  flush_sequence();
  flush_results();
  finish_if_done();
}

void CallRunner::finish_if_done() {
  if (active_ == 0 && sequence_.empty()) {
    finish();
  }
}

bool CallRunner::resequences() const noexcept {
  return plan_.kind == NodeKind::kMap && plan_.order == OrderKind::kInput;
}

std::uint32_t CallRunner::hold() const noexcept {
  if (plan_.order == OrderKind::kNone) {
    return 2 * window_.size();
  }
  // In an ordered sink, an item that waits for its next attempt blocks the others.
  return plan_.kind == NodeKind::kSink && plan_.order == OrderKind::kInput ? 1 : 4 * window_.size() + 64;
}

std::optional<std::string> CallRunner::read_key(const Item& item) {
  Result<std::string> value = plan_.key_reader(item.reply.bytes());
  if (!value) {
    fail_item(item, std::move(value.error()));
    return std::nullopt;
  }
  return std::move(*value);
}

std::optional<std::string> CallRunner::claim_name(Item& item) {
  const std::string who = identify(item);
  Result<std::string> name = run_.output_names.claim(*plan_.naming, plan_.name, who, item);
  if (!name) {
    record_failure(who, 1, std::move(name.error()));
    return std::nullopt;
  }
  return std::move(*name);
}

void CallRunner::take_item(Item item) {
  const bool keyed = plan_.order == OrderKind::kKey;
  std::optional<std::string> key;
  if (keyed && !(key = read_key(item))) {
    return;
  }
  std::optional<std::string> claimed;
  if (plan_.naming && !(claimed = claim_name(item))) {
    return;
  }
  ++active_;
  active_bytes_ += item.bytes();
  const std::uint32_t slot = run_.calls.take(node_);
  ItemCall& call = run_.calls[slot];
  call.item = std::move(item);
  if (claimed && !claimed->empty()) {
    claims_.emplace(slot, std::move(*claimed));
  }
  if (resequences()) {
    call.sequence = sequence_base_ + sequence_.size();
    sequence_.push_back({});
  } else if (keyed) {
    const auto [busy, inserted] = keys_.try_emplace(std::move(*key));
    call.key = &*busy;
    if (!inserted) {
      busy->second.push_back(slot);
      return;
    }
  }
  start(slot);
}

void CallRunner::start(std::uint32_t slot) {
  ItemCall& call = run_.calls[slot];
  call.under_way = 1;
  if (operation_began()) {
    window_.began(run_.now);
  }
  run_.executor.submit(slot, plan_.task, call.item.reply, &options_, {call.attempt - 1U, call.call_id});
}

void CallRunner::ended(std::uint32_t slot) {
  Result<Reply> outcome = run_.executor.take(slot);
  ItemCall& call = run_.calls[slot];
  call.under_way = 0;
  window_.ended();
  ++run_.ended_calls;
  if (operation_ended()) {
    window_.became_idle(run_.now);
  }
  if (run_.aborted) {
    // Items that a sink has taken count; all others stay unfinished.
    if (outcome && plan_.kind == NodeKind::kSink) {
      answer(slot, std::move(*outcome));
    }
    return;
  }
  if (!outcome && outcome.error().code == ErrorCode::kCrashed) {
    run_.last_crash = node_;
  }
  if (outcome) {
    answer(slot, std::move(*outcome));
  } else if (run_.flow.unwanted(node_)) {
    ++report_.dropped;
    remove(slot);
  } else if (may_retry(plan_, outcome.error(), call.attempt)) {
    set_timer(run_.now + backoff(plan_.retry, call.attempt), NodeTimer::Kind::kRetry, slot);
    ++call.attempt;
    call.call_id = outcome.error().context.call_id;
    ++report_.retried;
  } else {
    fail_call(slot, std::move(outcome.error()));
  }
  schedule();
}

void CallRunner::fired(const NodeTimer& retry) {
  again_.push_back(retry.which);
  schedule();
}

void CallRunner::cancel() {
  for (std::uint32_t slot = 0; slot < run_.calls.size(); ++slot) {
    const ItemCall& call = run_.calls[slot];
    if (call.under_way != 0 && call.node == node_) {
      run_.executor.cancel(slot);
    }
  }
}

void CallRunner::answer(std::uint32_t slot, Reply reply) {
  const ItemCall& call = run_.calls[slot];
  run_.ledger.succeeded(node_);
  if (plan_.kind == NodeKind::kSink) {
    ++report_.items_out;
    --active_;
  } else if (resequences()) {
    Ordered& place = sequence_[call.sequence - sequence_base_];
    place.done = true;
    place.item = {std::move(reply), call.item.index, call.item.group};
  } else {
    Item item{std::move(reply), call.item.index, call.item.group};
    if (outbox_.empty() && deliver(item)) {
      --active_;
    } else {
      outbox_.push_back(std::move(item));
    }
  }
  release(slot);
}

void CallRunner::fail_call(std::uint32_t slot, Error error) {
  fail_item(run_.calls[slot].item, std::move(error));
  remove(slot);
}

void CallRunner::remove(std::uint32_t slot) {
  if (const auto claimed = claims_.find(slot); claimed != claims_.end()) {
    run_.output_names.release(claimed->second);
  }
  --active_;
  if (resequences()) {
    Ordered& place = sequence_[run_.calls[slot].sequence - sequence_base_];
    place.done = true;
    place.failed = true;
  }
  release(slot);
}

void CallRunner::release(std::uint32_t slot) {
  const ItemCall& call = run_.calls[slot];
  active_bytes_ -= call.item.bytes();
  BusyKeys::value_type* const busy = plan_.order == OrderKind::kKey ? call.key : nullptr;
  run_.calls.release(slot);
  if (!claims_.empty()) {
    claims_.erase(slot);
  }
  if (busy == nullptr) {
    return;
  }
  if (busy->second.empty()) {
    keys_.erase(keys_.find(busy->first));
  } else if (!run_.aborted) {
    const std::uint32_t next = busy->second.pop_front();
    if (run_.paused || run_.flow.unwanted(node_)) {
      again_.push_back(next);
    } else {
      start(next);
    }
  }
}

void CallRunner::flush_results() {
  const std::size_t before = outbox_.size();
  static_cast<void>(flush_outbox());
  active_ -= before - outbox_.size();
}

void CallRunner::flush_sequence() {
  while (!sequence_.empty() && sequence_.front().done) {
    Ordered& first = sequence_.front();
    if (!first.failed) {
      if (!deliver(first.item)) {
        return;
      }
      --active_;
    }
    static_cast<void>(sequence_.pop_front());
    ++sequence_base_;
  }
}

}  // namespace tenon::internal
