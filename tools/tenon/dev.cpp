/// `tenon dev`: builds a plugin whenever its sources change and swaps it into a running system.
#include <algorithm>
#include <atomic>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <tenon/pipeline.hpp>
#include <tenon/runtime.hpp>

#include "base/clock.hpp"
#include "base/short_hash.hpp"
#include "base/text.hpp"
#include "base/try.hpp"
#include "platform/environment.hpp"
#include "platform/file_watch.hpp"
#include "platform/reactor/poller.hpp"
#include "platform/thread.hpp"
#include "serve/runtime_system.hpp"
#include "tools/tenon/command.hpp"
#include "tools/tenon/command_line.hpp"
#include "tools/tenon/dev_build.hpp"
#include "tools/tenon/dev_socket.hpp"
#include "tools/tenon/dev_sources.hpp"
#include "tools/tenon/log_lines.hpp"
#include "tools/tenon/pipeline_file.hpp"
#include "tools/tenon/plugin_places.hpp"
#include "tools/tenon/progress.hpp"
#include "tools/tenon/run_report.hpp"
#include "tools/tenon/swap_lines.hpp"

namespace tenon::cli {
namespace {

namespace fs = std::filesystem;

/// How long the sources must be unchanged before a build: a save is often several writes.
constexpr std::chrono::milliseconds kQuiet{100};
/// The longest delay of a build by files that change all the time, such as a pipeline's output
/// below the sources.
constexpr std::chrono::seconds kLongestQuiet{1};
/// The interval at which Ctrl-C is polled.
constexpr std::chrono::milliseconds kPollInterval{50};
/// The sources are rescanned at this interval to catch changes that the watch misses.
constexpr std::chrono::seconds kRescan{2};
/// How long the pipeline may take to end when tenon dev exits.
constexpr std::chrono::seconds kPipelinePatience{10};

struct Arguments {
  std::string plugin_dir;
  std::string build_dir;
  std::string pipeline;
  std::string store;
  std::string socket;
  unsigned workers = 0;
};

std::string seconds_text(std::chrono::nanoseconds duration) {
  char text[32];
  const double seconds = std::chrono::duration<double>(duration).count();
  std::snprintf(text, sizeof text, seconds < 1 ? "%.0f ms" : "%.1f s", seconds < 1 ? seconds * 1000 : seconds);
  return text;
}

bool interrupted(const Context& context) {
  return context.world.interrupts->load(std::memory_order_relaxed) > 0;
}

/// The runtime that serves the plugin, and the pipeline that tests it.
class Served {
 public:
  Served(Context& context, StatusLine& status, const Arguments& asked)
      : context_(context), status_(status), asked_(asked), log_(status, LogLevel::kWarning, context.color_error) {}
  Served(const Served&) = delete;
  Served& operator=(const Served&) = delete;
  ~Served() { end(); }

  [[nodiscard]] bool running() const noexcept { return system_ != nullptr; }
  /// Returns whether a client has requested a stop.
  [[nodiscard]] bool asked_to_stop() const noexcept { return socket_ != nullptr && socket_->asked_to_stop(); }

  /// Starts with the built plugins. Errors: those of the catalog and the runtime; bad configuration
  /// if the pipeline file has errors, which have been reported.
  [[nodiscard]] Outcome<void> start(const DevBuild& build) {
    CatalogLimits limits;
    if (!asked_.pipeline.empty()) {
      limits.add_file(asked_.pipeline, LoadOptions{});
    }
    TENON_ASSIGN(const auto catalog, open_catalog(context_.world, {build.plugins().string()}, limits));
    for (const auto& plugin : catalog.plugins()) {
      if (plugin->problem && plugin->file.parent_path() == build.plugins()) {
        return failure(ExitCode::kBadConfiguration, *plugin->problem);
      }
    }
    RuntimeOptions options;
    std::vector<internal::ServedPipeline> pipelines;
    if (!asked_.pipeline.empty()) {
      Diagnostics diagnostics;
      pipeline_time_ = pipeline_time();
      graph_ = Graph::load(asked_.pipeline, catalog, {}, diagnostics);
      status_.print(diagnostics.to_text(context_.color_error));
      if (!graph_) {
        return failure(ExitCode::kBadConfiguration,
                       Error{ErrorCode::kInvalidArgument, "the pipeline cannot be run; see above", {}});
      }
      options.plugin_settings = graph_->plugin_settings();
    }
    options.workers = asked_.workers;
    options.catalog = catalog;
    limits.set(options);
    options.log = without_swap_lines(log_.sink());
    options.hot_swap.emplace();
    options.hot_swap->store_dir = asked_.store;
    if (graph_) {
      options.hot_swap->admit = [graph = *graph_](const PluginInfo& candidate) { return graph.admits(candidate); };
    }
    auto runtime = Runtime::start(std::move(options));
    if (!runtime) {
      return failure(ExitCode::kBadConfiguration, std::move(runtime.error()));
    }
    if (graph_) {
      pipelines.push_back({.file = asked_.pipeline, .graph = *graph_});
    }
    system_ = std::make_unique<internal::RuntimeSystem>(std::move(*runtime), std::move(pipelines), system_options());
    subscription_ = system_->runtime().on_event([this](const SwapEvent& event) {
      if (event.kind == SwapEvent::Kind::kRolledBack) {
        status_.print("tenon: " + event.plugin + ' ' + event.version + " is back: " + event.message + '\n');
      }
    });
    if (auto started = system_->start(); !started) {
      subscription_ = {};
      system_.reset();
      return failure(ExitCode::kFailed, std::move(started.error()));
    }
    return {};
  }

