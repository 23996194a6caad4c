// Workers that are replaced because of the calls they have run, and calls that have not started.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <fstream>
#include <iterator>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "driver.hpp"

#define FOR_EACH_LAUNCHER(name) TEMPLATE_TEST_CASE(name, "[conformance]", OnProcesses, OnThreads)

using namespace conformance;
using std::chrono::milliseconds;

namespace {

struct Seen {
  std::uint64_t worker = 0;
  std::uint64_t calls = 0;
};

Seen seen_by(const tenon::Result<tenon::Reply>& reply) {
  REQUIRE(reply);
  // Fields 1 and 2 of tasks.Worker; its generated header belongs to the plugin.
  const auto* const worker = flatbuffers::GetRoot<flatbuffers::Table>(reply->bytes().data());
  return {worker->GetField<std::uint64_t>(6, 0), worker->GetField<std::uint64_t>(8, 0)};
}

tenon::RuntimeOptions recycling(unsigned workers, std::uint64_t calls) {
  tenon::RuntimeOptions options = tenon::test::runtime_options(workers);
  options.recycle_after_calls = calls;
  return options;
}

/// Starts a call that runs until it is cancelled.
tenon::Future<tenon::Reply> occupy(tenon::Runtime& runtime) {
  auto running = runtime.submit("tenon.sleep", argument(runtime, "tenon.sleep", R"({"duration_ms": 600000})"));
  while (!running.started()) {
    std::this_thread::sleep_for(milliseconds(1));
  }
  return running;
}

}  // namespace

FOR_EACH_LAUNCHER("cancel_queued: what has not begun ends, what runs is left alone") {
  tenon::Runtime runtime = start<TestType>(1);
  const auto running = occupy(runtime);
  const auto queued = runtime.submit("tenon.whoami", view(empty_argument()));
  CHECK_FALSE(queued.started());
  CHECK(queued.cancel_queued());
  REQUIRE(queued.ready());
  CHECK(queued.get().error().code == tenon::ErrorCode::kCancelled);
  CHECK_FALSE(queued.cancel_queued());
  CHECK(queued.started());  // It has ended.

  CHECK_FALSE(running.cancel_queued());
  std::this_thread::sleep_for(milliseconds(50));
  CHECK_FALSE(running.ready());
  running.cancel();
  CHECK(running.get().error().code == tenon::ErrorCode::kCancelled);
}

FOR_EACH_LAUNCHER("cancel_queued: of many calls each either runs or is cancelled") {
  tenon::Runtime runtime = start<TestType>(2);
  std::vector<tenon::Future<tenon::Reply>> calls;
  for (int i = 0; i < 2000; ++i) {
    calls.push_back(runtime.submit("tenon.whoami", view(empty_argument())));
  }
  std::vector<bool> cancelled;
  for (auto call = calls.rbegin(); call != calls.rend(); ++call) {
    cancelled.push_back(call->cancel_queued());
  }
  std::reverse(cancelled.begin(), cancelled.end());
  for (std::size_t i = 0; i < calls.size(); ++i) {
    const auto end = calls[i].get();
    CHECK(end.has_value() == !cancelled[i]);
  }
}

FOR_EACH_LAUNCHER("shutdown: drain of what runs cancels what is queued and finishes the rest") {
  tenon::Runtime runtime = start<TestType>(1);
  const auto running = runtime.submit("tenon.sleep", argument(runtime, "tenon.sleep", R"({"duration_ms": 300})"));
  while (!running.started()) {
    std::this_thread::sleep_for(milliseconds(1));
  }
  std::vector<tenon::Future<tenon::Reply>> queued;
  for (int i = 0; i < 100; ++i) {
    queued.push_back(runtime.submit("tenon.whoami", view(empty_argument())));
  }
  runtime.shutdown(tenon::Shutdown::kDrainRunning);
  CHECK(running.get());
  for (const auto& call : queued) {
    REQUIRE(call.ready());
    CHECK(call.get().error().code == tenon::ErrorCode::kCancelled);
  }
}

