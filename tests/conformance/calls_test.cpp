#include <atomic>
#include <chrono>
#include <thread>

#include <tenon/plugin.h>

#include "driver.hpp"

using namespace conformance;
using namespace std::chrono_literals;
using tenon::ErrorCode;

#define FOR_EACH_LAUNCHER(name) TEMPLATE_TEST_CASE(name, "[conformance]", OnProcesses, OnThreads)

FOR_EACH_LAUNCHER("call: arguments and results of every size come back as they were") {
  auto runtime = start<TestType>(1);
  for (const std::size_t size : {0, 1, 100, 160, 161, 200, 4096, 65536, 65537, 1 << 20, 5'000'000}) {
    const auto argument = bytes_argument(size);
    const auto echoed = value(runtime.template call<tenon::Bytes>("tenon.echo", argument));
    const tenon::Buffer expected = bytes(size);
    REQUIRE(echoed->data() != nullptr);
    REQUIRE(tenon::Buffer(echoed->data()->begin(), echoed->data()->end()) == expected);
    REQUIRE(reinterpret_cast<std::uintptr_t>(echoed.reply().bytes().data()) % 16 == 0);
  }
}

FOR_EACH_LAUNCHER("call: a result built by the task comes back, small or large, in place or copied") {
  tenon::RuntimeOptions options = tenon::test::runtime_options(1);
  options.copy_results = GENERATE(false, true);
  auto runtime = start<TestType>(options);
  for (const std::size_t size : {1, 300, 70'000, 2'000'000}) {
    flatbuffers::FlatBufferBuilder inner;
    inner.Finish(tenon::CreateBytes(inner, inner.CreateVector(bytes(size))));
    const auto catalog_task = runtime.catalog().find_task("tenon.invoke");
    REQUIRE(catalog_task);
    // tenon.invoke copies the nested result into its own result.
    flatbuffers::FlatBufferBuilder outer;
    const auto task = outer.CreateString("tenon.echo");
    const auto nested = outer.CreateVector(inner.GetBufferPointer(), inner.GetSize());
    const auto table = outer.StartTable();
    outer.AddOffset(4, task);
    outer.AddOffset(6, nested);
    outer.Finish(flatbuffers::Offset<tenon::Bytes>(outer.EndTable(table)));
    const auto result = value(runtime.template call<tenon::Bytes>("tenon.invoke", outer));
    const tenon::Buffer got(result->data()->begin(), result->data()->end());
    REQUIRE(got == tenon::Buffer(inner.GetBufferPointer(), inner.GetBufferPointer() + inner.GetSize()));
    // Memory that belongs to the host needs no further copy for its reader.
    const bool copied = size < 65'536 || options.copy_results;
    REQUIRE((result.reply().bytes_in_place().data() == result.reply().bytes().data()) == copied);
    std::size_t items = 0;
    auto stream = runtime.map("tenon.invoke", [&]() -> std::optional<tenon::BytesView> {
      return items++ < 3 ? std::optional(view(outer)) : std::nullopt;
    });
    while (auto item = stream.next()) {
      REQUIRE(item->reply);
      REQUIRE((item->reply->bytes_in_place().data() == item->reply->bytes().data()) == copied);
    }
  }
}

FOR_EACH_LAUNCHER("call: a task that does not exist is refused with a suggestion") {
  auto runtime = start<TestType>(1);
  const auto reply = runtime.call("tenon.ecko", view(bytes_argument(1)));
  REQUIRE_FALSE(reply);
  REQUIRE(reply.error().code == ErrorCode::kNotFound);
  REQUIRE(reply.error().message.find("tenon.echo") != std::string::npos);
}

FOR_EACH_LAUNCHER("call: a streaming task, and params for a task without any, are refused") {
  auto runtime = start<TestType>(1);
  REQUIRE(runtime.call("tenon.numbers", view(empty_argument())).error().code == ErrorCode::kInvalidArgument);
  const auto params = empty_argument();
  const auto reply = runtime.call("tenon.echo", view(bytes_argument(1)), {.params = view(params)});
  REQUIRE(reply.error().code == ErrorCode::kInvalidArgument);
}

FOR_EACH_LAUNCHER("call: an argument that does not verify is an error of the call") {
  auto runtime = start<TestType>(1);
  const tenon::Buffer garbage(40, 0xab);
  const auto reply = runtime.call("tenon.echo", garbage);
  REQUIRE_FALSE(reply);
  REQUIRE(reply.error().context.task == "tenon.echo");
  REQUIRE(runtime.call("tenon.echo", view(bytes_argument(3))));
}

FOR_EACH_LAUNCHER("call: the task's own error arrives with code, message and context") {
  auto runtime = start<TestType>(1);
  const auto failing = params(runtime, "tenon.fail", R"({"code": 11, "message": "the disk is full"})");
  const auto reply = runtime.call("tenon.fail", view(empty_argument()), {.params = failing});
  REQUIRE_FALSE(reply);
  REQUIRE(reply.error().code == ErrorCode::kIo);
  REQUIRE(reply.error().message == "the disk is full");
  REQUIRE(reply.error().context.task == "tenon.fail");
  REQUIRE(reply.error().context.attempt == 1);
  REQUIRE(reply.error().context.call_id != 0);
}

FOR_EACH_LAUNCHER("call: an exception of the task is an error and the worker lives on") {
  auto runtime = start<TestType>(1);
  const auto throwing = params(runtime, "tenon.fail", R"({"mode": "throws", "message": "oops"})");
  const auto reply = runtime.call("tenon.fail", view(empty_argument()), {.params = throwing});
  REQUIRE_FALSE(reply);
  REQUIRE(reply.error().message.find("oops") != std::string::npos);
  REQUIRE(runtime.call("tenon.echo", view(bytes_argument(3))));
  REQUIRE(runtime.stats().crashed_workers == 0);
}

FOR_EACH_LAUNCHER("call: tasks nest to a depth of 100 and more with one worker") {
  auto runtime = start<TestType>(1);
  // Stack frames with a sanitizer are several times as large, but the stack is not.
  const int deepest = TENON_ABI_SANITIZER == TENON_SANITIZER_NONE ? 500 : 150;
  for (const int depth : {0, 1, 100, deepest}) {
    const auto nest = argument(runtime, "tenon.nest", "{\"depth\": " + std::to_string(depth) + "}");
    const auto reply = value(runtime.call("tenon.nest", nest));
    REQUIRE(value(tenon::test::result_to_json(runtime, "tenon.nest", reply)).find(std::to_string(depth)) !=
            std::string::npos);
  }
}

FOR_EACH_LAUNCHER("call: endless nesting ends with an error and the worker lives on") {
  auto runtime = start<TestType>(1);
  const auto nest = argument(runtime, "tenon.nest", R"({"depth": 4000000})");
  const auto reply = runtime.call("tenon.nest", nest);
  REQUIRE_FALSE(reply);
  INFO(reply.error().to_string());
  REQUIRE(reply.error().message.find("nested") != std::string::npos);
  REQUIRE(runtime.call("tenon.echo", view(bytes_argument(3))));
  REQUIRE(runtime.stats().crashed_workers == 0);
}

FOR_EACH_LAUNCHER("call: a nested call of an unknown task is an error of the outer one") {
  auto runtime = start<TestType>(1);
  const auto reply = tenon::test::call_json(runtime, "tenon.invoke", R"({"task": "tenon.nothing"})");
  REQUIRE_FALSE(reply);
  REQUIRE(reply.error().code == ErrorCode::kNotFound);
}

FOR_EACH_LAUNCHER("call: params that differ from call to call stay right, however many there are") {
  auto runtime = start<TestType>(2);
  for (int i = 0; i < 3000; ++i) {
    const std::string message = "number " + std::to_string(i);
    const auto failing = params(runtime, "tenon.fail", "{\"message\": \"" + message + "\"}");
    const auto reply = runtime.call("tenon.fail", view(empty_argument()), {.params = failing});
    REQUIRE_FALSE(reply);
    REQUIRE(reply.error().message == message);
  }
}

FOR_EACH_LAUNCHER("submit: thousands of calls from several threads all come back with their own result") {
  auto runtime = start<TestType>(2);
  constexpr int kThreads = 4;
  constexpr int kCalls = 1500;
  std::atomic<int> right{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      std::vector<tenon::Future<tenon::TypedReply<tenon::Bytes>>> futures;
      for (int i = 0; i < kCalls; ++i) {
        const auto argument = tenon::test::bytes_argument(std::to_string(t * kCalls + i));
        futures.push_back(runtime.template submit<tenon::Bytes>("tenon.echo", argument));
      }
      for (int i = 0; i < kCalls; ++i) {
        const auto reply = futures[static_cast<std::size_t>(i)].get();
        const std::string expected = std::to_string(t * kCalls + i);
        if (reply && (*reply)->data() != nullptr &&
            std::string((*reply)->data()->begin(), (*reply)->data()->end()) == expected) {
          ++right;
        }
      }
    });
  }
  for (auto& thread : threads) {
    thread.join();
  }
  REQUIRE(right == kThreads * kCalls);
  REQUIRE(runtime.stats().succeeded == kThreads * kCalls);
}

