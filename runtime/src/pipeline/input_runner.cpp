#include "pipeline/input_runner.hpp"

#include <string>
#include <utility>
#include <variant>

namespace tenon::internal {

InputRunner::InputRunner(RunContext& run, std::uint32_t node)
    : NodeRunner(run, node), thread_(run.stream_ends, node, "tenon-stdin") {
  if (run_.input != nullptr) {
    rows_.emplace(std::get<InputRule>(plan_.rule), *run_.input);
  }
}

void InputRunner::pump() {
  if (!flush_outbox()) {
    return;
  }
  const bool stops = run_.draining || run_.flow.unwanted(node_);
  if (under_way() > 0) {
    if (stops) {
      run_.input->cancel();
    }
    return;
  }
  if (ended_ || failed_ || stops) {
    run_.flow.set_cut(node_, !ended_);
    finish();
    return;
  }
  begin();
}

void InputRunner::begin() {
  if (!rows_) {
    fail_run(Error{ErrorCode::kInvalidArgument, "the run has no standard input (RunOptions::input)", {}});
    return;
  }
  if (Result<void> begun = thread_.begin([this] { batch_ = rows_->next(); }); !begun) {
    fail_run(std::move(begun.error()));
    return;
  }
  operation_began();
}

void InputRunner::ended(std::uint32_t /*which*/) {
  operation_ended();
  RowInput::Batch batch = std::move(batch_);
  if (run_.aborted) {
    return;
  }
  schedule();
  for (RowInput::Broken& broken : batch.broken) {
    record_failure("stdin:" + std::to_string(broken.line), 1, std::move(broken.error));
  }
  for (Reply& reply : batch.items) {
    outbox_.push_back({std::move(reply), next_index_++});
  }
  ended_ = batch.ended;
  if (!batch.error) {
    return;
  }
  failed_ = true;
  const bool stops = run_.draining || run_.flow.unwanted(node_);
  if (!stops || batch.error->code != ErrorCode::kCancelled) {
    fail_run(std::move(*batch.error));
  }
}

void InputRunner::cancel() {
  if (under_way() > 0) {
    run_.input->cancel();
  }
}

}  // namespace tenon::internal
