/// A worker that changes its results after its reply; see `flicker` in steps/steps.cpp.
#include <algorithm>
#include <chrono>
#include <string>
#include <vector>

#include <tenon/types_generated.h>
#include <tenon/pipeline.hpp>
#include <tenon/schema.hpp>

#include "tenon_test/catch.hpp"
#include "tenon_test/runtime.hpp"

using namespace std::chrono_literals;

namespace tenon::test {
namespace {

Runtime start() {
  Result<Runtime> runtime = Runtime::start(runtime_options(1));
  INFO((runtime ? std::string() : runtime.error().to_string()));
  REQUIRE(runtime);
  return std::move(*runtime);
}

flatbuffers::FlatBufferBuilder number(std::int64_t value) {
  flatbuffers::FlatBufferBuilder builder;
  builder.Finish(CreateNumber(builder, value));
  return builder;
}

Reply flicker(Runtime& runtime, std::int64_t value) {
  const auto argument = number(value);
  Result<Reply> reply = runtime.call("steps.flicker", BytesView(argument.GetBufferPointer(), argument.GetSize()));
  INFO((reply ? std::string() : reply.error().to_string()));
  REQUIRE(reply);
  return std::move(*reply);
}

bool same(BytesView a, BytesView b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end());
}

}  // namespace

TEST_CASE("Reply: what the host reads of a result does not change after its first look, whatever the worker does") {
  Runtime runtime = start();
  const Reply reply = flicker(runtime, 1);
  const BytesView read = reply.bytes();
  REQUIRE(read.size() == reply.size_bytes());
  const std::vector<std::uint8_t> first(read.begin(), read.end());
  // The worker really changes it: the host sees a change in place within several periods of 20 us.
  const auto until = std::chrono::steady_clock::now() + 60s;
  bool changed = false;
  while (!changed && std::chrono::steady_clock::now() < until) {
    changed = !same(reply.bytes_in_place(), first);
  }
  CHECK(changed);
  CHECK(same(reply.bytes(), first));
  CHECK(reply.bytes().data() == read.data());
}

TEST_CASE("TypedReply: a verified result stays as it was verified") {
  Runtime runtime = start();
  int verified = 0;
  for (std::int64_t i = 0; i < 20; ++i) {
    const auto file = TypedReply<File>::verify(flicker(runtime, i));
    if (!file) {
      CHECK(file.error().code == ErrorCode::kCorrupt);
      continue;
    }
    ++verified;
    for (int look = 0; look < 20'000; ++look) {
      REQUIRE((*file)->data()->size() == 128 * 1024);
      REQUIRE((*file)->path()->size() < 100);
    }
  }
  CHECK(verified > 0);
}

TEST_CASE("Pipeline: a route over results that their worker changes ends its items, not the host") {
  Runtime runtime = start();
  Diagnostics diagnostics;
  std::optional<Graph> graph = Graph::parse(R"(
[sources.numbers]
task = "tenon.numbers"
args = { count = 300 }
[stages.flicker]
task = "steps.flicker"
inputs = ["numbers"]
[stages.by]
kind = "route"
inputs = ["flicker"]
field = "path"
cases = { seven = "n7" }
else = "drop"
[sinks.seven]
task = "tenon.discard"
inputs = ["by.seven"]
)",
                                            "test.toml", runtime.catalog(), {}, diagnostics);
  INFO(diagnostics.to_text());
  REQUIRE(graph);
  const RunReport report = run_pipeline(runtime, *graph);
  INFO(report.to_json());
  CHECK(report.end == RunReport::End::kDone);
  // Such a worker can also corrupt results of other calls.
  const StageReport& by = report.stages.at(2);
  CHECK(by.items_out + by.dropped + by.failed + report.stages.at(1).failed == 300);
}

TEST_CASE("Pipeline: conditions and projections over results that their worker changes fail items, not the host") {
  Runtime runtime = start();
  Diagnostics diagnostics;
  std::optional<Graph> graph = Graph::parse(R"(
[sources.numbers]
task = "tenon.numbers"
args = { count = 300 }
[stages.flicker]
task = "steps.flicker"
inputs = ["numbers"]
[stages.some]
kind = "filter"
inputs = ["flicker"]
where = { path = ["glob:n*[1-5]", "prefix:n2"], size_bytes = "> 0", not = { extension = "contains:x" } }
[stages.record]
kind = "project"
inputs = ["some"]
fields = ["path", "size_bytes", "kind", "extension"]
[sinks.end]
task = "tenon.discard"
inputs = ["record"]
)",
                                            "test.toml", runtime.catalog(), {}, diagnostics);
  INFO(diagnostics.to_text());
  REQUIRE(graph);
  const RunReport report = run_pipeline(runtime, *graph);
  INFO(report.to_json());
  CHECK(report.end == RunReport::End::kDone);
  const StageReport& some = report.stages.at(2);
  CHECK(some.items_out + some.dropped + some.failed + report.stages.at(1).failed == 300);
  const StageReport& record = report.stages.at(3);
  CHECK(record.items_out + record.failed == some.items_out);
}

TEST_CASE("Pipeline: a retried item tells its task which attempt it is, of one and the same call") {
  Runtime runtime = start();
  Diagnostics diagnostics;
  std::optional<Graph> graph = Graph::parse(R"(
[sources.numbers]
task = "tenon.numbers"
args = { count = 1 }
[sinks.attempt]
task = "steps.attempt"
inputs = ["numbers"]
retry = { attempts = 3, backoff = "1ms" }
)",
                                            "test.toml", runtime.catalog(), {}, diagnostics);
  INFO(diagnostics.to_text());
  REQUIRE(graph);
  const RunReport report = run_pipeline(runtime, *graph);
  INFO(report.to_json());
  REQUIRE(report.failures.size() == 1);
  const Error& error = report.failures[0].error;
  CHECK(error.message == "attempt 3 of call " + std::to_string(error.context.call_id));
  CHECK(error.context.attempt == 3);
}

}  // namespace tenon::test
