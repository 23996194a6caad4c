#include <algorithm>
#include <chrono>
#include <map>
#include <mutex>
#include <optional>
#include <string_view>
#include <system_error>
#include <utility>

#include "base/scope_guard.hpp"
#include "base/text.hpp"
#include "pipeline/failure_notices.hpp"
#include "pipeline/plugin_dirs.hpp"
#include "pipeline/quantity.hpp"
#include "platform/environment.hpp"
#include "platform/file_descriptor.hpp"
#include "platform/service_signals.hpp"
#include "platform/standard_streams.hpp"
#include "platform/unix_socket.hpp"
#include "serve/runtime_system.hpp"
#include "serve/server.hpp"
#include "tools/tenon/command.hpp"
#include "tools/tenon/command_line.hpp"
#include "tools/tenon/daemon_client.hpp"
#include "tools/tenon/pipeline_file.hpp"
#include "tools/tenon/plugin_places.hpp"
#include "tools/tenon/result_stream.hpp"
#include "tools/tenon/run_report.hpp"
#include "tools/tenon/service_log.hpp"
#include "tools/tenon/staged_plugins.hpp"
#include "tools/tenon/version.hpp"

namespace tenon::cli {
namespace {

constexpr unsigned kMaxWorkers = 1024;
constexpr unsigned kMaxClients = 4096;
constexpr unsigned kUsualClients = 64;
constexpr std::size_t kUsualConnections = 1024;
// How long the end of the daemon waits for readers that read nothing.
constexpr std::chrono::milliseconds kLogPatience(1000);
constexpr std::chrono::milliseconds kResultPatience(2000);

struct Arguments {
  std::vector<std::string> files;
  std::string socket;
  std::string store;
  std::vector<std::string> plugin_dirs;
  LimitOptions limits;
  std::string drain_timeout = "30s";
  std::optional<std::uint64_t> ready_fd;
  unsigned workers = 0;
  unsigned max_clients = 0;
  bool no_watch = false;
  bool verbose = false;
};

void add_options(CommandLine& line, Arguments& arguments) {
  line.add("FILE", arguments.files, "Pipeline files; none for a daemon that only serves calls");
  add_socket_option(line, arguments.socket);
  line.add_flag("--no-watch", arguments.no_watch,
                "Do not watch the plugin directories; plugins change only by 'tenon swap' and SIGHUP");
  line.add("--store", arguments.store, "Where copies of plugins are kept; $XDG_CACHE_HOME/tenon/store when not given")
      .type_name("DIR");
  line.add("--workers", arguments.workers, "Worker processes; one per core when not given")
      .type_name("N")
      .between(1, kMaxWorkers);
  line.add("--plugin-dir", arguments.plugin_dirs, "Look for plugins here first").type_name("DIR");
  add_limit_options(line, arguments.limits);
  line.add("--max-clients", arguments.max_clients,
           "Clients whose calls run at once; calls of others wait, other requests never do; 64 when not given")
      .type_name("N")
      .between(1, kMaxClients);
  line.add("--drain-timeout", arguments.drain_timeout,
           "How long pipelines and calls may take to finish at the end, as in 30s")
      .type_name("TIME");
  line.add("--ready-fd", arguments.ready_fd, "Write a line to this open descriptor, and close it, once calls are taken")
      .type_name("N");
  line.add_flag("--verbose", arguments.verbose, "Log debug lines too");
  line.footer(
      "Runs until 'tenon stop', SIGTERM or Ctrl-C: what is in flight may then finish; a second one cancels it. SIGHUP\n"
      "looks for changed plugins. Log lines go to standard error, results of sinks that collect to standard output.\n"
      "Under systemd (Type=notify) it tells when it is ready and that it is alive. Log lines begin with the time\n"
      "where no journal adds it; with --json each is an object. What was current when a daemon on this socket ended\n"
      "is current again at the next start; 'tenon status' says where plugin files hold something else.\n\n"
      "exit codes: 0 ended as asked, 1 failed, 2 wrong usage, 78 bad configuration\n\n"
      "Example:\n  tenon serve inventory.toml --socket /run/user/1000/tenon.sock");
}

/// Sets how many clients there may be. Errors: the process may not open so many descriptors.
Outcome<void> set_places(internal::ServerOptions& options, unsigned asked) {
  // The other half is for workers, large arguments and plugins.
  const std::size_t room = internal::descriptor_limit().soft / 2;
  // Beside those whose calls run there is always a place for an operator, and for as many that wait.
  const std::size_t clients = asked != 0 ? asked : std::clamp<std::size_t>(room / 2, 1, kUsualClients);
  if (asked != 0 && 2 * clients > room) {
    return failure(
        ExitCode::kFailed,
        Error{ErrorCode::kUnavailable,
              "--max-clients " + std::to_string(asked) + " needs " + std::to_string(4 * clients) +
                  " descriptors, and this process may open " + std::to_string(internal::descriptor_limit().soft),
              {}},
        "raise the limit ('ulimit -n'; LimitNOFILE= in a systemd unit), or give at most " + std::to_string(room / 2));
  }
  options.max_clients = clients;
  options.max_connections = std::max(2 * clients, std::min(kUsualConnections, room));
  return {};
}

/// The pipelines of the files, all of them right.
struct Loaded {
  std::vector<internal::ServedPipeline> pipelines;
  std::map<std::string, Buffer> settings;
};

/// Settings belong to a plugin and not to a pipeline: one runtime has them once.
Outcome<void> add_settings(Loaded& loaded, const internal::ServedPipeline& pipeline,
                           std::map<std::string, std::string>& given_by) {
  for (const auto& [plugin, settings] : pipeline.graph.plugin_settings()) {
    const auto [known, fresh] = loaded.settings.emplace(plugin, settings);
    if (fresh) {
      given_by[plugin] = pipeline.file;
    } else if (known->second != settings) {
      return failure(
          ExitCode::kBadConfiguration,
          Error{ErrorCode::kInvalidArgument,
                "'" + internal::printable(given_by[plugin]) + "' and '" + internal::printable(pipeline.file) +
                    "' give the plugin '" + plugin + "' different settings; one daemon has one of each plugin",
                {}},
          "give both the same settings, or run two daemons");
    }
  }
  return {};
}

/// nullopt: files are wrong, which has been written.
Outcome<std::optional<Loaded>> load(Context& context, const std::vector<std::string>& files, const Catalog& catalog) {
  Loaded loaded;
  Diagnostics all;
  for (const std::string& file : files) {
    if (auto there = require_file(file); !there) {
      return tl::unexpected<Failure>(std::move(there.error()));
    }
    LoadOptions options;
    options.streams = true;
    Diagnostics diagnostics;
    auto graph = Graph::load(file, catalog, options, diagnostics);
    all.items.insert(all.items.end(), diagnostics.items.begin(), diagnostics.items.end());
    if (graph) {
      loaded.pipelines.push_back({.file = file, .graph = std::move(*graph)});
    }
  }
  if (all.has_errors()) {
    write_errors(context, all);
    return std::optional<Loaded>();
  }
  context.world.log(all.to_text(context.color_error));  // Warnings.
  std::map<std::string, std::string> file_of;
  std::map<std::string, std::string> given_by;
  for (const internal::ServedPipeline& pipeline : loaded.pipelines) {
    const auto [known, fresh] = file_of.emplace(pipeline.graph.name(), pipeline.file);
    if (!fresh) {
      return failure(ExitCode::kBadConfiguration,
                     Error{ErrorCode::kInvalidArgument,
                           "'" + internal::printable(known->second) + "' and '" + internal::printable(pipeline.file) +
                               "' are both the pipeline '" + pipeline.graph.name() + "'",
                           {}},
                     "give each a name of its own ([pipeline] name)");
    }
    if (auto added = add_settings(loaded, pipeline, given_by); !added) {
      return tl::unexpected<Failure>(std::move(added.error()));
    }
  }
  return loaded;
}

/// The plugin directories that the files name: one daemon has one catalog, so each file can use those of the others.
std::vector<std::filesystem::path> plugin_dirs_of(const std::vector<std::string>& files) {
  std::vector<std::filesystem::path> all;
  for (const std::string& file : files) {
    const auto of_file = internal::read_plugin_dirs(file, {});
    all.insert(all.end(), of_file.begin(), of_file.end());
  }
  return all;
}

/// What makes the daemon on this socket the same one after a restart.
HotSwapOptions swap_options(const Arguments& asked, const std::filesystem::path& socket) {
  HotSwapOptions swaps;
  swaps.watch = !asked.no_watch;
  swaps.store_dir = asked.store;
  std::error_code failed;
  const auto place = std::filesystem::weakly_canonical(std::filesystem::absolute(socket), failed);
  swaps.instance = "tenon serve --socket " + (failed ? socket : place).string();
  return swaps;
}

RuntimeOptions runtime_options(const Arguments& asked, HotSwapOptions swaps, const Catalog& catalog,
                               const std::vector<std::filesystem::path>& places, Loaded& loaded,
                               const ServiceLog& log) {
  RuntimeOptions options;
  options.workers = asked.workers;
  options.catalog = catalog;
  options.plugin_dirs = places;
  options.plugin_settings = std::move(loaded.settings);
  // The events are told by the daemon itself.
  options.log = [sink = log.sink()](const LogRecord& record) {
    if (record.worker_id != 0 || !record.message.starts_with("swap: ")) {
      sink(record);
    }
  };
  std::vector<Graph> graphs;
  for (const internal::ServedPipeline& pipeline : loaded.pipelines) {
    graphs.push_back(pipeline.graph);
  }
  swaps.admit = [graphs = std::move(graphs)](const PluginInfo& candidate) -> Result<void> {
    for (const Graph& graph : graphs) {
      if (auto admitted = graph.admits(candidate); !admitted) {
        return admitted;
      }
    }
    return {};
  };
  options.hot_swap = std::move(swaps);
  return options;
}

/// The descriptor of --ready-fd, which becomes the daemon's own; none when it was not asked for. Errors: usage when it
/// is not open.
Outcome<internal::FileDescriptor> ready_descriptor(const std::optional<std::uint64_t>& number) {
  if (!number) {
    return internal::FileDescriptor();
  }
  auto taken = internal::take_inherited(*number);
  if (!taken) {
    return usage_failure("--ready-fd: " + taken.error().message, "as in 'tenon serve --ready-fd 3 3>ready'");
  }
  return std::move(*taken);
}

Result<void> tell_ready(internal::FileDescriptor descriptor) {
  constexpr std::string_view kLine = "ready\n";
  return descriptor ? internal::write_all(descriptor,
                                          BytesView(reinterpret_cast<const std::uint8_t*>(kLine.data()), kLine.size()))
                    : Result<void>();
}

/// Results of sinks go to standard output as those of `tenon run`.
class PipelineEnds {
 public:
  PipelineEnds(Context& context, const ServiceLog& log, const Catalog& catalog)
      : context_(context), log_(log), catalog_(catalog), results_(context.world) {}