  /// Serves calls on the socket. Errors: a requested socket cannot be opened; a failure of the
  /// default socket is only reported.
  [[nodiscard]] Outcome<void> open_socket(const DevBuild& build) {
    const bool by_name = !asked_.socket.empty();
    socket_path_ = by_name ? fs::path(asked_.socket) : build.directory() / "tenon.sock";
    if (!by_name && socket_path_.native().size() > internal::kMaxSocketPathBytes) {
      socket_path_ = socket_path_.lexically_proximate(fs::current_path());
    }
    auto socket = DevSocket::open(socket_path_, *system_);
    if (socket) {
      socket_ = std::move(*socket);
      return {};
    }
    if (by_name) {
      return failure(ExitCode::kFailed, std::move(socket.error()));
    }
    status_.print("tenon: calls are not served: " + socket.error().message + "; name another socket with --socket\n");
    return {};
  }

  /// Returns a line that shows how to call the plugin; empty if there is no socket or no task.
  [[nodiscard]] std::string call_line(const std::string& name) const {
    const auto plugin = system_->runtime().catalog().find_plugin(name);
    const std::string call =
        socket_ == nullptr || plugin == nullptr ? std::string() : example_call(*plugin, socket_path_);
    return call.empty() ? call : "tenon: call it with: " + call + '\n';
  }

  /// Swaps the built plugins into the runtime and reports each. Plugins that the build did not
  /// change are not reported.
  void take_over(const DevBuild& build, const BuildEnd& end) {
    if (const auto time = pipeline_time(); graph_ && time != pipeline_time_) {
      pipeline_time_ = time;
      status_.print("tenon: '" + asked_.pipeline +
                    "' has changed, but the running pipeline has not; restart tenon dev to use the new file\n");
    }
    if (end.nothing_to_do) {
      return;
    }
    for (const fs::path& file : build.built()) {
      const internal::MonotonicNs start_ns = internal::monotonic_now_ns();
      const auto swapped = system_->runtime().swap(file.string());
      const std::chrono::nanoseconds took(internal::monotonic_now_ns() - start_ns);
      if (!swapped && (interrupted(context_) || asked_to_stop())) {
        return;  // The swap was not refused: the runtime has been stopped.
      }
      if (!swapped) {
        status_.print("tenon: " + swapped.error().message + '\n');
        if (swapped.error().code == ErrorCode::kIncompatible && socket_ != nullptr) {
          status_.print("tenon: to force it: tenon swap " + in_shell(file.string()) + " --force --socket " +
                        in_shell(socket_path_.string()) + '\n');
        }
      } else if (swapped->now.number == swapped->before.number) {
        status_.print("tenon: built in " + seconds_text(end.took) + ": " + swapped->now.plugin + " is unchanged\n");
      } else {
        status_.print("tenon: built in " + seconds_text(end.took) + "; " + describe(swapped->now.plugin) + " serves " +
                      seconds_text(took) + " later\n");
      }
    }
  }

  /// Returns the version that calls now use, as in "hello 1.0.0 (sha256 ab12...)".
  [[nodiscard]] std::string describe(const std::string& name) const {
    const auto plugin = system_->runtime().catalog().find_plugin(name);
    return plugin == nullptr ? name
                             : name + ' ' + plugin->version + " (sha256 " + internal::short_hash(plugin->sha256) + ')';
  }

  /// Ends the pipeline and the workers, and thereby a take_over() that waits on another thread.
  void stop() {
    system_->stop_pipelines(true);
    const internal::MonotonicNs give_up_ns = internal::deadline_after(kPipelinePatience);
    while (!system_->pipelines_ended() && internal::monotonic_now_ns() < give_up_ns) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    // Not kKill: workers that stop close their sessions, which then remove their unfinished files.
    system_->runtime().shutdown(Shutdown::kCancel);
  }

