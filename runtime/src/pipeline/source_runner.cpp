#include "pipeline/source_runner.hpp"

#include <optional>
#include <string>
#include <utility>

namespace tenon::internal {

SourceRunner::SourceRunner(RunContext& run, std::uint32_t node)
    : NodeRunner(run, node), stream_(plan_, StreamSession::Checkpoints::kUnknown) {}

void SourceRunner::pump() {
  if (!flush_outbox() || !stream_.idle()) {
    return;
  }
  if (stream_.ended() || run_.draining || run_.flow.unwanted(node_)) {
    // Its output is complete only if the source itself reported the end.
    run_.flow.set_cut(node_, !stream_.ended());
    finish();
    return;
  }
  if (stream_.resumes_at() > run_.now) {
    return;
  }
  if (stream_.closed()) {
    stream_.open(run_.executor, node_, 0, plan_.argument);
  } else if (stream_.checkpoint_due()) {
    stream_.checkpoint();
  } else if (const std::uint32_t room = run_.flow.room_for_step(plan_.outputs[0], stream_.step()); room > 0) {
    stream_.next(room, run_.now);
  } else {
    return;
  }
  operation_began();
}

void SourceRunner::ended(std::uint32_t /*which*/) {
  operation_ended();
  if (run_.aborted) {
    stream_.drop();
    return;
  }
  schedule();
  if (run_.flow.unwanted(node_)) {
    stream_.drop();
    return;
  }
  StreamSession::Step step = stream_.take(run_.now);
  if (!stream_.idle()) {
    operation_began();
  }
  if (step.error) {
    recover(std::move(*step.error));
    return;
  }
  if (step.mismatch) {
    Error error{ErrorCode::kFailed,
                "its worker died, and the source did not repeat its earlier items: item " +
                    std::to_string(step.mismatch->result) + " of " + std::to_string(step.mismatch->of) + " " +
                    step.mismatch->how +
                    ". The data that the source reads has changed, so items would be lost or duplicated. Run the "
                    "pipeline again while nothing changes the data, or make the task give quick checkpoints",
                {}};
    error.context.task = plan_.task;
    fail_run(std::move(error));
    return;
  }
  for (Reply& reply : step.results) {
    outbox_.push_back({std::move(reply), next_index_++});
  }
  wake_at(stream_.resumes_at());
}

void SourceRunner::recover(Error error) {
  Recovery recovery = stream_.recover(std::move(error), run_.ended_calls, run_.last_culprit(), run_.now);
  if (!recovery.reopens_after) {
    fail_run(std::move(recovery.error), recovery.why);
    return;
  }
  ++report_.retried;
  wake_at(stream_.resumes_at());
}

void SourceRunner::cancel() {
  if (!stream_.idle()) {
    stream_.cancel();
  }
}

void SourceRunner::fill_report() {
  NodeRunner::fill_report();
  if (const std::optional<Progress> progress = stream_.progress()) {
    report_.expected_items = progress->total;
  }
}

}  // namespace tenon::internal
