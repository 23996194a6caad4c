/// A runtime over the plugins and the worker of this build, for tests with real processes.
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

/// Options with this build's plugins, the tests' own ones among them, and its worker.
inline RuntimeOptions runtime_options(unsigned workers) {
  RuntimeOptions options;
  options.workers = workers;
  options.plugin_dirs = {build_dir() / "plugins", build_dir() / "tests" / "plugins"};
  options.worker_executable = build_dir() / "bin" / "tenon-worker";
  options.cache_dir = build_dir() / "tests" / "cache";
  return options;
}

/// What a runtime says of its workers once all of them are there: start() returns with the first. Gives up, with what
/// there is, after a minute.
inline RuntimeStats stats_of_all_workers(const Runtime& runtime) {
  RuntimeStats stats = runtime.stats();
  for (int i = 0; i < 6000 && stats.workers.size() < runtime.worker_count(); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    stats = runtime.stats();
  }
  return stats;
}

/// A tenon.Bytes argument.
inline flatbuffers::FlatBufferBuilder bytes_argument(std::string_view text) {
  flatbuffers::FlatBufferBuilder builder;
  const auto data = builder.CreateVector(reinterpret_cast<const std::uint8_t*>(text.data()), text.size());
  builder.Finish(CreateBytes(builder, data));
  return builder;
}

/// A FlatBuffer of a task's argument table from JSON, so that a test needs no generated header of the plugin.
inline Result<Buffer> argument_from_json(const Runtime& runtime, std::string_view task, std::string_view json) {
  return runtime.catalog().find_task(task).and_then(
      [&](const TaskRef& found) { return found.plugin->schema->from_json(found.task->argument_type, json); });
}

/// The same for its params table.
inline Result<Buffer> params_from_json(const Runtime& runtime, std::string_view task, std::string_view json) {
  return runtime.catalog().find_task(task).and_then(
      [&](const TaskRef& found) { return found.plugin->schema->from_json(found.task->params_type, json); });
}

/// A result as JSON on one line.
inline Result<std::string> result_to_json(const Runtime& runtime, std::string_view task, const Reply& reply) {
  return runtime.catalog().find_task(task).and_then([&](const TaskRef& found) {
    return found.plugin->schema->to_json(found.task->result_type, reply.bytes(), {.indent = -1, .defaults = true});
  });
}

/// A call in JSON and out.
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
