#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/try.hpp"
#include "pipeline/plan.hpp"
#include "pipeline/plugin_dirs.hpp"
#include "pipeline/quantity.hpp"
#include "tools/tenon/command.hpp"
#include "tools/tenon/command_line.hpp"
#include "tools/tenon/log_lines.hpp"
#include "tools/tenon/pipeline_file.hpp"
#include "tools/tenon/plugin_places.hpp"
#include "tools/tenon/progress.hpp"
#include "tools/tenon/python_plugins.hpp"
#include "tools/tenon/run_report.hpp"
#include "tools/tenon/staged_plugins.hpp"
#include "tools/tenon/swap_lines.hpp"

namespace tenon::cli {
namespace {

constexpr std::size_t kMaxFailuresShown = 20;
constexpr unsigned kMaxWorkers = 1024;

struct Arguments {
  std::string file;
  std::vector<std::string> settings;
  std::vector<std::string> plugin_dirs;
  std::string store;
  std::string drain_timeout;
  LimitOptions limits;
  unsigned workers = 0;
  std::optional<std::uint64_t> give_up_after;
  bool watch = false;
  bool quiet = false;
  bool verbose = false;
};

void add_options(CommandLine& line, Arguments& arguments) {
  line.add("FILE", arguments.file, "Pipeline file").required();
  line.add("--set", arguments.settings, "Change a value of the file: key=value, dotted key").type_name("KEY=VALUE");
  line.add("--workers", arguments.workers, "Worker processes; default: one per core")
      .type_name("N")
      .between(1, kMaxWorkers);
  line.add("--plugin-dir", arguments.plugin_dirs, "Search this directory for plugins first").type_name("DIR");
  add_limit_options(line, arguments.limits);
  const CommandLine::Option watch =
      line.add_flag("--watch", arguments.watch, "Swap plugins whose files change while the pipeline runs");
  line.add("--store", arguments.store,
           "With --watch: directory for copies of plugins; default: $XDG_CACHE_HOME/tenon/store")
      .type_name("DIR")
      .needs(watch);
  line.add("--drain-timeout", arguments.drain_timeout,
           "After a first Ctrl-C: how long items in flight may take before the run is cancelled, as in 30s; default: "
           "no limit")
      .type_name("TIME");
  line.add("--give-up-after", arguments.give_up_after,
           "End the run if the first N items of a stage have all failed, 0 for never; default: from the file")
      .type_name("N");
  line.add_flag("--quiet", arguments.quiet, "Show no progress and no summary, only failures");
  line.add_flag("--verbose", arguments.verbose, "Show all log lines, not only warnings and errors");
  line.footer(
      "A source with kind = \"stdin\" reads standard input, and a sink with kind = \"stdout\" writes standard output. "
      "When\n"
      "the reader of that goes away, as `head` does, the run ends without an error. Results of sinks that collect (a\n"
      "reduce as a sink) go to standard output as JSON, or to standard error if items go to standard output. The\n"
      "summary and the failures go to standard error: the first of each stage and kind at once, then counts every few\n"
      "seconds, also with --json. Ctrl-C lets items in flight finish; a reduce whose input is cut short by it gives "
      "no\n"
      "result. A second Ctrl-C stops the run at once.\n\n"
      "exit codes: 0 done, 1 some items failed, 2 usage error, 78 bad configuration, 130 interrupted. Values of\n"
      "--set become part of the file: a misspelt key in them is bad configuration (78), as in the file.\n\n"
      "Examples:\n  tenon run plugins/files/inventory.toml --set sources.tree.args.root=/usr/include\n"
      "  zcat access.log.gz | tenon run plugins/logs/errors.toml | jq .path");
}

/// Reports failing items while the run goes on. Not thread-safe.
class LiveFailures {
 public:
  LiveFailures(StatusLine& status, const Context& context) : status_(status), context_(context) {}

