/// Workers that misbehave: the host kills them, reports their call, and keeps running.
#include <algorithm>
#include <atomic>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <tenon/control_generated.h>

#include <fcntl.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "host/bulk.hpp"
#include "host/launcher.hpp"
#include "host/runtime_access.hpp"
#include "ipc/worker_end.hpp"
#include "platform/reactor/poller.hpp"
#include "platform/shared_memory.hpp"
#include "runtimes.hpp"
#include "tenon_test/catch.hpp"
#include "tenon_test/runtime.hpp"

using namespace tenon::internal;
using tenon::ErrorCode;
using tenon::test::empty_argument;

namespace {

namespace control = tenon::control;

enum class Lie {
  kUnknownSegment,
  kBeyondSegment,
  kHugeOffset,
  kWrongStatus,
  kGarbageMessage,
  kReadyTwice,
  kLeavesWithoutAnswer,
  kNeverReady,
  kUnsealedResults,
  kNeverRings,
  kBlockingBell,
  kRunsLong,
};

/// A worker on a thread that completes the handshake correctly and then misbehaves.
class HostileHandle final : public WorkerHandle {
 public:
  HostileHandle(ControlChannel channel, EventBell ended, Lie lie)
      : ended_(std::move(ended)), thread_([this, lie, end = std::move(channel)]() mutable {
          serve(end, lie);
          ended_.ring();
        }) {}
  ~HostileHandle() override {
    killed_.store(true);
    thread_.join();
  }
  [[nodiscard]] std::int64_t pid() const noexcept override { return 0; }
  [[nodiscard]] const FileDescriptor& exit_handle() const noexcept override { return ended_.descriptor(); }
  [[nodiscard]] const FileDescriptor* error_stream() const noexcept override { return nullptr; }
  void kill() noexcept override { killed_.store(true); }
  [[nodiscard]] std::optional<ExitStatus> exit_status() noexcept override {
    ExitStatus status;
    status.signal = 9;
    return status;
  }

 private:
  static void say_ready(WorkerEnd& end) {
    flatbuffers::FlatBufferBuilder builder;
    const auto ready = control::CreateReady(builder, kLayoutVersion, TENON_ABI_MAJOR, TENON_ABI_MINOR, 0);
    builder.Finish(control::CreateWorkerEnvelope(builder, control::WorkerMessage::Ready, ready.Union()));
    static_cast<void>(end.post(tenon::BytesView(builder.GetBufferPointer(), builder.GetSize())));
  }
  void serve(ControlChannel& channel, Lie lie) {
    auto hello = channel.receive();
    if (!hello || !*hello) {
      return;
    }
    auto& descriptors = (*hello)->descriptors;
    const int bell = descriptors[4].get();
    auto end =
        WorkerEnd::attach(std::move(descriptors[0]), std::move(descriptors[1]), EventBell(std::move(descriptors[4])));
    if (!end || lie == Lie::kNeverReady) {
      return;
    }
    if (lie != Lie::kUnsealedResults) {
      const auto results = SharedMemory::adopt(std::move(descriptors[2]), {.shrink = true});
      if (!results || !results->seal({.future_write = true})) {
        return;
      }
    }
    say_ready(*end);
    AdaptiveSpin spin;
    while (!killed_.load()) {
      auto submission = end->begin();
      if (!submission) {
        return;
      }
      if (!*submission) {
        static_cast<void>(end->wait(spin, deadline_after(std::chrono::milliseconds(5))));
        continue;
      }
      CompletionDescriptor completion;
      switch (lie) {
        case Lie::kUnknownSegment:
          completion.payload = {77, 0, 0, 64};
          break;
        case Lie::kBeyondSegment:
          completion.payload = {1, 0, std::uint64_t{1} << 40, 64};
          break;
        case Lie::kHugeOffset:
          completion.payload = {2, 0, ~std::uint64_t{15}, ~std::uint64_t{0}};
          break;
        case Lie::kWrongStatus:
          completion.status = 12345;
          break;
        case Lie::kGarbageMessage:
          static_cast<void>(end->post(tenon::Buffer(100, 0xee)));
          continue;
        case Lie::kNeverRings: {
          // The number of the bell now names another descriptor.
          const int other = ::eventfd(0, EFD_NONBLOCK);
          ::fcntl(other, F_SETSIG, ::fcntl(bell, F_GETSIG));
          ::dup2(other, bell);
          ::close(other);
          break;
        }
        case Lie::kBlockingBell: {
          // The flags belong to the open file, which the host shares: its reads and writes would
          // block.
          ::fcntl(bell, F_SETFL, ::fcntl(bell, F_GETFL) & ~O_NONBLOCK);
          std::uint64_t rings = 1;
          static_cast<void>(!::write(bell, &rings, sizeof rings));
          static_cast<void>(!::read(bell, &rings, sizeof rings));
          break;
        }
        case Lie::kReadyTwice:
          say_ready(*end);
          continue;
        case Lie::kRunsLong:
          completion.status = TENON_DEADLINE;
          completion.run_ns = 70'000'000'000;
          break;
        default:
          return;
      }
      static_cast<void>(end->finish(completion));
      end->publish();
    }
  }

