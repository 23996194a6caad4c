#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/text.hpp"
#include "base/try.hpp"
#include "pipeline/plan.hpp"
#include "pipeline/plugin_dirs.hpp"
#include "pipeline/report_json.hpp"
#include "pipeline/run_test.hpp"
#include "pipeline/test_plan.hpp"
#include "platform/file.hpp"
#include "tools/tenon/command.hpp"
#include "tools/tenon/command_line.hpp"
#include "tools/tenon/json_output.hpp"
#include "tools/tenon/log_lines.hpp"
#include "tools/tenon/pipeline_file.hpp"
#include "tools/tenon/plugin_places.hpp"
#include "tools/tenon/progress.hpp"
#include "tools/tenon/staged_plugins.hpp"
#include "tools/tenon/test_report.hpp"

namespace tenon::cli {
namespace {

constexpr unsigned kMaxWorkers = 1024;

struct Arguments {
  std::vector<std::string> files;
  std::vector<std::string> only;
  std::vector<std::string> settings;
  std::vector<std::string> plugin_dirs;
  std::string junit;
  std::string store;
  LimitOptions limits;
  unsigned workers = 0;
  bool verbose = false;
};

void add_options(CommandLine& line, Arguments& arguments) {
  line.add("FILE", arguments.files, "Pipeline files, or files of tests beside them").required();
  line.add("--only", arguments.only, "Run the test with this name; may be given several times").type_name("NAME");
  line.add("--junit", arguments.junit, "Also write the results to this file, in the format of JUnit").type_name("FILE");
  line.add("--set", arguments.settings, "Change a value of the files: key=value, dotted key").type_name("KEY=VALUE");
  line.add("--workers", arguments.workers, "Worker processes; default: one per core")
      .type_name("N")
      .between(1, kMaxWorkers);
  line.add("--plugin-dir", arguments.plugin_dirs, "Search this directory for plugins first").type_name("DIR");
  add_limit_options(line, arguments.limits);
  line.add("--store", arguments.store,
           "The plugin store whose quarantine applies; default: $XDG_CACHE_HOME/tenon/store")
      .type_name("DIR");
  line.add_flag("--verbose", arguments.verbose, "Show all log lines, not only warnings and errors");
  line.footer(
      "A test puts items in at one stage and says what comes out at another. Tests are the [[tests]] of a pipeline\n"
      "file, or of NAME.test.toml beside NAME.toml. Only the stages in between run, in real workers; what they do,\n"
      "such as writing files, they also do in a test.\n\n"
      "exit codes: 0 all tests passed, 1 a test failed, 2 there is no such file or test, 78 a file has errors,\n"
      "130 interrupted.\n\n"
      "Example:\n  tenon test plugins/logs/failures.toml --junit results.xml");
}

/// A file whose tests run.
struct TestedPipeline {
  std::optional<Graph> graph;
  Catalog catalog;
  CatalogLimits limits;
};

class TestCommand {
 public:
  TestCommand(Context& context, const Arguments& asked, LoadOptions load)
      : context_(context), asked_(asked), load_(std::move(load)) {}

  Outcome<ExitCode> run() {
    std::optional<internal::NamedOutput> junit;
    if (!asked_.junit.empty()) {
      auto opened = internal::NamedOutput::open(asked_.junit);
      if (!opened) {
        return failure(ExitCode::kFailed, std::move(opened.error()));
      }
      junit = std::move(*opened);
      if (Result<void> removed = remove_old(asked_.junit); !removed) {
        return failure(ExitCode::kFailed, std::move(removed.error()));
      }
    }
    for (const std::string& file : asked_.files) {
      TENON_TRY(load_file(file));
      if (interrupted()) {
        return ExitCode::kInterrupted;
      }
    }
    TENON_TRY(check_names());
    for (std::size_t i = 0; i < pipelines_.size() && exit_ != ExitCode::kInterrupted; ++i) {
      if (interrupted()) {
        exit_ = ExitCode::kInterrupted;
      } else if (pipelines_[i].graph) {
        TENON_TRY(run_file(pipelines_[i], report_.files[i]));
      }
    }
    if (context_.json) {
      context_.output.write(dump(to_json(report_)));
    } else {
      context_.output.write(summary_text(report_));
    }
    if (junit) {
      const std::string text = junit_text(report_);
      Result<void> written = junit->write(BytesView(reinterpret_cast<const std::uint8_t*>(text.data()), text.size()));
      if (written) {
        written = junit->finish();
      }
      if (!written) {
        return failure(ExitCode::kFailed, std::move(written.error()));
      }
    }
    return exit_;
  }

 private:
  void worsen(ExitCode other) { exit_ = std::max(exit_, other); }

  [[nodiscard]] bool interrupted() const { return context_.world.interrupts->load(std::memory_order_relaxed) > 0; }

  /// Removes the report of an earlier run, which could be mistaken for that of this run if it ends
  /// early. Only regular files are removed.
  static Result<void> remove_old(const std::filesystem::path& report) {
    std::error_code failed;
    const std::filesystem::path file = std::filesystem::canonical(report, failed);
    if (failed || !std::filesystem::is_regular_file(file, failed)) {
      return {};
    }
    std::filesystem::remove(file, failed);
    if (failed) {
      return fail(os_error(failed.value(), "cannot remove the old " + internal::printable(report.string())));
    }
    return {};
  }

