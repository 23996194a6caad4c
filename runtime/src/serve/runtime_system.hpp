/// Serves a runtime that swaps plugins, and the pipelines that run on it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <tenon/pipeline.hpp>
#include <tenon/runtime.hpp>

#include "base/guarded.hpp"
#include "serve/pipeline_run.hpp"
#include "serve/plugin_labels.hpp"
#include "serve/served_system.hpp"

namespace tenon::internal {

struct RuntimeSystemOptions {
  /// The runtime's plugin directories, which `reload` scans.
  std::vector<std::filesystem::path> plugin_dirs = {};
  /// The runtime's limits for these plugins.
  PluginLimits limits = {};
  std::map<std::string, PluginLimits> limits_of = {};
  /// The runtime's store, for status.
  std::filesystem::path store = {};
  /// The defaults of a swap.
  SwapOptions swaps = {};
  /// Kept up to date with the catalog; may be null.
  std::shared_ptr<PluginLabels> labels = {};
  /// Called while items of a pipeline fail, on the thread of the pipeline; see
  /// RunOptions::on_failure. May be empty.
  std::function<void(const std::string& pipeline, const FailureNotice& notice)> on_failure = {};
  /// Called at the end of each pipeline, on the thread of the pipeline. May be empty.
  std::function<void(const std::string& name, const RunReport& report)> on_pipeline_end = {};
};

class RuntimeSystem final : public ServedSystem {
 public:
  /// `runtime` must be able to swap (RuntimeOptions::hot_swap). The pipelines must have different
  /// names.
  RuntimeSystem(Runtime runtime, std::vector<ServedPipeline> pipelines, RuntimeSystemOptions options);
  RuntimeSystem(const RuntimeSystem&) = delete;
  RuntimeSystem& operator=(const RuntimeSystem&) = delete;
  ~RuntimeSystem() override;
  /// Starts the pipelines. Errors: kUnavailable if the system cannot create more threads. [setup]
  [[nodiscard]] Result<void> start();

  /// Returns the served runtime; callers must not move from it.
  [[nodiscard]] Runtime& runtime() noexcept { return runtime_; }
  /// Ends the pipelines and the runtime; blocked operations end with an error. Returns when no
  /// worker is left.
  void shutdown();

  void fill_status(serve::StatusT& status) override;
  [[nodiscard]] Result<serve::TaskSchemaT> task_schema(const std::string& task) override;
  [[nodiscard]] Future<ServedReply> call(const ServedCall& call) override;
  [[nodiscard]] Future<std::shared_ptr<ServedSession>> open(const ServedCall& call) override;
  [[nodiscard]] Result<serve::SwappedT> swap(const serve::SwapT& request) override;
  [[nodiscard]] Result<serve::SwappedT> rollback(const serve::RollbackT& request) override;
  [[nodiscard]] Result<serve::GenerationsT> generations() override;
  [[nodiscard]] serve::EventsT events_since(std::uint64_t number) override;
  void set_listeners(Listeners listeners) override;
  [[nodiscard]] Result<serve::ReloadedT> reload() override;
  [[nodiscard]] Result<serve::PipelinesT> pause(const std::string& pipeline) override;
  [[nodiscard]] Result<serve::PipelinesT> resume(const std::string& pipeline) override;
  [[nodiscard]] Future<serve::PipelinesT> drain(const std::string& pipeline) override;
  void stop_pipelines(bool now) override;
  [[nodiscard]] bool pipelines_ended() override;

 private:
  /// Finds the task and checks the argument and params of the call.
  [[nodiscard]] Result<TaskRef> check(const ServedCall& call) const;
  [[nodiscard]] Result<std::vector<PipelineRun*>> select(const std::string& pipeline) const;
  [[nodiscard]] Result<serve::PipelinesT> for_running(const std::string& pipeline, void (RunControl::*action)());
  void take_event(const SwapEvent& event);

  Runtime runtime_;
  const RuntimeSystemOptions options_;
  Guarded<Listeners> listeners_;
  std::vector<std::unique_ptr<PipelineRun>> pipelines_;
  EventSubscription subscription_;
};

}  // namespace tenon::internal