FOR_EACH_LAUNCHER("call: several threads that call at once share the workers") {
  auto runtime = start<TestType>(2);
  std::atomic<int> right{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 5; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 400; ++i) {
        const std::string text = std::to_string(t) + ":" + std::to_string(i);
        const auto reply = runtime.template call<tenon::Bytes>("tenon.echo", tenon::test::bytes_argument(text));
        if (reply && std::string((*reply)->data()->begin(), (*reply)->data()->end()) == text) {
          ++right;
        }
      }
    });
  }
  for (auto& thread : threads) {
    thread.join();
  }
  REQUIRE(right == 2000);
}

FOR_EACH_LAUNCHER("submit: an earlier result is an argument without a copy") {
  auto runtime = start<TestType>(2);
  const auto first = value(runtime.call("tenon.echo", view(bytes_argument(3'000'000))));
  const auto second = value(runtime.submit("tenon.echo", first).get());
  // The result of the echo is its argument: both replies are the same bytes.
  REQUIRE(second.bytes().data() == first.bytes().data());
  REQUIRE(second.bytes().size() == first.bytes().size());
  // A small reply, and a reply in a worker's result memory, can be passed on too.
  const auto small = value(runtime.call("tenon.echo", view(bytes_argument(5))));
  REQUIRE(value(runtime.submit("tenon.echo", small).get()).bytes().size() == small.bytes().size());
}

