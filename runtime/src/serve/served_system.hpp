/// The interface to what a daemon serves: a runtime with its pipelines. Tests implement it
/// themselves.
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

/// A result and the version that made it.
struct ServedReply {
  Reply reply;
  std::string version;
  std::string sha256;
};

/// A task with its argument and options.
struct ServedCall {
  std::string task;
  /// The plugin that argument and params were written for. They are checked again if it is not the
  /// current version.
  std::string sha256;
  Buffer params;
  Buffer argument;
};

/// An open session, with one operation at a time.
class ServedSession {
 public:
  struct Batch {
    std::vector<Reply> results;
    bool ended = false;
    /// The version that made the results; empty if there are none.
    std::string version;
    std::string sha256;
  };
  virtual ~ServedSession() = default;
  [[nodiscard]] virtual Future<Batch> next(std::uint32_t max_results) = 0;
  [[nodiscard]] virtual Future<void> feed(const std::vector<Buffer>& arguments) = 0;
  [[nodiscard]] virtual Future<ServedReply> finish() = 0;
};

/// The served system. [any-thread]. Functions marked "blocks" are called on separate threads; all
/// others return soon.
class ServedSystem {
 public:
  virtual ~ServedSystem() = default;

  /// Fills in what the system knows: calls, workers, plugins, pipelines.
  virtual void fill_status(serve::StatusT& status) = 0;
  /// Errors: kNotFound.
  [[nodiscard]] virtual Result<serve::TaskSchemaT> task_schema(const std::string& task) = 0;

  /// Blocks while the queue of calls is full. Errors of the future: those of Runtime::submit;
  /// kIncompatible if the argument was written for another version and does not fit the current
  /// one.
  [[nodiscard]] virtual Future<ServedReply> call(const ServedCall& call) = 0;
  /// Opens a session of a source or a reduce. Blocks like `call`.
  [[nodiscard]] virtual Future<std::shared_ptr<ServedSession>> open(const ServedCall& call) = 0;

  /// Blocks until the swap succeeds or is refused. Errors: those of Runtime::swap.
  [[nodiscard]] virtual Result<serve::SwappedT> swap(const serve::SwapT& request) = 0;
  /// Blocks.
  [[nodiscard]] virtual Result<serve::SwappedT> rollback(const serve::RollbackT& request) = 0;
  [[nodiscard]] virtual Result<serve::GenerationsT> generations() = 0;
  /// Returns the events after `number` that are still kept.
  [[nodiscard]] virtual serve::EventsT events_since(std::uint64_t number) = 0;
  /// Called when something happens, on any thread; must return soon.
  struct Listeners {
    std::function<void(const serve::EventT&)> event;
    std::function<void(const serve::PipelineT&)> pipeline_ended;
  };
  /// Empty listeners end the notifications: no listener runs after this returns.
  virtual void set_listeners(Listeners listeners) = 0;
  /// Scans the plugin directories and swaps plugins that have changed. Blocks.
  [[nodiscard]] virtual Result<serve::ReloadedT> reload() = 0;

  /// Acts on the pipeline of that name, or on all pipelines if the name is empty. Errors: kNotFound
  /// with the nearest name; kRejected if the pipeline has ended.
  [[nodiscard]] virtual Result<serve::PipelinesT> pause(const std::string& pipeline) = 0;
  [[nodiscard]] virtual Result<serve::PipelinesT> resume(const std::string& pipeline) = 0;
  /// Completes when the pipelines have ended. Draining an ended pipeline is not an error.
  [[nodiscard]] virtual Future<serve::PipelinesT> drain(const std::string& pipeline) = 0;

  /// Stops all pipelines from taking new items; `now` also cancels work under way.
  virtual void stop_pipelines(bool now) = 0;
  /// Returns whether every pipeline has ended.
  [[nodiscard]] virtual bool pipelines_ended() = 0;
};

}  // namespace tenon::internal
