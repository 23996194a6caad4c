#include <algorithm>
#include <chrono>
#include <map>
#include <optional>
#include <string_view>
#include <system_error>
#include <utility>

#include "base/guarded.hpp"
#include "base/scope_guard.hpp"
#include "base/text.hpp"
#include "base/try.hpp"
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
#include "tools/tenon/python_plugins.hpp"
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
// How long the daemon waits at its end for readers that do not read.
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
  line.add("FILE", arguments.files, "Pipeline files; a daemon without files only serves calls");
  add_socket_option(line, arguments.socket);
  line.add_flag("--no-watch", arguments.no_watch,
                "Do not watch the plugin directories; plugins change only through 'tenon swap' and SIGHUP");
  line.add("--store", arguments.store, "Directory for copies of plugins; default: $XDG_CACHE_HOME/tenon/store")
      .type_name("DIR");
  line.add("--workers", arguments.workers, "Worker processes; default: one per core")
      .type_name("N")
      .between(1, kMaxWorkers);
  line.add("--plugin-dir", arguments.plugin_dirs, "Search this directory for plugins first").type_name("DIR");
  add_limit_options(line, arguments.limits);
  line.add("--max-clients", arguments.max_clients,
           "How many clients have running calls at once; calls of others wait, other requests do not; default: 64")
      .type_name("N")
      .between(1, kMaxClients);
  line.add("--drain-timeout", arguments.drain_timeout,
           "How long pipelines and calls may take to finish when the daemon stops, as in 30s")
      .type_name("TIME");
  line.add("--ready-fd", arguments.ready_fd,
           "Write a line to this open descriptor, and close it, as soon as calls are served")
      .type_name("N");
  line.add_flag("--verbose", arguments.verbose, "Also log debug lines");
  line.footer(
      "Runs until 'tenon stop', SIGTERM or Ctrl-C. Work in flight may then finish; a second one cancels it. SIGHUP\n"
      "reloads changed plugins. Log lines go to standard error, results of sinks that collect to standard output.\n"
      "Under systemd (Type=notify) it reports when it is ready and that it is alive. Log lines start with the time\n"
      "if no journal adds it; with --json each is an object. The versions that were current when a daemon on this\n"
      "socket ended are current again at the next start; 'tenon status' shows where plugin files differ from them.\n\n"
      "exit codes: 0 stopped as requested, 1 failed, 2 usage error, 78 bad configuration\n\n"
      "Example:\n  tenon serve inventory.toml --socket /run/user/1000/tenon.sock");
}

/// Sets the limits for clients. Errors: the process may not open that many descriptors.
Outcome<void> set_places(internal::ServerOptions& options, unsigned asked) {
  // The other half of the descriptors is for workers, large arguments and plugins.
  const std::size_t room = internal::descriptor_limit().soft / 2;
  // In addition to clients with running calls, there is always a slot for an operator, and for as
  // many clients that wait.
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

/// The pipelines of all files, without errors.
struct Loaded {
  std::vector<internal::ServedPipeline> pipelines;
  std::map<std::string, Buffer> settings;
};

/// Settings belong to a plugin, not to a pipeline: one runtime has each plugin once.
Outcome<void> add_settings(Loaded& loaded, const internal::ServedPipeline& pipeline,
                           std::map<std::string, std::string>& given_by) {
  for (const auto& [plugin, settings] : pipeline.graph.plugin_settings()) {
    const auto [known, fresh] = loaded.settings.emplace(plugin, settings);
    if (fresh) {
      given_by[plugin] = pipeline.file;
    } else if (known->second != settings) {
      return failure(ExitCode::kBadConfiguration,
                     Error{ErrorCode::kInvalidArgument,
                           "'" + internal::printable(given_by[plugin]) + "' and '" +
                               internal::printable(pipeline.file) + "' give the plugin '" + plugin +
                               "' different settings; one daemon has only one instance of each plugin",
                           {}},
                     "give both the same settings, or run two daemons");
    }
  }
  return {};
}

/// Returns nullopt if files have errors, which have been written.
Outcome<std::optional<Loaded>> load(Context& context, const std::vector<std::string>& files, const Catalog& catalog) {
  Loaded loaded;
  Diagnostics all;
  for (const std::string& file : files) {
    TENON_TRY(require_file(file));
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
  context.world.log(all.to_text(context.color_error));  // Writes warnings.
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
                     "give each a different name ([pipeline] name)");
    }
    TENON_TRY(add_settings(loaded, pipeline, given_by));
  }
  return loaded;
}

/// Returns the plugin directories that the files name. One daemon has one catalog, so each file can
/// use the directories of the others.
std::vector<std::filesystem::path> plugin_dirs_of(const std::vector<std::string>& files) {
  std::vector<std::filesystem::path> all;
  for (const std::string& file : files) {
    const auto of_file = internal::read_plugin_dirs(file, {});
    all.insert(all.end(), of_file.begin(), of_file.end());
  }
  return all;
}

/// Identifies the daemon by its socket, so that it continues with the same versions after a
/// restart.
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
  // The daemon itself reports events.
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
      TENON_TRY(graph.admits(candidate));
    }
    return {};
  };
  options.hot_swap = std::move(swaps);
  return options;
}

/// Returns the descriptor of --ready-fd, now owned by the daemon; none if the option was not given.
/// Errors: usage if it is not open.
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

/// Writes the results of sinks to standard output, like those of `tenon run`.
class PipelineEnds {
 public:
  PipelineEnds(Context& context, const ServiceLog& log, const Catalog& catalog)
      : context_(context), log_(log), catalog_(catalog), results_(std::in_place, context.world) {}

