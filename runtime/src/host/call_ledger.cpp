#include "host/call_ledger.hpp"

#include <memory>
#include <utility>

#include "base/hot.hpp"
#include "host/bulk_parts.hpp"

namespace tenon::internal {

void CallLedger::accept(const Call& call) noexcept {
  accepted_ += call.counted_calls();
  submitted_ += call.counted_calls();
  accepted_bytes_ += call.counted_bytes();
}

ErrorContext CallLedger::context_of(const Call& call) {
  return internal::context_of(*call.run_route(), call.id(), call.details().earlier_attempts + call.attempt);
}

void CallLedger::finish(CallRef call, Result<Reply> outcome) {
  if (call->kind == CallKind::kBulk) {
    if (!outcome) {
      fail_items(*call, call->details().count, outcome.error());
    }
  } else {
    count_end(outcome.has_value());
    call->end(std::move(outcome));
  }
  close(std::move(call));
}

void CallLedger::finish_error(CallRef call, ErrorCode code, std::string message) {
  ErrorContext context = context_of(*call);
  finish(std::move(call), fail(code, std::move(message), std::move(context)));
}

TENON_HOT void CallLedger::close(CallRef call) {
  timers_.remove(*call);
  call->phase = Call::Phase::kDone;
  accepted_ -= call->counted_calls();
  accepted_bytes_ -= call->counted_bytes();
  effects_->changed = true;
  if (call->stored() != nullptr) {
    effects_->released.push_back(call->take_stored());
  }
  if (call->details().checkpoint.storage != nullptr) {
    effects_->released.push_back(std::exchange(call->make_details().checkpoint, {}));
  }
  if (call->kind == CallKind::kBulk) {
    unlink_part(*call);
  } else {
    effects_->finished.push_back(std::move(call));
  }
}

void CallLedger::fail_items(Call& call, std::uint32_t count, const Error& error) {
  if (count == 0) {
    return;
  }
  Effects::BulkEnd end;
  end.ends.error = std::make_shared<const Error>(error);
  note_items(call, count, 0, std::move(end));
}

void CallLedger::note_items(Call& call, std::uint32_t count, std::uint32_t succeeded, Effects::BulkEnd end) {
  succeeded_ += succeeded;
  failed_ += count - succeeded;
  CallDetails& details = call.make_details();
  end.work = details.bulk;
  end.ends.route = call.run_route();
  end.ends.first = details.first;
  end.ends.count = count;
  effects_->bulk_ends.push_back(std::move(end));
  effects_->changed = true;
  accepted_ -= count;
  accepted_bytes_ -= details.bulk->bytes_of(details.first, count);
  details.first += count;
  details.count -= count;
}

void CallLedger::fill_stats(RuntimeStats& stats) const noexcept {
  stats.submitted = submitted_;
  stats.succeeded = succeeded_;
  stats.failed = failed_;
}

}  // namespace tenon::internal
