#include <tenon/pipeline.hpp>

#include "pipeline/engine.hpp"
#include "pipeline/plan.hpp"
#include "pipeline/runtime_executor.hpp"

namespace tenon {

RunReport run_pipeline(Runtime& runtime, const Graph& graph, const RunOptions& options) {
  const std::unique_ptr<internal::Executor> executor = internal::make_runtime_executor(runtime);
  return internal::Engine(graph.impl(), *executor, options).run();
}

}  // namespace tenon