FOR_EACH_LAUNCHER("recycling: a worker runs as many calls as it may, and no call is lost") {
  tenon::Runtime runtime = start<TestType>(recycling(2, 3));
  std::map<std::uint64_t, std::uint64_t> calls_of;
  for (int i = 0; i < 20; ++i) {  // The calls run one after another.
    const Seen seen = seen_by(runtime.call("tenon.whoami", view(empty_argument())));
    CHECK(seen.calls == ++calls_of[seen.worker]);
  }
  std::vector<tenon::Future<tenon::Reply>> many;
  for (int i = 0; i < 200; ++i) {
    many.push_back(runtime.submit("tenon.whoami", view(empty_argument())));
  }
  for (const auto& call : many) {
    ++calls_of[seen_by(call.get()).worker];
  }
  for (const auto& [worker, calls] : calls_of) {
    INFO("worker " << worker);
    CHECK(calls <= 3);
  }
  CHECK(calls_of.size() >= 220 / 3);
  CHECK(runtime.stats().crashed_workers == 0);
}

FOR_EACH_LAUNCHER("recycling: every item of a map runs once, in order") {
  tenon::Runtime runtime = start<TestType>(recycling(2, 500));
  const auto one = empty_argument();
  int left = 5000;
  auto stream = runtime.map("tenon.whoami", [&]() -> std::optional<tenon::BytesView> {
    return left-- > 0 ? std::optional<tenon::BytesView>(view(one)) : std::nullopt;
  });
  std::set<std::uint64_t> workers;
  std::uint64_t index = 0;
  while (auto item = stream.next()) {
    CHECK(item->index == index++);
    workers.insert(seen_by(item->reply).worker);
  }
  CHECK(index == 5000);
  CHECK(workers.size() > 2);
}

FOR_EACH_LAUNCHER("recycling: sessions move, and nothing of their streams is lost") {
  tenon::Runtime runtime = start<TestType>(recycling(2, 7));
  const auto numbers = argument(runtime, "tenon.numbers", R"({"count": 1000, "first": 1})");
  auto source = value(runtime.open("tenon.numbers", {.argument = numbers}).get());
  auto reduce = value(runtime.open("tenon.sum", {}).get());
  std::int64_t expected = 1;
  for (bool ended = false; !ended;) {
    auto batch = value(source.next(10).get());
    for (const tenon::Reply& each : batch.results) {
      REQUIRE(flatbuffers::GetRoot<tenon::Number>(each.bytes().data())->value() == expected++);
    }
    REQUIRE(reduce.feed(batch.results).get());
    ended = batch.ended;
  }
  CHECK(flatbuffers::GetRoot<tenon::Number>(value(reduce.finish().get()).bytes().data())->value() == 500'500);
}

TEMPLATE_TEST_CASE("recycling: a worker that uses more memory than it may keep is replaced after its call",
                   "[conformance]", OnProcesses) {
  tenon::RuntimeOptions options = tenon::test::runtime_options(1);
  options.recycle_above_bytes = std::uint64_t{64} << 20;
  tenon::Runtime runtime = start<TestType>(std::move(options));
  const Seen first = seen_by(runtime.call("tenon.whoami", view(empty_argument())));
  const auto large = argument(runtime, "tenon.allocate", R"({"size_bytes": 134217728, "hold_ms": 2500})");
  REQUIRE(runtime.call("tenon.allocate", large));  // The worker is not stopped for it.
  Seen now = first;
  for (int i = 0; i < 600 && now.worker == first.worker; ++i) {
    now = seen_by(runtime.call("tenon.whoami", view(empty_argument())));
    std::this_thread::sleep_for(milliseconds(10));
  }
  CHECK(now.worker != first.worker);
  CHECK(runtime.stats().crashed_workers == 0);
}

TEMPLATE_TEST_CASE("runtime: each worker has an index and the variables for it", "[conformance]", OnProcesses) {
  tenon::RuntimeOptions options = tenon::test::runtime_options(3);
  options.worker_environment = [](unsigned index) -> tenon::RuntimeOptions::WorkerEnvironment {
    return {{"TENON_TEST_DEVICE", "device-" + std::to_string(index)}};
  };
  auto runtime = tenon::Runtime::start(std::move(options));
  REQUIRE(runtime);
  std::set<std::string> indexes;
  for (const auto& worker : tenon::test::stats_of_all_workers(*runtime).workers) {
    std::ifstream file("/proc/" + std::to_string(worker.pid) + "/environ", std::ios::binary);
    const std::string environment{std::istreambuf_iterator<char>(file), {}};
    const std::string_view name("TENON_WORKER_INDEX=");
    const std::size_t at = environment.find(name);
    REQUIRE(at != std::string::npos);
    const std::string index = environment.substr(at + name.size(), environment.find('\0', at) - at - name.size());
    CHECK(environment.find("TENON_TEST_DEVICE=device-" + index) != std::string::npos);
    indexes.insert(index);
  }
  CHECK(indexes == std::set<std::string>{"0", "1", "2"});
}