  Outcome<void> load_file(const std::string& file) {
    const TestedFile tested = tested_file(file);
    TENON_TRY(require_file(file));
    TENON_TRY(require_file(tested.pipeline));
    LoadOptions load = load_;
    load.test_file = tested.tests;
    TestedPipeline pipeline;
    TENON_ASSIGN(pipeline.limits, read_limits(asked_.limits));
    pipeline.limits.add_file(tested.pipeline, load);
    TENON_ASSIGN(pipeline.catalog, open_catalog(context_.world, asked_.plugin_dirs, pipeline.limits,
                                                internal::read_plugin_dirs(tested.pipeline, load)));
    CatalogOptions inspection;
    inspection.limits = pipeline.limits.usual;
    inspection.limits_of = pipeline.limits.of;
    TestFileReport report;
    report.file = file;
    pipeline.graph = Graph::load(tested.pipeline, without_quarantined(pipeline.catalog, asked_.store, inspection), load,
                                 report.diagnostics);
    if (!context_.json) {
      context_.world.write_error(report.diagnostics.to_text(context_.color_error));
    }
    report.loaded = pipeline.graph.has_value();
    if (!report.loaded) {
      worsen(ExitCode::kBadConfiguration);
    } else {
      report.pipeline = pipeline.graph->name();
    }
    pipelines_.push_back(std::move(pipeline));
    report_.files.push_back(std::move(report));
    return {};
  }

  [[nodiscard]] bool wanted(const internal::TestPlan& test) const {
    return asked_.only.empty() || std::find(asked_.only.begin(), asked_.only.end(), test.name) != asked_.only.end();
  }

  /// Errors: usage, if there is no such test, or no test at all. A file with errors may have it.
  [[nodiscard]] Outcome<void> check_names() const {
    std::vector<std::string> names;
    for (const TestedPipeline& pipeline : pipelines_) {
      if (!pipeline.graph) {
        return {};
      }
      for (const auto& test : pipeline.graph->impl().tests) {
        names.push_back(test->name);
      }
    }
    if (names.empty()) {
      return usage_failure("there are no tests in " + internal::printable(asked_.files.front()) +
                               (asked_.files.size() > 1 ? " and the other files" : ""),
                           "add [[tests]] to it, or write them to NAME.test.toml beside NAME.toml");
    }
    for (const std::string& name : asked_.only) {
      if (std::find(names.begin(), names.end(), name) == names.end()) {
        std::string hint = internal::did_you_mean(name, names, 1);
        return usage_failure("there is no test '" + internal::printable(name) + "'",
                             hint.empty() ? "the tests are " + list(names) : std::move(hint));
      }
    }
    return {};
  }

  static std::string list(const std::vector<std::string>& names) {
    constexpr std::size_t kMost = 10;
    std::string text;
    for (std::size_t i = 0; i < names.size() && i < kMost; ++i) {
      text += (i > 0 ? ", '" : "'") + internal::printable(names[i]) + "'";
    }
    return names.size() > kMost ? text + " and " + std::to_string(names.size() - kMost) + " more" : text;
  }

  Outcome<void> run_file(const TestedPipeline& pipeline, TestFileReport& report) {
    const Graph& graph = *pipeline.graph;
    std::vector<std::shared_ptr<const internal::TestPlan>> tests;
    std::copy_if(graph.impl().tests.begin(), graph.impl().tests.end(), std::back_inserter(tests),
                 [this](const auto& test) { return wanted(*test); });
    if (!context_.json) {
      context_.output.write(heading_text(report.file, tests.size()));
    }
    if (tests.empty()) {
      return {};
    }
    StatusLine status(context_.world, false);
    LogLines log(status, asked_.verbose ? LogLevel::kDebug : LogLevel::kWarning, context_.color_error);
    RuntimeOptions options;
    options.workers = asked_.workers;
    options.catalog = pipeline.catalog;
    pipeline.limits.set(options);
    options.plugin_settings = graph.plugin_settings();
    options.log = log.sink();
    auto runtime = Runtime::start(std::move(options));
    if (!runtime) {
      return failure(ExitCode::kBadConfiguration, std::move(runtime.error()));
    }
    TENON_TRY(check_plugins(graph, runtime->catalog()));
    for (const auto& test : tests) {
      if (interrupted()) {
        exit_ = ExitCode::kInterrupted;
        break;
      }
      internal::TestOutcome outcome = internal::run_test(*runtime, graph.impl(), *test, context_.world.interrupts);
      log.flush();
      if (outcome.interrupted) {
        exit_ = ExitCode::kInterrupted;
        break;
      }
      if (!outcome.problems.empty()) {
        worsen(ExitCode::kFailed);
      }
      report.tests.push_back({test->name, test->file, test->line, outcome.seconds, std::move(outcome.problems)});
      if (!context_.json) {
        context_.output.write(result_text(report.tests.back(), context_.color_output));
      }
    }
    // Not kKill: workers that stop close their sessions, which then remove their unfinished files.
    runtime->shutdown(Shutdown::kCancel);
    return {};
  }

  Context& context_;
  const Arguments& asked_;
  LoadOptions load_;
  std::vector<TestedPipeline> pipelines_;  ///< In the order of the files, as in `report_`.
  TestReport report_;
  ExitCode exit_ = ExitCode::kDone;
};

}  // namespace

Outcome<ExitCode> test_command(Context& context, const std::vector<std::string>& arguments) {
  CommandLine line("Runs the tests of pipelines.", "tenon test");
  Arguments asked;
  add_options(line, asked);
  if (auto proceed = line.parse(context, arguments); !proceed || !*proceed) {
    return proceed.map([](bool) { return ExitCode::kDone; });
  }
  LoadOptions load;
  TENON_ASSIGN(load.overrides, parse_overrides(asked.settings));
  load.streams = true;
  load.standard_streams = true;
  return TestCommand(context, asked, std::move(load)).run();
}

}  // namespace tenon::cli