FOR_EACH_LAUNCHER("submit: a result outlives its runtime") {
  tenon::Reply reply;
  {
    auto runtime = start<TestType>(1);
    reply = value(runtime.call("tenon.echo", view(bytes_argument(2'000'000))));
  }
  REQUIRE(value(tenon::TypedReply<tenon::Bytes>::verify(reply))->data()->size() == 2'000'000);
}

FOR_EACH_LAUNCHER("priority: higher ones overtake, equal ones keep their order") {
  auto runtime = start<TestType>(1);
  const auto pause = argument(runtime, "tenon.sleep", R"({"duration_ms": 100})");
  const auto busy = runtime.submit("tenon.sleep", pause);
  std::vector<int> order;
  std::mutex mutex;
  std::vector<tenon::Future<void>> done;
  for (const int priority : {0, 0, 5, -1, 5}) {
    const int number = static_cast<int>(done.size());
    done.push_back(runtime.submit("tenon.echo", view(bytes_argument(1)), {.priority = priority})
                       .then([&, number](const tenon::Result<tenon::Reply>&) {
                         const std::lock_guard lock(mutex);
                         order.push_back(number);
                       }));
  }
  for (const auto& future : done) {
    future.wait();
  }
  REQUIRE(order == std::vector<int>{2, 4, 0, 1, 3});
  REQUIRE(busy.get());
}

FOR_EACH_LAUNCHER("affinity: calls of one key run on one worker") {
  auto runtime = start<TestType>(2);
  std::string worker;
  for (int i = 0; i < 50; ++i) {
    const auto reply = value(runtime.submit("tenon.whoami", view(empty_argument()), {.affinity_key = "left"}).get());
    const std::string json = value(tenon::test::result_to_json(runtime, "tenon.whoami", reply));
    const auto begin = json.find("worker_id");
    const std::string id = json.substr(begin, json.find(',', begin) - begin);
    if (worker.empty()) {
      worker = id;
    }
    REQUIRE(worker == id);
  }
}

