#include "pipeline/run_test.hpp"

#include <chrono>
#include <filesystem>
#include <memory>
#include <string>
#include <system_error>
#include <utility>

#include "base/try.hpp"
#include "pipeline/engine.hpp"
#include "pipeline/runtime_executor.hpp"
#include "pipeline/test_graph.hpp"
#include "platform/file.hpp"

namespace tenon::internal {
namespace {

namespace fs = std::filesystem;

/// The directory of a test's files, which ends with this object.
class TestDirectory {
 public:
  explicit TestDirectory(const TestPlan& test) : test_(test) {}
  TestDirectory(const TestDirectory&) = delete;
  TestDirectory& operator=(const TestDirectory&) = delete;
  ~TestDirectory() {
    if (made_) {
      std::error_code ignored;
      fs::remove_all(test_.directory, ignored);
    }
  }

  /// Errors: kIo and others, if a file cannot be written.
  Result<void> make() {
    if (test_.directory.empty()) {
      return {};
    }
    TENON_TRY(make_directory(test_.directory));
    made_ = true;
    for (const auto& [name, content] : test_.files) {
      const fs::path path = fs::path(test_.directory) / name;
      TENON_TRY(make_directory(path.parent_path()));
      if (content) {
        const BytesView bytes(reinterpret_cast<const std::uint8_t*>(content->data()), content->size());
        TENON_TRY(write_file(path, bytes, {.sync = false}));
      }
    }
    return {};
  }

 private:
  static Result<void> make_directory(const fs::path& path) {
    std::error_code failed;
    fs::create_directories(path, failed);
    if (failed) {
      return fail(os_error(failed.value(), "cannot make the directory " + path.string()));
    }
    return {};
  }

  const TestPlan& test_;
  bool made_ = false;
};

}  // namespace

TestOutcome run_test(Runtime& runtime, const Graph::Impl& graph, const TestPlan& test,
                     const std::atomic<int>* interrupts) {
  const auto started = std::chrono::steady_clock::now();
  TestOutcome outcome;
  TestDirectory directory(test);
  if (const Result<void> made = directory.make(); !made) {
    outcome.problems.push_back({{}, "its files cannot be written: " + made.error().message, {}});
    return outcome;
  }
  const TestGraph cut = make_test_graph(graph, test);
  bool timed_out = false;
  RunOptions options;
  options.give_up_after = 0;
  options.max_reported_failures = ItemCollector::kMostItems;
  options.control = std::make_shared<RunControl>();
  // The engine calls this ten times a second, also while nothing happens.
  options.on_progress = [&](const RunReport&) {
    outcome.interrupted = interrupts != nullptr && interrupts->load(std::memory_order_relaxed) > 0;
    timed_out = timed_out || std::chrono::steady_clock::now() - started >= test.timeout;
    if (outcome.interrupted || timed_out) {
      options.control->cancel();
    }
  };
  const std::unique_ptr<Executor> executor = make_runtime_executor(runtime);
  const RunReport report = Engine(cut.graph, *executor, options).run();
  const auto took = std::chrono::steady_clock::now() - started;
  outcome.seconds = std::chrono::duration<double>(took).count();
  if (report.end != RunReport::End::kInterrupted) {
    timed_out = false;  // It ended by itself.
    outcome.interrupted = false;
  }
  if (!outcome.interrupted) {
    outcome.problems = judge_test(test, graph.catalog, {&report, &cut.collectors, timed_out, took});
  }
  return outcome;
}

}  // namespace tenon::internal