  std::atomic<bool> killed_{false};
  EventBell ended_;
  std::thread thread_;
};

/// The first worker misbehaves; the others are real.
class HostileLauncher final : public Launcher {
 public:
  explicit HostileLauncher(Lie lie) : lie_(lie) {}
  tenon::Result<std::unique_ptr<WorkerHandle>> launch(ControlChannel channel, std::uint64_t worker_id) override {
    if (lied_) {
      return real_->launch(std::move(channel), worker_id);
    }
    lied_ = true;
    return std::make_unique<HostileHandle>(std::move(channel), std::move(*EventBell::create()), lie_);
  }

 private:
  Lie lie_;
  bool lied_ = false;
  std::unique_ptr<Launcher> real_ = make_process_launcher(tenon::test::build_dir() / "bin" / "tenon-worker");
};

tenon::Result<tenon::Runtime> start(Lie lie) {
  tenon::RuntimeOptions options = tenon::test::runtime_options(1);
  options.plugin_dirs = {tenon::test::build_dir() / "plugins"};
  options.cancel_grace = std::chrono::milliseconds(200);
  return RuntimeAccess::start(std::move(options), std::make_unique<HostileLauncher>(lie));
}

}  // namespace

TEST_CASE("hostile worker: is ended, its call fails, the host goes on with another") {
  const Lie lie = GENERATE(Lie::kUnknownSegment, Lie::kBeyondSegment, Lie::kHugeOffset, Lie::kWrongStatus,
                           Lie::kGarbageMessage, Lie::kReadyTwice, Lie::kLeavesWithoutAnswer);
  const bool direct = GENERATE(false, true);
  CAPTURE(static_cast<int>(lie), direct);
  auto runtime = start(lie);
  REQUIRE(runtime);
  const tenon::Buffer argument = empty_argument();
  // tenon.fail is not idempotent, so the call ends with the error of the misbehaving worker.
  const auto reply = direct ? runtime->call("tenon.fail", argument) : runtime->submit("tenon.fail", argument).get();
  REQUIRE_FALSE(reply);
  CAPTURE(reply.error().to_string());
  REQUIRE(reply.error().code == ErrorCode::kCrashed);
  REQUIRE(runtime->call("tenon.whoami", argument));
}

TEST_CASE("hostile worker: an idempotent call with an invalid answer runs again in another worker") {
  const Lie lie = GENERATE(Lie::kUnknownSegment, Lie::kBeyondSegment, Lie::kHugeOffset, Lie::kWrongStatus);
  const bool direct = GENERATE(false, true);
  CAPTURE(static_cast<int>(lie), direct);
  auto runtime = start(lie);
  REQUIRE(runtime);
  const tenon::Buffer argument = empty_argument();
  const auto reply = direct ? runtime->call("tenon.whoami", argument) : runtime->submit("tenon.whoami", argument).get();
  CHECK(reply);
  CHECK(runtime->stats().crashed_workers == 1);
}

TEST_CASE("hostile worker: an invalid answer to a bulk call costs no idempotent item") {
  const Lie lie = GENERATE(Lie::kUnknownSegment, Lie::kWrongStatus);
  auto runtime = start(lie);
  REQUIRE(runtime);
  constexpr std::uint64_t kCount = 300;
  std::uint64_t given = 0;
  flatbuffers::FlatBufferBuilder argument;
  auto stream = runtime->map("tenon.echo", [&]() -> std::optional<tenon::BytesView> {
    if (given == kCount) {
      return std::nullopt;
    }
    argument = tenon::test::bytes_argument(std::to_string(given++));
    return tenon::BytesView(argument.GetBufferPointer(), argument.GetSize());
  });
  std::vector<int> ends(kCount, 0);
  while (const auto item = stream.next()) {
    REQUIRE(item->index < kCount);
    ++ends[item->index];
    CHECK(item->reply);
  }
  CHECK(std::count(ends.begin(), ends.end(), 1) == kCount);
  CHECK(runtime->stats().crashed_workers >= 1);
}

TEST_CASE("hostile worker: one that never says that it is ready, or leaves its results unsealed, is replaced") {
  auto runtime = start(GENERATE(Lie::kNeverReady, Lie::kUnsealedResults));
  REQUIRE(runtime);
  flatbuffers::FlatBufferBuilder builder;
  builder.Finish(tenon::CreateEmpty(builder));
  REQUIRE(runtime->call("tenon.whoami", tenon::BytesView(builder.GetBufferPointer(), builder.GetSize())));
}