FOR_EACH_LAUNCHER("cancel: what is queued goes, what runs is asked to stop") {
  auto runtime = start<TestType>(1);
  const auto pause = argument(runtime, "tenon.sleep", R"({"duration_ms": 60000})");
  const auto running = runtime.submit("tenon.sleep", pause);
  const auto queued = runtime.submit("tenon.echo", view(bytes_argument(1)));
  REQUIRE(queued.cancel());
  REQUIRE(queued.get().error().code == ErrorCode::kCancelled);
  // Lets the first call start; both outcomes below are also valid without the pause.
  std::this_thread::sleep_for(50ms);
  running.cancel();
  REQUIRE(running.get().error().code == ErrorCode::kCancelled);
  REQUIRE(runtime.call("tenon.echo", view(bytes_argument(1))));
  REQUIRE(runtime.stats().crashed_workers == 0);
}

FOR_EACH_LAUNCHER("cancel: never hits the next call") {
  auto runtime = start<TestType>(1);
  const auto pause = argument(runtime, "tenon.sleep", R"({"duration_ms": 3})");
  for (int i = 0; i < 60; ++i) {
    const auto first = runtime.submit("tenon.sleep", pause);
    const auto second = runtime.submit("tenon.sleep", pause);
    if (i % 3 != 0) {
      std::this_thread::sleep_for(std::chrono::milliseconds(i % 5));
    }
    first.cancel();
    REQUIRE(second.get());
    const auto outcome = first.get();
    REQUIRE((outcome || outcome.error().code == ErrorCode::kCancelled));
  }
}

FOR_EACH_LAUNCHER("deadline: a late call ends as such, queued or running") {
  auto runtime = start<TestType>(1);
  const auto pause = argument(runtime, "tenon.sleep", R"({"duration_ms": 60000})");
  REQUIRE(runtime.call("tenon.sleep", pause, {.timeout = 30ms}).error().code == ErrorCode::kDeadline);
  REQUIRE(runtime.call("tenon.sleep", pause, {.run_timeout = 30ms}).error().code == ErrorCode::kDeadline);
  const auto busy = runtime.submit("tenon.sleep", pause, {.timeout = 300ms});
  const auto waiting = runtime.submit("tenon.echo", view(bytes_argument(1)), {.queue_timeout = 20ms});
  const auto late = runtime.submit("tenon.echo", view(bytes_argument(1)), {.timeout = 20ms});
  REQUIRE(waiting.get().error().code == ErrorCode::kDeadline);
  REQUIRE(late.get().error().code == ErrorCode::kDeadline);
  REQUIRE(busy.get().error().code == ErrorCode::kDeadline);
  REQUIRE(runtime.call("tenon.echo", view(bytes_argument(1)), {.timeout = 10s, .queue_timeout = 10s}));
}

FOR_EACH_LAUNCHER("deadline: run_timeout counts from the begin, also behind another call") {
  auto runtime = start<TestType>(1);
  const auto pause = argument(runtime, "tenon.sleep", R"({"duration_ms": 150})");
  const auto first = runtime.submit("tenon.sleep", pause);
  const auto second = runtime.submit("tenon.echo", view(bytes_argument(1)), {.run_timeout = 100ms});
  REQUIRE(second.get());
  REQUIRE(first.get());
}

FOR_EACH_LAUNCHER("overflow: a full queue rejects or waits, as asked") {
  tenon::RuntimeOptions options = tenon::test::runtime_options(1);
  options.max_queued_calls = 2;
  options.overflow = tenon::Overflow::kReject;
  {
    auto runtime = start<TestType>(options);
    const auto pause = argument(runtime, "tenon.sleep", R"({"duration_ms": 200})");
    const auto first = runtime.submit("tenon.sleep", pause);
    const auto second = runtime.submit("tenon.sleep", pause);
    REQUIRE(runtime.submit("tenon.sleep", pause).get().error().code == ErrorCode::kRejected);
    REQUIRE(first.get());
    REQUIRE(second.get());
  }
  options.overflow = tenon::Overflow::kBlock;
  auto runtime = start<TestType>(options);
  const auto pause = argument(runtime, "tenon.sleep", R"({"duration_ms": 5})");
  std::vector<tenon::Future<tenon::Reply>> futures;
  for (int i = 0; i < 20; ++i) {
    futures.push_back(runtime.submit("tenon.sleep", pause));
    REQUIRE(runtime.stats().queued + runtime.stats().running <= 3);
  }
  for (const auto& future : futures) {
    REQUIRE(future.get());
  }
  const auto longer = argument(runtime, "tenon.sleep", R"({"duration_ms": 400})");
  const auto a = runtime.submit("tenon.sleep", longer);
  const auto b = runtime.submit("tenon.sleep", longer);
  REQUIRE(runtime.submit("tenon.sleep", longer, {.queue_timeout = 20ms}).get().error().code == ErrorCode::kDeadline);
}

