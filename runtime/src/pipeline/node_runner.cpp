#include "pipeline/node_runner.hpp"

#include <utility>

namespace tenon::internal {

void NodeRunner::wake_at(TimePoint at) {
  if (at > run_.now) {
    set_timer(at, NodeTimer::Kind::kWake);
  }
}

void NodeRunner::set_timer(TimePoint at, NodeTimer::Kind kind, std::uint32_t which, std::uint64_t generation) {
  run_.timers.set({at, kind, node_, which, generation});
}

bool NodeRunner::flush_outbox() {
  while (!outbox_.empty()) {
    if (!deliver(outbox_.front())) {
      return false;
    }
    static_cast<void>(outbox_.pop_front());
  }
  return true;
}

void NodeRunner::fill_report() {
  report_.in_flight = active_;
  report_.queued = run_.flow.queued(node_);
  const std::chrono::nanoseconds now = under_way_ > 0 ? run_.now - busy_since_ : std::chrono::nanoseconds(0);
  report_.busy_seconds = std::chrono::duration<double>(busy_ + now).count();
}

std::string NodeRunner::identify(const Item& item) const {
  std::string text;
  if (plan_.identity_name) {
    text = plan_.identity_name(item.reply.bytes()).value_or(std::string());
  }
  if (plan_.identity_number) {
    const std::string number = plan_.identity_number(item.reply.bytes()).value_or(std::string());
    if (!number.empty()) {
      text += (text.empty() ? "number " : ":") + number;
    }
  }
  return text.empty() ? "item " + std::to_string(item.index) : text;
}

void NodeRunner::fail_item(const Item& item, Error error) {
  record_failure(identify(item), 1, std::move(error));
}

void NodeRunner::record_failure(std::string name, std::uint64_t items, Error error) {
  run_.ledger.failed(node_, std::move(name), items, std::move(error), run_.now);
}

void NodeRunner::fail_run(Error error, const std::string& why) {
  error.message = std::string(node_kind_name(plan_.kind)) + " '" + plan_.name + "'" +
                  (plan_.task.empty() ? "" : " (" + plan_.task + ")") + " failed: " + error.message +
                  (why.empty() ? "" : "; " + why);
  if (!run_.aborted) {
    run_.ledger.report().failed_stage = plan_.name;
  }
  run_.abort(RunReport::End::kFailed, std::move(error));
}

}  // namespace tenon::internal
