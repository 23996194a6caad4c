#include "serve/runtime_system.hpp"

#include <atomic>
#include <map>
#include <utility>

#include <tenon/internal/promise.hpp>

#include "base/text.hpp"
#include "base/try.hpp"
#include "host/storage.hpp"
#include "platform/memory_limit.hpp"

namespace tenon::internal {
namespace {

/// Returns a result and the version that made it, which may differ from `asked`, the version that
/// was current at the request.
ServedReply with_maker(Reply reply, const PluginInfo& asked) {
  // The reply has no plugin if the result has no bytes.
  const PluginInfo* const made = reply.plugin();
  const PluginInfo& maker = made != nullptr ? *made : asked;
  ServedReply served{{}, maker.version, maker.sha256};
  served.reply = std::move(reply);
  return served;
}

class RuntimeSession final : public ServedSession {
 public:
  /// `opened`: the version that was current when the session was opened.
  RuntimeSession(Session session, std::shared_ptr<const PluginInfo> opened)
      : session_(std::move(session)), opened_(std::move(opened)) {}

  Future<Batch> next(std::uint32_t max_results) override {
    return session_.next(max_results).then([opened = opened_](Result<Session::Batch> batch) {
      return std::move(batch).map([&](Session::Batch&& given) {
        Batch made{.results = std::move(given.results), .ended = given.ended, .version = {}, .sha256 = {}};
        if (!made.results.empty()) {
          // A session moves to another version only between two steps, so one version makes all
          // results of a step.
          ServedReply first = with_maker(made.results.front(), *opened);
          made.version = std::move(first.version);
          made.sha256 = std::move(first.sha256);
        }
        return made;
      });
    });
  }
  Future<void> feed(const std::vector<Buffer>& arguments) override {
    std::vector<Reply> replies;
    replies.reserve(arguments.size());
    for (const Buffer& argument : arguments) {
      StoredBytes stored = copy_to_host(argument);
      replies.emplace_back(std::move(stored.storage), stored.bytes);
    }
    return session_.feed(replies);
  }
  Future<ServedReply> finish() override {
    return session_.finish().then([opened = opened_](Result<Reply> reply) {
      return std::move(reply).map([&](Reply&& given) { return with_maker(std::move(given), *opened); });
    });
  }