  void end() {
    if (system_ == nullptr) {
      return;
    }
    stop();
    while (!system_->pipelines_ended()) {  // The listener below reports their end.
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    subscription_ = {};
    socket_.reset();
    system_.reset();
    log_.flush();
  }

 private:
  [[nodiscard]] std::optional<fs::file_time_type> pipeline_time() const {
    std::error_code failed;
    const auto time = fs::last_write_time(asked_.pipeline, failed);
    return failed ? std::nullopt : std::optional(time);
  }

  [[nodiscard]] internal::RuntimeSystemOptions system_options() {
    internal::RuntimeSystemOptions options;
    options.store = asked_.store.empty() ? internal::cache_directory() / "store" : fs::absolute(asked_.store);
    options.on_failure = [this](const std::string&, const FailureNotice& notice) {
      status_.print(failure_line(notice, context_.color_error));
    };
    options.on_pipeline_end = [this](const std::string& name, const RunReport& report) {
      std::string problems;
      context_.output.write(outputs_text(report, system_->runtime().catalog(), problems));
      status_.print(problems + summary_text(name, report));
    };
    return options;
  }

  Context& context_;
  StatusLine& status_;
  const Arguments& asked_;
  LogLines log_;
  std::optional<Graph> graph_;
  std::optional<fs::file_time_type> pipeline_time_;
  std::unique_ptr<internal::RuntimeSystem> system_;
  fs::path socket_path_;
  std::unique_ptr<DevSocket> socket_;
  EventSubscription subscription_;
};

class Dev {
 public:
  Dev(Context& context, const Arguments& asked, DevBuild build, DevSources sources, internal::Poller poller,
      internal::EventBell stop)
      : context_(context),
        build_(std::move(build)),
        sources_(std::move(sources)),
        poller_(std::move(poller)),
        stop_(std::move(stop)),
        status_(context.world, true),
        served_(context, status_, asked) {}

  [[nodiscard]] Outcome<ExitCode> run() {
    if (auto watched = poller_.add(sources_.descriptor(), 1); !watched) {
      return failure(ExitCode::kFailed, std::move(watched.error()));
    }
    for (;;) {
      TENON_TRY(make());
      if (!wait_for_change()) {
        const bool asked = served_.asked_to_stop();
        served_.end();
        return asked ? ExitCode::kDone : ExitCode::kInterrupted;
      }
    }
  }

 private:
  [[nodiscard]] bool interrupted() const { return cli::interrupted(context_) || served_.asked_to_stop(); }

  /// Runs `work` on a separate thread. `stop` makes it end early; it is called once if Ctrl-C comes
  /// meanwhile.
  [[nodiscard]] Outcome<void> do_until_interrupt(const std::function<void()>& work,
                                                 const std::function<void()>& stop) const {
    std::atomic<bool> done{false};
    auto worker = internal::Thread::start("tenon-dev", [&] {
      work();
      done = true;
    });
    if (!worker) {
      return failure(ExitCode::kFailed, std::move(worker.error()));
    }
    for (bool stopped = false; !done; std::this_thread::sleep_for(kPollInterval)) {
      if (!stopped && interrupted()) {
        stop();
        stopped = true;
      }
    }
    worker->join();
    return {};
  }

  /// Builds, and serves the result. Errors in the sources are reported and are not an error here.
  [[nodiscard]] Outcome<void> make() {
    std::optional<Result<BuildEnd>> built;
    sources_.begin_build();
    TENON_TRY(do_until_interrupt([&] { built.emplace(build_.run(stop_.descriptor())); }, [this] { stop_.ring(); }));
    if (interrupted()) {
      return {};
    }
    if (!*built) {
      return failure(ExitCode::kFailed, std::move(built->error()));
    }
    for (const fs::path& file : sources_.end_build(build_.files())) {
      status_.print("tenon: '" + internal::printable(file.string(), 1000) +
                    "' is written by the build, so its changes do not start another build\n");
    }
    const BuildEnd& end = **built;
    if (!end.good) {
      status_.print("tenon: the build failed after " + seconds_text(end.took) + ":\n" + errors_of_build(end.output));
      status_.print(served_.running() ? "tenon: the previous version keeps running; waiting for a change\n"
                                      : "tenon: waiting for a change\n");
      return {};
    }
    const auto files = build_.built();
    if (files.empty()) {
      status_.print("tenon: the build made no plugin in '" + build_.plugins().string() +
                    "'; call tenon_add_plugin() in CMakeLists.txt. Waiting for a change\n");
      return {};
    }
    if (served_.running()) {
      return do_until_interrupt([&] { served_.take_over(build_, end); }, [this] { served_.stop(); });
    }
    if (auto started = served_.start(build_); !started) {
      context_.world.log(to_text(started.error(), context_.color_error));
      status_.print("tenon: waiting for a change\n");
      return {};
    }
    TENON_TRY(served_.open_socket(build_));
    if (const std::string type = build_.chosen_build_type(); !type.empty()) {
      status_.print("tenon: no build type was given, so this is a " + internal::printable(type) +
                    " build; for another: cmake -DCMAKE_BUILD_TYPE=Debug " + in_shell(build_.directory().string()) +
                    '\n');
    }
    for (const fs::path& file : files) {
      const std::string name = file.stem().string();
      status_.print("tenon: built in " + seconds_text(end.took) + "; " + served_.describe(name) +
                    " serves; waiting for a change\n" + served_.call_line(name));
    }
    return {};
  }

