#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tenon_test/catch.hpp"
#include "tools/tenon/daemon_text.hpp"
#include "tools/tenon/describe.hpp"
#include "tools/tenon/log_lines.hpp"
#include "tools/tenon/progress.hpp"
#include "tools/tenon/run_report.hpp"
#include "tools/tenon/service_log.hpp"

using namespace tenon;       // NOLINT(google-build-using-namespace)
using namespace tenon::cli;  // NOLINT(google-build-using-namespace)

namespace {

LogRecord record(std::string message) {
  LogRecord made;
  made.level = LogLevel::kError;
  made.message = std::move(message);
  return made;
}

std::string failure_line(std::string item, std::string message) {
  RunReport report;
  report.failures.push_back({"thumbnail", std::move(item), Error{ErrorCode::kFailed, std::move(message), {}}});
  report.failure_count = 1;
  return failures_text(report, 10, false);
}

}  // namespace

TEST_CASE("LogLines: a line that comes again at once is counted") {
  std::string written;
  World world;
  world.write_error = [&written](std::string_view text) { written += text; };
  {
    StatusLine status(world, true);
    LogLines log(status, LogLevel::kWarning, false);
    const LogSink sink = log.sink();
    for (const char* message : {"full", "full", "full", "other", "full", "full"}) {
      sink(record(message));
    }
    CHECK(
        written ==
        "tenon: error: full\ntenon: the last message was repeated 2 times\ntenon: error: other\ntenon: error: full\n");
    written.clear();
  }
  CHECK(written == "tenon: the last message was repeated 1 time\n");
}

TEST_CASE("to_text: a line of nobody in particular has no blank name") {
  CHECK(to_text(record("full"), false) == "tenon: error: full\n");
  std::string written;
  World world;
  world.write_error = [&written](std::string_view text) { written += text; };
  world.variable = [](const std::string& name) {
    return name == "JOURNAL_STREAM" ? std::optional<std::string>("8:1") : std::nullopt;
  };
  ServiceLog(world, LogLevel::kInfo, ServiceLog::Format::kText).sink()(record("full"));
  CHECK(written == "<3>tenon: error: full\n");
  written.clear();
  ServiceLog(world, LogLevel::kInfo, ServiceLog::Format::kJson).sink()(record("full"));
  for (const char* const name : {"plugin", "task", "worker", "stream", "logger"}) {
    CHECK(written.find('"' + std::string(name) + '"') == std::string::npos);
  }
  serve::EventT event;
  event.kind = "quarantined";  // As wide as its column.
  event.message = "the directory is gone";
  CHECK(to_text(event).find("quarantined  the directory is gone\n") != std::string::npos);
}

TEST_CASE("failure_line: the first of a kind as in the final list, the others as counts") {
  FailureNotice notice{"thumbnail", ErrorCode::kFailed, 1, 1, "a.png", Error{ErrorCode::kFailed, "is empty", {}}};
  CHECK(tenon::cli::failure_line(notice, false) == failure_line("a.png", "is empty"));
  notice.count = 12;
  notice.total = 1200;
  CHECK(tenon::cli::failure_line(notice, false) ==
        "tenon: error: stage 'thumbnail': 12 more items have failed (failed), 1200 so far; the latest is item 'a.png': "
        "is empty\n");
}

TEST_CASE("failures_text: items that have been told are left out, and still counted") {
  RunReport report;
  for (const char* const item : {"a", "b", "c", "d"}) {
    report.failures.push_back({"thumbnail", item, Error{ErrorCode::kFailed, "is empty", {}}});
  }
  report.failure_count = 10;
  const auto told = [](const ItemFailure& failure) { return failure.item == "a" || failure.item == "c"; };
  CHECK(failures_text(report, 1, false, told) ==
        "tenon: error: thumbnail: b: is empty\ntenon: error: and 7 more; --json lists up to 1,000\n");
  report.failure_count = 4;
  CHECK(failures_text(report, 2, false, told) ==
        "tenon: error: thumbnail: b: is empty\ntenon: error: thumbnail: d: is empty\n");
}

TEST_CASE("failures_text: an item is named once") {
  CHECK(failure_line("pics/empty.png", "'pics/empty.png': is empty") ==
        "tenon: error: thumbnail: 'pics/empty.png': is empty\n");
  CHECK(failure_line("pics/empty.png", "is empty") == "tenon: error: thumbnail: pics/empty.png: is empty\n");
  CHECK(failure_line("a", "a task failed at b/a").find("thumbnail: a task") != std::string::npos);
  CHECK(failure_line("item 1", "item 12 was not there") == "tenon: error: thumbnail: item 1: item 12 was not there\n");
  CHECK(failure_line("a.png", "cannot read pics/a.png") == "tenon: error: thumbnail: a.png: cannot read pics/a.png\n");
}

TEST_CASE("failures_text: a crash names its task, and shows what the worker wrote last") {
  RunReport report;
  Error error{ErrorCode::kCrashed, "the worker ended with signal 11", {}};
  error.context.task = "image.thumbnail";
  for (int line = 0; line < 30; ++line) {
    error.context.stderr_tail += "line " + std::to_string(line) + '\n';
  }
  report.failures.push_back({"thumbnail", "a.png", error});
  report.failure_count = 1;
  const std::string text = failures_text(report, 10, false);
  INFO(text);
  CHECK(text.find("error: thumbnail: a.png: the worker ended with signal 11\n  task: image.thumbnail\n") !=
        std::string::npos);
  CHECK(text.find("    line 20\n") != std::string::npos);
  CHECK(text.find("    line 29\n") != std::string::npos);
  CHECK(text.find("    line 19\n") == std::string::npos);
}

TEST_CASE("LogLines: a line of a worker's output names the worker and the stream") {
  LogRecord made = record("hello");
  made.source = "stdout";
  made.worker_id = 3;
  CHECK(tenon::cli::to_text(made, false) == "tenon: error: worker 3, stdout: hello\n");
}

TEST_CASE("first_sentence: whole, on one line, and no more than it") {
  CHECK(first_sentence(" Gives the files\n of a tree. Links are left out.\n") == "Gives the files of a tree.");
  CHECK(first_sentence("Reads 1.5 bytes, e.g. two. Or more.") == "Reads 1.5 bytes, e.g. two.");
  CHECK(first_sentence("No stop\n\nanother paragraph") == "No stop");
  CHECK(first_sentence(" \n ").empty());
  CHECK(first_sentence("One.") == "One.");
}

TEST_CASE("interrupted_line: says what is waited for and how to end it") {
  RunReport report;
  StageReport stage;
  stage.kind = "map";
  stage.in_flight = 1000;
  stage.queued = 234;
  report.stages = {stage};
  CHECK(interrupted_line(report) == "interrupted: finishing 1,234 items in flight; Ctrl-C again stops at once");
  report.stages[0].queued = 0;
  report.stages[0].in_flight = 1;
  CHECK(interrupted_line(report) == "interrupted: finishing 1 item in flight; Ctrl-C again stops at once");
}

TEST_CASE("summary_text: a missing result is explained below its stage") {
  RunReport report;
  report.end = RunReport::End::kInterrupted;
  StageReport stage;
  stage.name = "total";
  stage.kind = "sink";
  stage.task = "tenon.sum";
  stage.items_in = 7;
  stage.dropped = 7;
  stage.note = "no result: the run was interrupted before its input ended";
  report.stages = {stage};
  CHECK(summary_text("sum", report) ==
        "sum: interrupted after 0.0 s\n"
        "  total  tenon.sum  7 in  0 out  7 dropped\n"
        "         no result: the run was interrupted before its input ended\n");
}
