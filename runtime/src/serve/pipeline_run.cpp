#include "serve/pipeline_run.hpp"

#include <utility>

#include "base/try.hpp"
#include "serve/protocol.hpp"

namespace tenon::internal {
namespace {

std::string state_text(RunControl::State state, RunReport::End end) {
  const bool outcome_known = state == RunControl::State::kEnded && end != RunReport::End::kRunning;
  return std::string(outcome_known ? run_end_name(end) : run_state_name(state));
}

}  // namespace

PipelineRun::PipelineRun(Runtime& runtime, ServedPipeline pipeline,
                         std::function<void(const PipelineRun&, const RunReport&)> on_end)
    : runtime_(runtime), pipeline_(std::move(pipeline)), on_end_(std::move(on_end)) {}

PipelineRun::~PipelineRun() {
  control_->cancel();
  thread_.join();
}

Result<void> PipelineRun::start() {
  TENON_ASSIGN(thread_, Thread::start("tenon-pipeline", [this] { run(); }));
  return {};
}

void PipelineRun::run() {
  RunOptions options;
  options.control = control_;
  if (pipeline_.on_failure) {
    options.on_failure = [this](const FailureNotice& notice) { pipeline_.on_failure(name(), notice); };
  }
  const RunReport report = run_pipeline(runtime_, pipeline_.graph, options);
  on_end_(*this, report);
  std::vector<std::function<void()>> waiting;
  auto end = end_.lock();
  end->reached = true;
  waiting.swap(end->waiting);
  end.unlock();
  for (const auto& function : waiting) {
    function();
  }
}

bool PipelineRun::ended() {
  return end_.lock()->reached;
}

void PipelineRun::when_ended(std::function<void()> function) {
  auto end = end_.lock();
  if (!end->reached) {
    end->waiting.push_back(std::move(function));
    return;
  }
  end.unlock();
  function();
}

serve::PipelineT PipelineRun::describe() const {
  // The state is read first: a run that ends between the two reads shows its last counts with the
  // state of a running pipeline, not the reverse.
  const RunControl::State state = control_->state();
  const RunReport report = control_->report();
  serve::PipelineT pipeline;
  pipeline.name = name();
  pipeline.file = pipeline_.file;
  pipeline.state = state_text(state, report.end);
  pipeline.seconds = report.seconds;
  pipeline.failure_count = report.failure_count;
  if (report.error) {
    pipeline.error = std::make_unique<serve::FailureT>(to_failure(*report.error));
  }
  for (const StageReport& stage : report.stages) {
    pipeline.stages.push_back(std::make_unique<serve::StageT>(to_message(stage)));
  }
  return pipeline;
}

}  // namespace tenon::internal
