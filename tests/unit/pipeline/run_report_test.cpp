#include <tenon/pipeline.hpp>

#include "fake_executor.hpp"
#include "tenon_test/catch.hpp"

namespace tenon::test {

TEST_CASE("RunReport: JSON of a run with failures and outputs") {
  RunReport report;
  report.end = RunReport::End::kFailed;
  report.seconds = 1.25;
  report.failure_count = 1;
  StageReport stage;
  stage.name = "digest";
  stage.task = "files.digest";
  stage.kind = "map";
  stage.items_in = 3;
  stage.items_out = 2;
  stage.failed = 1;
  stage.busy_seconds = 0.5;
  report.stages.push_back(stage);
  Error error;
  error.code = ErrorCode::kCrashed;
  error.message = "died with \"signal\"\n";
  error.context.signal = 11;
  error.context.stderr_tail = "oops";
  report.failures.push_back({"digest", "/tmp/\xff", error});
  report.error = Error{ErrorCode::kIo, "disk full", {}};
  report.outputs.emplace_back("sum", make_reply("12345"));
  CHECK(report.to_json() == R"({
  "end": "failed",
  "seconds": 1.25,
  "failure_count": 1,
  "stages": [
    {
      "name": "digest",
      "kind": "map",
      "task": "files.digest",
      "items_in": 3,
      "items_out": 2,
      "grouped": 0,
      "failed": 1,
      "retried": 0,
      "dropped": 0,
      "in_flight": 0,
      "queued": 0,
      "expected_items": 0,
      "ended": false,
      "busy_seconds": 0.5
    }
  ],
  "failures": [
    {
      "stage": "digest",
      "item": "/tmp/)"
                            "\xEF\xBF\xBD"
                            R"(",
      "error": {
        "code": "crashed",
        "message": "died with \"signal\"\n",
        "signal": 11,
        "stderr_tail": "oops"
      }
    }
  ],
  "outputs": [
    {
      "sink": "sum",
      "size_bytes": 5
    }
  ],
  "error": {
    "code": "io",
    "message": "disk full"
  }
}
)");
}

TEST_CASE("RunReport: JSON of an empty run") {
  CHECK(RunReport().to_json() == R"({
  "end": "done",
  "seconds": 0.0,
  "failure_count": 0,
  "stages": [],
  "failures": [],
  "outputs": []
}
)");
}

}  // namespace tenon::test