  /// Returns false after Ctrl-C or a client's stop.
  [[nodiscard]] bool wait_for_change() {
    auto looked = std::chrono::steady_clock::now();
    for (;;) {
      if (interrupted()) {
        return false;
      }
      const auto events = poller_.wait(internal::deadline_after(kPollInterval));
      const bool told = events && !events->empty();
      const auto now = std::chrono::steady_clock::now();
      if (!told && now - looked < kRescan) {
        continue;
      }
      looked = now;
      const std::vector<fs::path> changed = sources_.changed();
      if (changed.empty()) {
        continue;
      }
      status_.print("tenon: '" + internal::printable(changed.front().string(), 1000) + "' " +
                    (changed.size() == 1 ? std::string("has changed")
                                         : "and " + std::to_string(changed.size() - 1) + " more have changed") +
                    "; building\n");
      do {
        std::this_thread::sleep_for(kQuiet);
      } while (!sources_.changed().empty() && !interrupted() && std::chrono::steady_clock::now() - now < kLongestQuiet);
      return !interrupted();
    }
  }

  Context& context_;
  DevBuild build_;
  DevSources sources_;
  internal::Poller poller_;
  const internal::EventBell stop_;
  StatusLine status_;
  Served served_;
};

void add_options(CommandLine& line, Arguments& arguments) {
  line.add("PLUGIN_DIR", arguments.plugin_dir,
           "Directory of the plugin, with its CMakeLists.txt; or a plugin in Python: a .py file or a package")
      .required();
  line.add("--pipeline", arguments.pipeline, "Run this pipeline with the plugin").type_name("FILE");
  line.add("--build-dir", arguments.build_dir, "Build directory; default: PLUGIN_DIR/build/dev").type_name("DIR");
  line.add("--store", arguments.store, "Directory in which versions are kept").type_name("DIR");
  line.add("--socket", arguments.socket, "Serve calls on this socket; default: tenon.sock in the build directory")
      .type_name("PATH");
  line.add("--workers", arguments.workers, "Worker processes; default: one per core").type_name("N").between(1, 1024U);
  line.footer(
      "Builds the plugin, serves it, and builds it again whenever a source below PLUGIN_DIR is saved. Files that the\n"
      "build itself writes there do not count. A version that does not build, breaks the schema or crashes in its\n"
      "trial is reported, and the previous version keeps running. Other commands ('tenon call', 'status', 'swap' ...)\n"
      "reach it through its socket; it prints the command that calls the plugin. Ctrl-C or 'tenon stop' ends it.\n\n"
      "Example:\n  tenon dev hello --pipeline greetings.toml");
}

}  // namespace

Outcome<ExitCode> dev_command(Context& context, const std::vector<std::string>& arguments) {
  CommandLine line("Builds a plugin on every save and swaps it into a running system.", "tenon dev");
  Arguments asked;
  add_options(line, asked);
  if (auto proceed = line.parse(context, arguments); !proceed || !*proceed) {
    return proceed.map([](bool) { return ExitCode::kDone; });
  }
  if (!asked.pipeline.empty()) {
    TENON_TRY(require_file(asked.pipeline));
  }
  TENON_ASSIGN(auto build, DevBuild::find(context.world, asked.plugin_dir, asked.build_dir));
  auto watch = internal::FileWatch::create();
  auto poller = internal::Poller::create();
  auto stop = internal::EventBell::create();
  if (!watch || !poller || !stop) {
    return failure(ExitCode::kFailed, !watch ? watch.error() : !poller ? poller.error() : stop.error());
  }
  const fs::path pipeline = asked.pipeline.empty() ? fs::path() : fs::absolute(asked.pipeline).lexically_normal();
  DevSources sources(build.sources(), build.directory(), pipeline, std::move(*watch));
  return Dev(context, asked, std::move(build), std::move(sources), std::move(*poller), std::move(*stop)).run();
}

}  // namespace tenon::cli