TEST_CASE("hostile worker: the bell's flags are its own, and the host waits for nothing there") {
  auto runtime = start(Lie::kBlockingBell);
  REQUIRE(runtime);
  const tenon::Buffer argument = empty_argument();
  for (int round = 0; round < 50; ++round) {
    std::vector<tenon::Future<tenon::Reply>> calls;
    for (int i = 0; i < 20; ++i) {
      calls.push_back(runtime->submit("tenon.whoami", argument));
    }
    for (const auto& call : calls) {
      // Any outcome is accepted: results of this worker cannot be trusted.
      REQUIRE(call.wait_for(std::chrono::seconds(60)));
    }
  }
  runtime->shutdown(tenon::Shutdown::kKill);
}

TEST_CASE("hostile worker: one that answers without ringing loses no answer and is replaced") {
  auto runtime = start(Lie::kNeverRings);
  REQUIRE(runtime);
  const tenon::Buffer argument = empty_argument();
  int ended = 0;
  while (runtime->stats().crashed_workers == 0) {
    std::atomic<bool> done{false};
    // No thread waits in get(), which would poll for the completion.
    auto call = runtime->submit("tenon.whoami", argument).then([&done](const tenon::Result<tenon::Reply>&) {
      done.store(true);
    });
    for (int i = 0; i < 6000 && !done.load(); ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    REQUIRE(done.load());
    REQUIRE(++ended < 1000);
  }
  REQUIRE(runtime->call("tenon.whoami", argument));
}

TEST_CASE("deadline: the limit is named when the task notices first and the host took the call for waiting") {
  auto runtime = start(Lie::kRunsLong);
  REQUIRE(runtime);
  const auto message = [&](const tenon::CallOptions& limits) {
    return runtime->submit("tenon.fail", empty_argument(), limits).get().error().message;
  };
  CHECK(message({.run_timeout = std::chrono::seconds(60)}) == "the call passed its run_timeout of 60 s");
  // Shorter than the limit, or without one: the task's own deadline, about which the host knows nothing.
  CHECK(message({.run_timeout = std::chrono::seconds(80)}).find("run_timeout") == std::string::npos);
  CHECK(message({}).find("run_timeout") == std::string::npos);
}

TEST_CASE("BulkAnswers: copies what the new entries name, and no block of a worker's choice") {
  const auto work = make_shared_object<BulkWork>(nullptr, nullptr, StoredBytes{}, 4u, 1u, 0u);
  constexpr std::size_t kSize = std::size_t{500} << 20;
  // This is only address space: pages that are never touched use no memory.
  const auto memory = SharedMemory::create("answers", kSize);
  REQUIRE(memory);
  auto mapping = memory->map(Access::kReadWrite);
  REQUIRE(mapping);
  auto* entries = reinterpret_cast<BulkAnswer*>(mapping->writable_data());
  const tenon::BytesView block(mapping->data(), kSize);
  const auto copy = [&](std::uint32_t first, std::uint32_t end) {
    return BulkAnswers::copy(block, first, end, *work, nullptr, [](const BlockRef&) -> tenon::Result<StoredBytes> {
      return tenon::fail(ErrorCode::kCorrupt, "no reference");
    });
  };
  entries[0] = {.offset_bytes = 64, .size_bytes = 3};
  entries[1] = {.offset_bytes = 80, .size_bytes = 5};
  entries[2] = {};
  entries[3] = {.offset_bytes = 96, .size_bytes = 4, .status = TENON_FAILED};
  std::memcpy(mapping->writable_data() + 64, "one", 3);
  std::memcpy(mapping->writable_data() + 80, "three", 5);
  std::memcpy(mapping->writable_data() + 96, "four", 4);
  const auto text = [&](const BulkAnswers& answers, std::uint32_t index) {
    const auto reply = answers.get(index, *work, index);
    return reply ? std::string(reply->bytes().begin(), reply->bytes().end()) : reply.error().message;
  };
  {
    const auto all = copy(0, 4);
    REQUIRE(all);
    CHECK(text(**all, 0) == "one");
    CHECK(text(**all, 1) == "three");
    CHECK(text(**all, 2).empty());
    CHECK(text(**all, 3) == "four");
  }
  {
    const auto later = copy(1, 4);
    REQUIRE(later);
    CHECK((*later)->ok(1));
    CHECK_FALSE((*later)->ok(3));
    CHECK(text(**later, 1) == "three");
    CHECK(text(**later, 3) == "four");
  }
  entries[3] = {.offset_bytes = std::uint32_t{400} << 20, .size_bytes = std::uint32_t{100} << 20};
  CHECK(copy(3, 4).error().code == ErrorCode::kCorrupt);
  entries[3] = {.offset_bytes = std::uint32_t{400} << 20, .size_bytes = 16};
  // The range covers everything between two results.
  CHECK(copy(0, 4).error().code == ErrorCode::kCorrupt);
  CHECK(copy(3, 4));
}