 private:
  Session session_;
  const std::shared_ptr<const PluginInfo> opened_;
};

}  // namespace

RuntimeSystem::RuntimeSystem(Runtime runtime, std::vector<ServedPipeline> pipelines, RuntimeSystemOptions options)
    : runtime_(std::move(runtime)), options_(std::move(options)) {
  if (options_.labels) {
    options_.labels->update(runtime_.catalog());
  }
  subscription_ = runtime_.on_event([this](const SwapEvent& event) { take_event(event); });
  for (ServedPipeline& pipeline : pipelines) {
    pipeline.on_failure = options_.on_failure;
    pipelines_.push_back(std::make_unique<PipelineRun>(runtime_, std::move(pipeline),
                                                       [this](const PipelineRun& run, const RunReport& report) {
                                                         if (options_.on_pipeline_end) {
                                                           options_.on_pipeline_end(run.name(), report);
                                                         }
                                                         // The lock ensures that none runs after
                                                         // set_listeners returns.
                                                         const auto listeners = listeners_.lock();
                                                         if (listeners->pipeline_ended) {
                                                           listeners->pipeline_ended(run.describe());
                                                         }
                                                       }));
  }
}

Result<void> RuntimeSystem::start() {
  for (const auto& pipeline : pipelines_) {
    TENON_TRY(pipeline->start());
  }
  return {};
}

RuntimeSystem::~RuntimeSystem() {
  shutdown();
}

void RuntimeSystem::shutdown() {
  stop_pipelines(true);
  runtime_.shutdown(Shutdown::kCancel);
}

void RuntimeSystem::set_listeners(Listeners listeners) {
  listeners_.set(std::move(listeners));
}

void RuntimeSystem::fill_status(serve::StatusT& status) {
  const RuntimeStats stats = runtime_.stats();
  status.submitted = stats.submitted;
  status.succeeded = stats.succeeded;
  status.failed = stats.failed;
  status.crashed_workers = stats.crashed_workers;
  status.queued = stats.queued;
  status.running = stats.running;
  for (const RuntimeStats::Worker& known : stats.workers) {
    auto worker = std::make_unique<serve::WorkerT>();
    worker->id = known.id;
    worker->process_id = known.pid;
    worker->calls = known.calls;
    worker->mean_run_ns = known.mean_run.count();
    worker->memory_bytes = process_memory_bytes(known.pid, 0).value_or(0);
    status.workers.push_back(std::move(worker));
  }
  std::map<std::string, GenerationInfo> currents;
  std::map<std::string, std::string> kept_out;  // By content: whether it may be loaded meanwhile.
  for (GenerationInfo& generation : runtime_.generations()) {
    if (generation.state == GenerationState::kCurrent) {
      currents.emplace(generation.plugin, std::move(generation));
    } else if (generation.state == GenerationState::kRefused && !generation.note.empty()) {
      kept_out.emplace(generation.sha256, std::move(generation.note));
    }
  }
  status.store = options_.store.string();
  const Catalog catalog = runtime_.catalog();
  for (const auto& known : catalog.plugins()) {
    auto plugin = std::make_unique<serve::PluginT>();
    plugin->name = known->name;
    plugin->version = known->version;
    plugin->sha256 = known->sha256;
    plugin->file = known->file.string();
    plugin->tasks = known->schema ? static_cast<std::uint32_t>(known->schema->tasks().size()) : 0;
    plugin->problem = known->problem ? known->problem->message : std::string();
    if (const auto found = kept_out.find(known->sha256); known->problem && found != kept_out.end()) {
      plugin->problem = found->second;
    }
    if (const auto current = currents.find(known->name); current != currents.end()) {
      plugin->source = current->second.source.string();
      plugin->note = current->second.note;
      plugin->p99_ns = current->second.p99.count();
    }
    status.plugins.push_back(std::move(plugin));
  }
  for (const auto& run : pipelines_) {
    status.pipelines.push_back(std::make_unique<serve::PipelineT>(run->describe()));
  }
}

Result<serve::TaskSchemaT> RuntimeSystem::task_schema(const std::string& task) {
  const Catalog catalog = runtime_.catalog();
  TENON_ASSIGN(const auto found, catalog.find_task(task));
  const PluginInfo& plugin = *found.plugin;
  serve::TaskSchemaT schema;
  schema.plugin = plugin.name;
  schema.version = plugin.version;
  schema.sha256 = plugin.sha256;
  const BytesView binary = plugin.schema->binary();
  schema.schema.assign(binary.begin(), binary.end());
  return schema;
}

Result<TaskRef> RuntimeSystem::check(const ServedCall& call) const {
  const Catalog catalog = runtime_.catalog();
  auto task = catalog.find_task(call.task);
  if (!task || task->plugin->sha256 == call.sha256) {
    return task;
  }
  // A conforming version can read an argument that was written for the version before; a forced
  // version may not.
  const Schema& schema = *task->plugin->schema;
  const auto fits = [&](const std::string& type, const Buffer& bytes) -> Result<void> {
    return bytes.empty() || type.empty() ? Result<void>() : schema.verify(type, bytes);
  };
  auto good = fits(task->task->argument_type, call.argument).and_then([&] {
    return fits(task->task->params_type, call.params);
  });
  if (!good) {
    ErrorContext context;
    context.task = call.task;
    return fail(ErrorCode::kIncompatible,
                "the plugin '" + task->plugin->name + "' has been swapped since the argument was written, and " +
                    task->plugin->version + " cannot read it; call again",
                std::move(context));
  }
  return task;
}

Future<ServedReply> RuntimeSystem::call(const ServedCall& call) {
  const auto task = check(call);
  if (!task) {
    return completed_future<ServedReply>(fail(task.error()));
  }
  CallOptions options;
  options.params = call.params;
  return runtime_.submit(call.task, call.argument, options).then([asked = task->plugin](Result<Reply> reply) {
    return std::move(reply).map([&](Reply&& given) { return with_maker(std::move(given), *asked); });
  });
}

Future<std::shared_ptr<ServedSession>> RuntimeSystem::open(const ServedCall& call) {
  const auto task = check(call);
  if (!task) {
    return completed_future<std::shared_ptr<ServedSession>>(fail(task.error()));
  }
  SessionOptions options;
  options.params = call.params;
  options.argument = call.argument;
  return runtime_.open(call.task, options).then([asked = task->plugin](Result<Session> session) {
    return std::move(session).map([&](Session&& opened) -> std::shared_ptr<ServedSession> {
      return std::make_shared<RuntimeSession>(std::move(opened), asked);
    });
  });
}

Result<std::vector<PipelineRun*>> RuntimeSystem::select(const std::string& pipeline) const {
  std::vector<PipelineRun*> selected;
  std::vector<std::string> names;
  for (const auto& run : pipelines_) {
    names.push_back(run->name());
    if (pipeline.empty() || run->name() == pipeline) {
      selected.push_back(run.get());
    }
  }
  if (!pipeline.empty() && selected.empty()) {
    const std::string meant = did_you_mean(pipeline, names);
    return fail(ErrorCode::kNotFound, "the daemon runs no pipeline '" + printable(pipeline) + "'" +
                                          (meant.empty() ? "; 'tenon status' lists them" : "; " + meant));
  }
  return selected;
}

Result<serve::PipelinesT> RuntimeSystem::for_running(const std::string& pipeline, void (RunControl::*action)()) {
  TENON_ASSIGN(const auto selected, select(pipeline));
  serve::PipelinesT done;
  for (PipelineRun* const run : selected) {
    if (run->ended()) {
      if (!pipeline.empty()) {
        return fail(ErrorCode::kRejected, "the pipeline '" + pipeline + "' has ended (" + run->describe().state + ")");
      }
      continue;
    }
    (run->control().*action)();
    done.pipelines.push_back(std::make_unique<serve::PipelineT>(run->describe()));
  }
  return done;
}

Result<serve::PipelinesT> RuntimeSystem::pause(const std::string& pipeline) {
  return for_running(pipeline, &RunControl::pause);
}

Result<serve::PipelinesT> RuntimeSystem::resume(const std::string& pipeline) {
  return for_running(pipeline, &RunControl::resume);
}

Future<serve::PipelinesT> RuntimeSystem::drain(const std::string& pipeline) {
  auto selected = select(pipeline);
  if (!selected) {
    return completed_future<serve::PipelinesT>(fail(selected.error()));
  }
  struct Gathering {
    std::vector<PipelineRun*> runs;
    Promise<serve::PipelinesT> promise;
    // The thread that takes it to zero sees the writes of all others: acquire and release.
    std::atomic<std::size_t> left{1};
    void arrive() {
      if (left.fetch_sub(1, std::memory_order_acq_rel) != 1) {
        return;
      }
      serve::PipelinesT drained;
      for (const PipelineRun* const run : runs) {
        drained.pipelines.push_back(std::make_unique<serve::PipelineT>(run->describe()));
      }
      promise.complete(std::move(drained));
    }
  };
  auto gathering = std::make_shared<Gathering>();
  gathering->runs = std::move(*selected);
  gathering->left.fetch_add(gathering->runs.size(), std::memory_order_relaxed);
  for (PipelineRun* const run : gathering->runs) {
    run->control().drain();
    run->when_ended([gathering] { gathering->arrive(); });
  }
  auto future = gathering->promise.future();
  gathering->arrive();
  return future;
}

void RuntimeSystem::stop_pipelines(bool now) {
  for (const auto& run : pipelines_) {
    if (now) {
      run->control().cancel();
    } else {
      run->control().drain();
    }
  }
}

bool RuntimeSystem::pipelines_ended() {
  bool ended = true;
  for (const auto& run : pipelines_) {
    ended = ended && run->ended();
  }
  return ended;
}

}  // namespace tenon::internal