  void take(const std::string& name, const RunReport& report) {
    std::string problems;
    std::string outputs = outputs_text(report, catalog_, problems);
    const auto results = results_.lock();
    if (auto written = results->write(std::move(outputs)); !written) {
      log_.line(LogLevel::kError, "pipeline '" + name + "': " + written.error().message);
    }
    if (!problems.empty()) {
      log_.line(LogLevel::kWarning, "pipeline '" + name + "': " + problems);
    }
  }

  /// Waits for the reader of standard output, within limits. No pipeline runs any more.
  void finish() {
    auto written = results_.lock()->close(kResultPatience);
    if (written) {
      return;
    }
    if (written.error().code == ErrorCode::kDeadline && context_.world.output_hangs != nullptr) {
      // The same thread reads it.
      context_.world.output_hangs->store(true, std::memory_order_relaxed);
    }
    log_.line(LogLevel::kError, written.error().message);
    context_.output.note(std::move(written.error()));
  }

 private:
  Context& context_;
  const ServiceLog& log_;
  const Catalog& catalog_;
  internal::Guarded<ResultStream> results_;
};

}  // namespace

Outcome<ExitCode> serve_command(Context& context, const std::vector<std::string>& arguments) {
  CommandLine line("Runs pipelines and serves calls and commands on a socket, until it is stopped.", "tenon serve");
  Arguments asked;
  add_options(line, asked);
  if (auto proceed = line.parse(context, arguments); !proceed || !*proceed) {
    return proceed.map([](bool) { return ExitCode::kDone; });
  }
  const auto drain_timeout = internal::parse_duration(asked.drain_timeout);
  if (!drain_timeout) {
    return usage_failure("--drain-timeout: " + drain_timeout.error().message);
  }
  internal::ServerOptions options;
  TENON_TRY(set_places(options, asked.max_clients));
  TENON_ASSIGN(const auto path, socket_path(context.world, asked.socket));
  TENON_ASSIGN(auto limits, read_limits(asked.limits));
  for (const std::string& file : asked.files) {
    limits.add_file(file, LoadOptions{});
  }
  const std::vector<std::filesystem::path> of_files = plugin_dirs_of(asked.files);
  TENON_ASSIGN(const auto catalog, open_catalog(context.world, asked.plugin_dirs, limits, of_files));
  TENON_ASSIGN(auto places, plugin_places(context.world, asked.plugin_dirs, of_files));
  for (std::filesystem::path& place : places) {
    place = std::filesystem::absolute(place).lexically_normal();
  }
  TENON_ASSIGN(auto ready, ready_descriptor(asked.ready_fd));
  HotSwapOptions swaps = swap_options(asked, path);
  CatalogOptions inspection;
  inspection.limits = limits.usual;
  inspection.limits_of = limits.of;
  // A problem of a plugin that a pipeline needs is reported before anything runs.
  TENON_ASSIGN(const auto started, started_catalog(catalog, swaps, places, inspection));
  TENON_ASSIGN(auto loaded, load(context, asked.files, started.catalog));
  if (!loaded) {
    // The files may be valid for the versions that the plugin files hold.
    for (const std::string& note : started.notes) {
      context.world.log("tenon: note: " + internal::printable(note, 4096) + '\n');
    }
  }
  // Signals are blocked before any thread starts, so that no thread takes them.
  auto signals = internal::ServiceSignals::hold();
  if (!signals) {
    return failure(ExitCode::kFailed, std::move(signals.error()));
  }
  if (context.world.interrupts->load(std::memory_order_relaxed) > 0) {
    return ExitCode::kInterrupted;
  }
  if (!loaded) {
    return ExitCode::kBadConfiguration;
  }
  auto listener = internal::UnixListener::listen(path);
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
  RuntimeOptions start = runtime_options(asked, swaps, catalog, places, *loaded, log);
  limits.set(start);
  auto runtime = Runtime::start(std::move(start));
  if (!runtime) {
    return failure(ExitCode::kBadConfiguration, std::move(runtime.error()));
  }
  for (const internal::ServedPipeline& pipeline : loaded->pipelines) {
    TENON_TRY(check_plugins(pipeline.graph, runtime->catalog()));
  }
  std::optional<PythonSourceWatch> python_watch;
  if (!asked.no_watch) {
    python_watch.emplace(context.world, places,
                         [&log](LogLevel level, const std::string& text) { log.line(level, text); });
  }
  PipelineEnds ends(context, log, started.catalog);
  internal::RuntimeSystemOptions system_options;
  system_options.plugin_dirs = std::move(places);
  system_options.limits = limits.usual;
  system_options.limits_of = limits.of;
  system_options.labels = log.labels();
  system_options.store = swaps.store_dir.empty() ? internal::cache_directory() / "store"
                                                 : std::filesystem::absolute(swaps.store_dir).lexically_normal();
  system_options.on_failure = [&log](const std::string& pipeline, const FailureNotice& notice) {
    log.line(LogLevel::kWarning, "pipeline '" + pipeline + "', " + internal::to_text(notice));
  };
  system_options.on_pipeline_end = [&ends](const std::string& name, const RunReport& report) {
    ends.take(name, report);
  };
  const std::size_t pipelines = loaded->pipelines.size();
  internal::RuntimeSystem system(std::move(*runtime), std::move(loaded->pipelines), std::move(system_options));
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
                                internal::printable(path.string(), 400) + "'");
  if (auto told = tell_ready(std::move(ready)); !told) {
    log.line(LogLevel::kWarning, "--ready-fd: " + told.error().message);
  }
  auto served = (*server)->run();
  python_watch.reset();
  // The sockets close when no worker is left: a client that requested the stop takes that as the
  // end.
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
