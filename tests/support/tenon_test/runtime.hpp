/// A runtime with the plugins and the worker of this build, for tests with real processes.
#pragma once

#include <chrono>
#include <filesystem>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include <flatbuffers/flatbuffers.h>

#include <tenon/types_generated.h>
#include <tenon/runtime.hpp>

#include "tenon_test/paths.hpp"

namespace tenon::test {

/// Returns options with this build's plugins, including test plugins, and its worker.
inline RuntimeOptions runtime_options(unsigned workers) {
  RuntimeOptions options;
  options.workers = workers;
  options.plugin_dirs = {build_dir() / "plugins", build_dir() / "tests" / "plugins"};
  options.worker_executable = build_dir() / "bin" / "tenon-worker";
  options.cache_dir = build_dir() / "tests" / "cache";
  return options;
}

/// Returns the runtime's statistics after all workers have started: start() returns with the first
/// worker. After a minute it returns the statistics anyway.
inline RuntimeStats stats_of_all_workers(const Runtime& runtime) {
  RuntimeStats stats = runtime.stats();
  for (int i = 0; i < 6000 && stats.workers.size() < runtime.worker_count(); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    stats = runtime.stats();
  }
  return stats;
}

/// Returns a tenon.Bytes argument.
inline flatbuffers::FlatBufferBuilder bytes_argument(std::string_view text) {
  flatbuffers::FlatBufferBuilder builder;
  const auto data = builder.CreateVector(reinterpret_cast<const std::uint8_t*>(text.data()), text.size());
  builder.Finish(CreateBytes(builder, data));
  return builder;
}

/// Returns a FlatBuffer of a task's argument table from JSON, so that a test needs no generated
/// header of the plugin.
inline Result<Buffer> argument_from_json(const Runtime& runtime, std::string_view task, std::string_view json) {
  return runtime.catalog().find_task(task).and_then(
      [&](const TaskRef& found) { return found.plugin->schema->from_json(found.task->argument_type, json); });
}

/// Does the same for its params table.
inline Result<Buffer> params_from_json(const Runtime& runtime, std::string_view task, std::string_view json) {
  return runtime.catalog().find_task(task).and_then(
      [&](const TaskRef& found) { return found.plugin->schema->from_json(found.task->params_type, json); });
}

/// Returns a result as JSON on one line.
inline Result<std::string> result_to_json(const Runtime& runtime, std::string_view task, const Reply& reply) {
  return runtime.catalog().find_task(task).and_then([&](const TaskRef& found) {
    return found.plugin->schema->to_json(found.task->result_type, reply.bytes(), {.indent = -1, .defaults = true});
  });
}

/// Makes a call with JSON arguments and a JSON result.
inline Result<std::string> call_json(Runtime& runtime, std::string_view task, std::string_view argument,
                                     std::string_view params = {}, CallOptions options = {}) {
  Result<Buffer> argument_bytes = argument_from_json(runtime, task, argument);
  if (!argument_bytes) {
    return fail(argument_bytes.error());
  }
  Buffer params_bytes;
  if (!params.empty()) {
    Result<Buffer> encoded = params_from_json(runtime, task, params);
    if (!encoded) {
      return fail(encoded.error());
    }
    params_bytes = *std::move(encoded);
    options.params = params_bytes;
  }
  return runtime.call(task, *argument_bytes, options).and_then([&](const Reply& reply) {
    return result_to_json(runtime, task, reply);
  });
}

}  // namespace tenon::test
