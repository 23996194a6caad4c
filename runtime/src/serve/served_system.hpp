/// What a daemon serves: a runtime with its pipelines. Tests have their own.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <tenon/serve_generated.h>
#include <tenon/bytes.hpp>
#include <tenon/error.hpp>
#include <tenon/future.hpp>

namespace tenon::internal {

/// A result, and the version that made it.
struct ServedReply {
  Reply reply;
  std::string version;
  std::string sha256;
};

/// What a task is called with.
struct ServedCall {
  std::string task;
  /// Of the plugin that argument and params were written for. They are looked at again when it is not the current one.
  std::string sha256;
  Buffer params;
  Buffer argument;
};

/// An open session; one operation at a time.
class ServedSession {
 public:
  struct Batch {
    std::vector<Reply> results;
    bool ended = false;
    /// That made the results; empty where there are none.
    std::string version;
    std::string sha256;
  };
  virtual ~ServedSession() = default;
  [[nodiscard]] virtual Future<Batch> next(std::uint32_t max_results) = 0;
  [[nodiscard]] virtual Future<void> feed(const std::vector<Buffer>& arguments) = 0;
  [[nodiscard]] virtual Future<ServedReply> finish() = 0;
};

/// [any-thread]. What is marked "blocks" is called on threads for that; everything else returns soon.
class ServedSystem {
 public:
  virtual ~ServedSystem() = default;

  /// Fills in what the system knows: calls, workers, plugins, pipelines.
  virtual void fill_status(serve::StatusT& status) = 0;
  /// Errors: kNotFound.
  [[nodiscard]] virtual Result<serve::TaskSchemaT> task_schema(const std::string& task) = 0;

  /// Blocks while the queue of calls is full. Errors of the future: those of Runtime::submit; kIncompatible the
  /// argument was written for another version and does not fit the current one.
  [[nodiscard]] virtual Future<ServedReply> call(const ServedCall& call) = 0;
  /// Blocks likewise. For sources and reduces.
  [[nodiscard]] virtual Future<std::shared_ptr<ServedSession>> open(const ServedCall& call) = 0;

  /// Blocks until the swap is made or refused. Errors: those of Runtime::swap.
  [[nodiscard]] virtual Result<serve::SwappedT> swap(const serve::SwapT& request) = 0;
  /// Blocks.
  [[nodiscard]] virtual Result<serve::SwappedT> rollback(const serve::RollbackT& request) = 0;
  [[nodiscard]] virtual Result<serve::GenerationsT> generations() = 0;
  /// The events after `number` that are still kept.
  [[nodiscard]] virtual serve::EventsT events_since(std::uint64_t number) = 0;
  /// What is called when something happens, on any thread; short.
  struct Listeners {
    std::function<void(const serve::EventT&)> event;
    std::function<void(const serve::PipelineT&)> pipeline_ended;
  };
  /// Empty ones end it: none runs any more when this returns.
  virtual void set_listeners(Listeners listeners) = 0;
  /// Looks through the plugin directories and swaps what has changed. Blocks.
  [[nodiscard]] virtual Result<serve::ReloadedT> reload() = 0;

  /// For the pipeline of that name; for all when it is empty. Errors: kNotFound with the nearest name; kRejected when
  /// it has ended.
  [[nodiscard]] virtual Result<serve::PipelinesT> pause(const std::string& pipeline) = 0;
  [[nodiscard]] virtual Result<serve::PipelinesT> resume(const std::string& pipeline) = 0;
  /// Completes when the pipelines have ended. Draining one that has ended is no error.
  [[nodiscard]] virtual Future<serve::PipelinesT> drain(const std::string& pipeline) = 0;

  /// Lets no pipeline take up new items; `now`: ends what runs too.
  virtual void stop_pipelines(bool now) = 0;
  /// Whether every pipeline has ended.
  [[nodiscard]] virtual bool pipelines_ended() = 0;
};

}  // namespace tenon::internal