  void take(const FailureNotice& notice) {
    if (notice.total == 1) {
      status_.print(failure_line(notice, context_.color_error));
      told_[{notice.stage, notice.item}] = std::chrono::steady_clock::now();
      return;
    }
    // The last counts come at the end of the run, and then the list of items says more.
    counts_.push_back(notice);
  }
  /// Shows the counts so far. Call it from time to time until the run ends.
  void show_counts() {
    for (const FailureNotice& notice : counts_) {
      status_.print(failure_line(notice, context_.color_error));
    }
    counts_.clear();
  }
  /// Returns whether the item was shown by itself and so recently that it is still in view.
  [[nodiscard]] bool in_view(const ItemFailure& failure) const {
    const auto found = told_.find({failure.stage, failure.item});
    return found != told_.end() && std::chrono::steady_clock::now() - found->second < kInView;
  }

 private:
  static constexpr std::chrono::seconds kInView{10};

  StatusLine& status_;
  const Context& context_;
  std::vector<FailureNotice> counts_;
  /// When an item was shown, by stage and item; one for each stage and error code.
  std::map<std::pair<std::string, std::string>, std::chrono::steady_clock::time_point> told_;
};

}  // namespace

Outcome<ExitCode> run_command(Context& context, const std::vector<std::string>& arguments) {
  CommandLine line("Runs a pipeline.", "tenon run");
  Arguments asked;
  add_options(line, asked);
  if (auto proceed = line.parse(context, arguments); !proceed || !*proceed) {
    return proceed.map([](bool) { return ExitCode::kDone; });
  }
  TENON_ASSIGN(auto overrides, parse_overrides(asked.settings));
  std::optional<std::chrono::nanoseconds> drain_timeout;
  if (!asked.drain_timeout.empty()) {
    const auto parsed = internal::parse_duration(asked.drain_timeout);
    if (!parsed) {
      return usage_failure("--drain-timeout: " + parsed.error().message);
    }
    drain_timeout = *parsed;
  }
  TENON_TRY(require_file(asked.file));
  TENON_ASSIGN(auto limits, read_limits(asked.limits));
  LoadOptions load;
  load.overrides = std::move(overrides);
  load.streams = true;
  load.standard_streams = context.world.pipeline_input != nullptr && context.world.pipeline_output != nullptr;
  limits.add_file(asked.file, load);
  TENON_ASSIGN(const auto catalog,
               open_catalog(context.world, asked.plugin_dirs, limits, internal::read_plugin_dirs(asked.file, load)));
  CatalogOptions inspection;
  inspection.limits = limits.usual;
  inspection.limits_of = limits.of;
  HotSwapOptions hot_swap;
  hot_swap.store_dir = asked.store;
  hot_swap.watch = true;
  TENON_ASSIGN(const auto usable, asked.watch ? started_catalog(catalog, hot_swap, {}, inspection)
                                              : Outcome<StartedCatalog>(StartedCatalog{
                                                    without_quarantined(catalog, asked.store, inspection), {}}));
  Diagnostics diagnostics;
  const auto graph = Graph::load(asked.file, usable.catalog, load, diagnostics);
  if (!graph) {
    write_errors(context, diagnostics);
    const bool stopped = context.world.interrupts->load(std::memory_order_relaxed) > 0;
    return stopped ? ExitCode::kInterrupted : ExitCode::kBadConfiguration;
  }
  if (!asked.quiet) {
    context.world.write_error(diagnostics.to_text(context.color_error));  // Writes warnings.
  }
  if (context.world.interrupts->load(std::memory_order_relaxed) > 0) {
    return ExitCode::kInterrupted;
  }

  const bool reads_input = internal::has_rule<internal::InputRule>(graph->impl());
  const bool writes_output = internal::has_rule<internal::OutputRule>(graph->impl());
  if (reads_input && context.world.input_is_terminal && !asked.quiet) {
    context.world.write_error("tenon: reading from the terminal; Ctrl-D ends the input\n");
  }
  // The line would stand between lines of the output.
  StatusLine status(context.world, !asked.quiet && !(writes_output && context.world.output_is_terminal));
  LogLines log(status, asked.verbose ? LogLevel::kDebug : LogLevel::kWarning, context.color_error);
  RuntimeOptions options;
  options.workers = asked.workers;
  options.catalog = catalog;
  limits.set(options);
  options.plugin_settings = graph->plugin_settings();
  options.log = log.sink();
  if (asked.watch) {
    // A version with which the pipeline could not continue is refused.
    hot_swap.admit = [graph = *graph](const PluginInfo& candidate) { return graph.admits(candidate); };
    options.hot_swap = std::move(hot_swap);
    options.log = without_swap_lines(std::move(options.log));
  }
  auto runtime = Runtime::start(std::move(options));
  if (!runtime) {
    return failure(ExitCode::kBadConfiguration, std::move(runtime.error()));
  }
  TENON_TRY(check_plugins(*graph, runtime->catalog()));
  std::optional<SwapLines> swap_lines;
  std::optional<PythonSourceWatch> python_watch;
  if (asked.watch) {
    swap_lines.emplace(*runtime, catalog, status, asked.quiet);
    const auto places = plugin_places(context.world, asked.plugin_dirs, internal::read_plugin_dirs(asked.file, load));
    if (places) {
      python_watch.emplace(context.world, *places, [sink = log.sink()](LogLevel level, const std::string& text) {
        LogRecord record;
        record.level = level;
        record.message = text;
        sink(record);
      });
    }
  }

  RunOptions run_options;
  run_options.give_up_after = asked.give_up_after;
  LiveFailures failures(status, context);
  run_options.on_failure = [&failures](const FailureNotice& notice) { failures.take(notice); };
  run_options.stop = context.world.interrupts;
  run_options.input = context.world.pipeline_input;
  run_options.output = context.world.pipeline_output;
  run_options.control = std::make_shared<RunControl>();
  RunProgress progress(context.world, status, graph->name());
  const auto started = std::chrono::steady_clock::now();
  std::optional<std::chrono::steady_clock::time_point> drain_end;
  run_options.on_progress = [&](const RunReport& report) {
    const auto now = std::chrono::steady_clock::now();
    failures.show_counts();
    if (!asked.quiet) {
      progress.show(report, std::chrono::duration<double>(now - started).count());
    }
    if (drain_timeout && context.world.interrupts->load(std::memory_order_relaxed) > 0) {
      drain_end = drain_end.value_or(now + *drain_timeout);
      if (now >= *drain_end) {
        run_options.control->cancel();
      }
    }
  };
  const RunReport report = run_pipeline(*runtime, *graph, run_options);
  python_watch.reset();
  const std::vector<SwapEvent> swaps = swap_lines ? swap_lines->end() : std::vector<SwapEvent>();
  // Not kKill: workers that stop close their sessions, which then remove their unfinished files.
  runtime->shutdown(report.end == RunReport::End::kDone ? Shutdown::kDrain : Shutdown::kCancel);
  status.clear();
  log.flush();

  ExitCode exit = exit_code(report);
  // Standard output has the items of the pipeline and nothing else.
  const auto write_result = [&](const std::string& text) {
    if (writes_output) {
      context.world.write_error(text);
    } else {
      context.output.write(text);
    }
  };
  if (context.json) {
    write_result(report_json(report, runtime->catalog(), swaps, exit));
    return exit;
  }
  std::string problems = failures_text(report, kMaxFailuresShown, context.color_error,
                                       [&failures](const ItemFailure& failure) { return failures.in_view(failure); });
  const std::size_t before = problems.size();
  write_result(outputs_text(report, runtime->catalog(), problems));
  if (problems.size() > before && exit == ExitCode::kDone) {
    exit = ExitCode::kFailed;  // A result could not be written as JSON.
  }
  context.world.log(problems);
  if (!asked.quiet) {
    context.world.log(summary_text(graph->name(), report));
  }
  return exit;
}

}  // namespace tenon::cli
