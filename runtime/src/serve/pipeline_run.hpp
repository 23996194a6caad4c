/// One pipeline of a daemon, which runs on its own thread.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <tenon/serve_generated.h>
#include <tenon/pipeline.hpp>
#include <tenon/runtime.hpp>

#include "base/guarded.hpp"
#include "platform/thread.hpp"

namespace tenon::internal {

/// A pipeline file that has been checked.
struct ServedPipeline {
  std::string file;
  Graph graph;
  /// Called for failures of its run; may be empty.
  std::function<void(const std::string& pipeline, const FailureNotice& notice)> on_failure = {};
};

/// One run of a served pipeline. [any-thread], except for the destructor.
class PipelineRun {
 public:
  /// Does not start the run. `runtime` must outlive it. `on_end` is called once, on the thread of
  /// the pipeline.
  PipelineRun(Runtime& runtime, ServedPipeline pipeline,
              std::function<void(const PipelineRun&, const RunReport&)> on_end);
  PipelineRun(const PipelineRun&) = delete;
  PipelineRun& operator=(const PipelineRun&) = delete;
  /// Cancels the run and waits for its end.
  ~PipelineRun();
  /// Starts the run. Errors: kUnavailable if the system cannot create more threads. [setup]
  [[nodiscard]] Result<void> start();

  [[nodiscard]] const std::string& name() const noexcept { return pipeline_.graph.name(); }
  [[nodiscard]] RunControl& control() const noexcept { return *control_; }
  /// Returns whether the run has ended and `on_end` has returned.
  [[nodiscard]] bool ended();
  /// Calls `function` when that is the case, or at once if it already is.
  void when_ended(std::function<void()> function);
  [[nodiscard]] serve::PipelineT describe() const;

 private:
  struct End {
    bool reached = false;
    std::vector<std::function<void()>> waiting;
  };
  void run();

  Runtime& runtime_;
  const ServedPipeline pipeline_;
  const std::function<void(const PipelineRun&, const RunReport&)> on_end_;
  const std::shared_ptr<RunControl> control_ = std::make_shared<RunControl>();
  Guarded<End> end_;
  Thread thread_;
};

}  // namespace tenon::internal