FOR_EACH_LAUNCHER("map: ordered and unordered give each result once") {
  auto runtime = start<TestType>(2);
  for (const bool ordered : {true, false}) {
    constexpr std::uint64_t kCount = 2000;
    std::uint64_t given = 0;
    flatbuffers::FlatBufferBuilder builder;
    auto stream = runtime.map("tenon.echo",
                              [&]() -> std::optional<tenon::BytesView> {
                                if (given == kCount) {
                                  return std::nullopt;
                                }
                                builder = tenon::test::bytes_argument(std::to_string(given++));
                                return view(builder);
                              },
                              {.call = {}, .window = 32, .ordered = ordered});
    std::vector<bool> seen(kCount, false);
    std::uint64_t expected = 0;
    while (auto item = stream.next()) {
      REQUIRE(item->index < kCount);
      REQUIRE_FALSE(seen[item->index]);
      seen[item->index] = true;
      if (ordered) {
        REQUIRE(item->index == expected++);
      }
      const auto reply = value(tenon::TypedReply<tenon::Bytes>::verify(value(std::move(item->reply))));
      REQUIRE(std::string(reply->data()->begin(), reply->data()->end()) == std::to_string(item->index));
    }
    REQUIRE(std::count(seen.begin(), seen.end(), true) == kCount);
  }
}

FOR_EACH_LAUNCHER("map: a stream that is dropped early leaves nothing behind") {
  auto runtime = start<TestType>(1);
  const auto pause = argument(runtime, "tenon.sleep", R"({"duration_ms": 5})");
  {
    auto stream =
        runtime.map("tenon.sleep", [&]() -> std::optional<tenon::BytesView> { return tenon::BytesView(pause); },
                    {.call = {}, .window = 100, .ordered = true});
    REQUIRE(stream.next());
  }
  REQUIRE(runtime.call("tenon.echo", view(bytes_argument(1)), {.timeout = 30s}));
}

FOR_EACH_LAUNCHER("shutdown: drain finishes all, cancel and kill end the rest, and calls are then rejected") {
  const auto how = GENERATE(tenon::Shutdown::kDrain, tenon::Shutdown::kCancel, tenon::Shutdown::kKill);
  auto runtime = start<TestType>(2);
  const auto pause = argument(runtime, "tenon.sleep", R"({"duration_ms": 20})");
  std::vector<tenon::Future<tenon::Reply>> futures;
  for (int i = 0; i < 20; ++i) {
    futures.push_back(runtime.submit("tenon.sleep", pause));
  }
  runtime.shutdown(how);
  for (const auto& future : futures) {
    REQUIRE(future.ready());
    const auto outcome = future.get();
    if (how == tenon::Shutdown::kDrain) {
      REQUIRE(outcome);
    } else if (!outcome) {
      REQUIRE(outcome.error().code == ErrorCode::kCancelled);
    }
  }
  REQUIRE(runtime.call("tenon.echo", view(bytes_argument(1))).error().code == ErrorCode::kRejected);
  REQUIRE(runtime.submit("tenon.echo", view(bytes_argument(1))).get().error().code == ErrorCode::kRejected);
  runtime.shutdown();
  REQUIRE(runtime.stats().workers.empty());
}

FOR_EACH_LAUNCHER("runtime: several at once, and one after another") {
  auto first = start<TestType>(1);
  {
    auto second = start<TestType>(1);
    REQUIRE(second.call("tenon.echo", view(bytes_argument(10))));
    REQUIRE(first.call("tenon.echo", view(bytes_argument(10))));
  }
  REQUIRE(first.call("tenon.echo", view(bytes_argument(10))));
  first = start<TestType>(1);
  REQUIRE(first.call("tenon.echo", view(bytes_argument(10))));
}