  void take(const std::string& name, const RunReport& report) {
    std::string problems;
    std::string outputs = outputs_text(report, catalog_, problems);
    const std::lock_guard lock(mutex_);
    if (auto written = results_.write(std::move(outputs)); !written) {
      log_.line(LogLevel::kError, "pipeline '" + name + "': " + written.error().message);
    }
    if (!problems.empty()) {
      log_.line(LogLevel::kWarning, "pipeline '" + name + "': " + problems);
    }
  }

  /// Waits for the reader of standard output, within bounds. No pipeline runs any more.
  void finish() {
    auto written = results_.close(kResultPatience);
    if (written) {
      return;
    }
    if (written.error().code == ErrorCode::kDeadline && context_.world.output_hangs != nullptr) {
      context_.world.output_hangs->store(true, std::memory_order_relaxed);  // The same thread looks at it.
    }
    log_.line(LogLevel::kError, written.error().message);
    context_.output.note(std::move(written.error()));
  }

 private:
  Context& context_;
  const ServiceLog& log_;
  const Catalog& catalog_;
  ResultStream results_;
  std::mutex mutex_;
};

}  // namespace

Outcome<ExitCode> serve_command(Context& context, const std::vector<std::string>& arguments) {
  CommandLine line("Runs pipelines and takes calls and commands on a socket, until it is stopped.", "tenon serve");
  Arguments asked;
  add_options(line, asked);
  if (auto go_on = line.parse(context, arguments); !go_on || !*go_on) {
    return go_on.map([](bool) { return ExitCode::kDone; });
  }
  const auto drain_timeout = internal::parse_duration(asked.drain_timeout);
  if (!drain_timeout) {
    return usage_failure("--drain-timeout: " + drain_timeout.error().message);
  }
  internal::ServerOptions options;
  if (auto set = set_places(options, asked.max_clients); !set) {
    return tl::unexpected<Failure>(std::move(set.error()));
  }
  auto path = socket_path(context.world, asked.socket);
  if (!path) {
    return tl::unexpected<Failure>(std::move(path.error()));
  }
  auto limits = read_limits(asked.limits);
  if (!limits) {
    return tl::unexpected<Failure>(std::move(limits.error()));
  }
  for (const std::string& file : asked.files) {
    limits->add_file(file, LoadOptions{});
  }
  const std::vector<std::filesystem::path> of_files = plugin_dirs_of(asked.files);
  auto catalog = open_catalog(context.world, asked.plugin_dirs, *limits, of_files);
  if (!catalog) {
    return tl::unexpected<Failure>(std::move(catalog.error()));
  }
  auto places = plugin_places(context.world, asked.plugin_dirs, of_files);
  if (!places) {
    return tl::unexpected<Failure>(std::move(places.error()));
  }
  for (std::filesystem::path& place : *places) {
    place = std::filesystem::absolute(place).lexically_normal();
  }
  auto ready = ready_descriptor(asked.ready_fd);
  if (!ready) {
    return tl::unexpected<Failure>(std::move(ready.error()));
  }
  HotSwapOptions swaps = swap_options(asked, *path);
  CatalogOptions inspection;
  inspection.limits = limits->usual;
  inspection.limits_of = limits->of;
  // What is wrong with a plugin that a pipeline needs is told before anything runs.
  auto started = started_catalog(*catalog, swaps, *places, inspection);
  if (!started) {
    return tl::unexpected<Failure>(std::move(started.error()));
  }
  auto loaded = load(context, asked.files, started->catalog);
  if (!loaded) {
    return tl::unexpected<Failure>(std::move(loaded.error()));
  }
  if (!*loaded) {
    // The files may be right for what the plugin files hold.
    for (const std::string& note : started->notes) {
      context.world.log("tenon: note: " + internal::printable(note, 4096) + '\n');
    }
  }
  // Before any thread is started, so that none of them takes the signals.
  auto signals = internal::ServiceSignals::hold();
  if (!signals) {
    return failure(ExitCode::kFailed, std::move(signals.error()));
  }
  if (context.world.interrupts->load(std::memory_order_relaxed) > 0) {
    return ExitCode::kInterrupted;
  }
  if (!*loaded) {
    return ExitCode::kBadConfiguration;
  }
  auto listener = internal::UnixListener::listen(*path);
  if (!listener) {
    const bool usage =
        listener.error().code == ErrorCode::kTooLarge || listener.error().code == ErrorCode::kInvalidArgument;
    return failure(usage ? ExitCode::kUsage : ExitCode::kFailed, std::move(listener.error()));
  }

  const ServiceLog log(context.world, asked.verbose ? LogLevel::kDebug : LogLevel::kInfo,
                       context.json ? ServiceLog::Format::kJson : ServiceLog::Format::kText);
  const internal::ScopeGuard flush_log([&context] {
    if (context.world.flush_error) {
      context.world.flush_error(kLogPatience);
    }
  });
  RuntimeOptions start = runtime_options(asked, swaps, *catalog, *places, **loaded, log);
  limits->set(start);
  auto runtime = Runtime::start(std::move(start));
  if (!runtime) {
    return failure(ExitCode::kBadConfiguration, std::move(runtime.error()));
  }
  for (const internal::ServedPipeline& pipeline : (*loaded)->pipelines) {
    if (auto usable = check_plugins(pipeline.graph, runtime->catalog()); !usable) {
      return tl::unexpected<Failure>(std::move(usable.error()));
    }
  }
  PipelineEnds ends(context, log, started->catalog);
  internal::RuntimeSystemOptions system_options;
  system_options.plugin_dirs = std::move(*places);
  system_options.limits = limits->usual;
  system_options.limits_of = limits->of;
  system_options.labels = log.labels();
  system_options.store = swaps.store_dir.empty() ? internal::cache_directory() / "store"
                                                 : std::filesystem::absolute(swaps.store_dir).lexically_normal();
  system_options.on_failure = [&log](const std::string& pipeline, const FailureNotice& notice) {
    log.line(LogLevel::kWarning, "pipeline '" + pipeline + "', " + internal::to_text(notice));
  };
  system_options.on_pipeline_end = [&ends](const std::string& name, const RunReport& report) {
    ends.take(name, report);
  };
  const std::size_t pipelines = (*loaded)->pipelines.size();
  internal::RuntimeSystem system(std::move(*runtime), std::move((*loaded)->pipelines), std::move(system_options));
  if (auto running = system.start(); !running) {
    return failure(ExitCode::kFailed, std::move(running.error()));
  }

  options.release = kVersion;
  options.drain_timeout = std::chrono::duration_cast<std::chrono::milliseconds>(*drain_timeout);
  options.log = [&log](LogLevel level, const std::string& text) { log.line(level, text); };
  auto server = internal::Server::create(std::move(*listener), &*signals, system, std::move(options));
  if (!server) {
    return failure(ExitCode::kFailed, std::move(server.error()));
  }
  log.line(LogLevel::kInfo, "serving " + internal::count_of(pipelines, "pipeline", "pipelines") + " on '" +
                                internal::printable(path->string(), 400) + "'");
  if (auto told = tell_ready(std::move(*ready)); !told) {
    log.line(LogLevel::kWarning, "--ready-fd: " + told.error().message);
  }
  auto served = (*server)->run();
  // The sockets close when no worker is left: whoever asked for the stop takes that for the end.
  system.shutdown();
  server->reset();
  ends.finish();
  log.line(LogLevel::kInfo, "stopped");
  if (!served) {
    return failure(ExitCode::kFailed, std::move(served.error()));
  }
  return ExitCode::kDone;
}

}  // namespace tenon::cli
