/// Stray writes over memory that a worker shares with its host, followed by its death: no call that
/// must not run twice does.
#include <algorithm>
#include <atomic>
#include <cstring>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <tenon/control_generated.h>

#include "host/autopsy.hpp"
#include "host/launcher.hpp"
#include "host/runtime_access.hpp"
#include "ipc/arena.hpp"
#include "ipc/bulk.hpp"
#include "ipc/sealed_count.hpp"
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

/// Counts the runs of each call, by call id.
struct Ledger {
  explicit Ledger(std::size_t most_calls) : runs(most_calls) {}
  std::vector<std::atomic<int>> runs;
  std::atomic<int> deaths{0};
  void note_run(std::uint64_t call_id) {
    if (call_id < runs.size()) {
      ++runs[call_id];
    }
  }
};

/// A worker on a thread that runs calls correctly. Now and then a stray write hits the memory that
/// it shares with the host, and soon after it dies in the middle of a call.
class ScribblingHandle final : public WorkerHandle {
 public:
  ScribblingHandle(ControlChannel channel, EventBell ended, std::shared_ptr<Ledger> ledger, unsigned seed)
      : ledger_(std::move(ledger)),
        random_(seed),
        ended_(std::move(ended)),
        thread_([this, end = std::move(channel)]() mutable {
          serve(end);
          ++ledger_->deaths;
          ended_.ring();
        }) {}
  ~ScribblingHandle() override {
    killed_.store(true);
    thread_.join();
  }
  [[nodiscard]] std::int64_t pid() const noexcept override { return 0; }
  [[nodiscard]] const FileDescriptor& exit_handle() const noexcept override { return ended_.descriptor(); }
  [[nodiscard]] const FileDescriptor* error_stream() const noexcept override { return nullptr; }
  void kill() noexcept override { killed_.store(true); }
  [[nodiscard]] std::optional<ExitStatus> exit_status() noexcept override {
    ExitStatus status;
    status.signal = 11;
    return status;
  }

 private:
  std::uint64_t below(std::uint64_t end) { return random_() % end; }

  void scribble() {
    // Most writes hit the header, whose words the host uses for decisions.
    const std::uint64_t kind = below(10);
    const std::uint64_t begin = kind < 8 ? kLineBytes : sizeof(CompletionHeader);
    const std::uint64_t end = kind < 8 ? sizeof(CompletionHeader) : memory_->size_bytes();
    Mapping& where = kind == 9 ? *results_ : *memory_;
    const std::uint64_t offset = kind == 9 ? below(64) * 8 : begin + below((end - begin) / 8 - 1) * 8;
    std::uint64_t value = 0;
    switch (below(5)) {
      case 0:
        value = random_();
        break;
      case 1:
        break;
      case 2:
        value = ~value;
        break;
      case 3:
        std::memcpy(&value, where.data() + (offset >= 8 && below(2) == 0 ? offset - 8 : offset + 8), sizeof value);
        break;
      default:
        std::memcpy(&value, where.data() + offset, sizeof value);
        value += 1 + below(3);
        value -= 4 * below(2);
        break;
    }
    std::memcpy(where.writable_data() + offset, &value, sizeof value);
  }
  /// Called in the middle of a call or item; returns false if the worker dies there.
  bool goes_on() {
    ++calls_;
    if (calls_ > 8 && below(60) == 0) {
      scribble();
      const std::uint64_t more = below(4);
      for (std::uint64_t i = 0; i < more; ++i) {
        scribble();
      }
      left_ = below(2) == 0 ? 0 : below(20);
    }
    return left_ < 0 || left_-- > 0;
  }

  void serve(ControlChannel& channel) {
    auto hello = channel.receive();
    if (!hello || !*hello) {
      return;
    }
    const auto* greeting = flatbuffers::GetRoot<control::HostEnvelope>((*hello)->bytes.data())->message_as_Hello();
    auto& descriptors = (*hello)->descriptors;
    // The memory for the stray writes is mapped before the seal forbids it.
    auto memory = SharedMemory::adopt(std::move(*descriptors[1].duplicate()), {});
    memory_ = std::make_unique<Mapping>(std::move(*memory->map(Access::kReadWrite)));
    auto end =
        WorkerEnd::attach(std::move(descriptors[0]), std::move(descriptors[1]), EventBell(std::move(descriptors[4])));
    auto results = SharedMemory::adopt(std::move(descriptors[2]), {});
    results_ = std::make_unique<Mapping>(std::move(*results->map(Access::kReadWrite)));
    auto arena = Arena::over(*results, greeting->result_segment_id());
    if (!end || !arena) {
      return;
    }
    flatbuffers::FlatBufferBuilder builder;
    const auto ready = control::CreateReady(builder, kLayoutVersion, TENON_ABI_MAJOR, TENON_ABI_MINOR, 0);
    builder.Finish(control::CreateWorkerEnvelope(builder, control::WorkerMessage::Ready, ready.Union()));
    static_cast<void>(end->post(tenon::BytesView(builder.GetBufferPointer(), builder.GetSize())));
    AdaptiveSpin spin;
    while (!killed_.load()) {
      while (const auto released = end->pop_release()) {
        static_cast<void>(arena->free(*released));
      }
      auto submission = end->begin();
      if (!submission) {
        return;
      }
      if (!*submission) {
        end->ring();
        static_cast<void>(end->wait(spin, deadline_after(std::chrono::milliseconds(2))));
        continue;
      }
      end->publish();
      const SubmissionDescriptor& call = (*submission)->descriptor;
      if (call.kind == CallKind::kBulk) {
        if (!run_bulk(*end, *arena, call)) {
          return;
        }
      } else {
        ledger_->note_run(call.call_id);
        if (!goes_on()) {
          return;
        }
        static_cast<void>(end->finish(CompletionDescriptor{}));
      }
      end->publish();
    }
  }
  bool run_bulk(WorkerEnd& end, Arena& arena, const SubmissionDescriptor& call) {
    const auto answers = arena.allocate(std::uint64_t{call.max_results} * sizeof(BulkAnswer));
    if (!answers) {
      return false;
    }
    end.begin_bulk(*answers);
    std::uint32_t done = 0;
    for (; done < call.max_results && end.begin_item(done); ++done) {
      ledger_->note_run(call.call_id + done);
      if (!goes_on()) {
        return false;
      }
      const BulkAnswer answer{.flags = kBulkAnswerArgument};
      std::memcpy(answers->bytes.data() + done * sizeof answer, &answer, sizeof answer);
      end.finish_item(done);
    }
    const auto kept = arena.keep(*answers, answers->bytes.data(), std::uint64_t{call.max_results} * sizeof(BulkAnswer));
    CompletionDescriptor completion;
    completion.items_done = done;
    completion.payload = *kept;
    return end.finish(completion).has_value();
  }

  const std::shared_ptr<Ledger> ledger_;
  std::mt19937_64 random_;
  std::unique_ptr<Mapping> memory_;
  std::unique_ptr<Mapping> results_;
  std::uint64_t calls_ = 0;
  std::int64_t left_ = -1;  // Calls until it dies; negative if not yet decided.
  std::atomic<bool> killed_{false};
  EventBell ended_;
  std::thread thread_;
};

class ScribblingLauncher final : public Launcher {
 public:
  ScribblingLauncher(std::shared_ptr<Ledger> ledger, unsigned seed) : ledger_(std::move(ledger)), seed_(seed) {}
  tenon::Result<std::unique_ptr<WorkerHandle>> launch(ControlChannel channel, std::uint64_t worker_id) override {
    return std::make_unique<ScribblingHandle>(std::move(channel), std::move(*EventBell::create()), ledger_,
                                              seed_ + static_cast<unsigned>(worker_id));
  }

 private:
  const std::shared_ptr<Ledger> ledger_;
  const unsigned seed_;
};

tenon::Runtime start(const std::shared_ptr<Ledger>& ledger, unsigned workers, unsigned seed) {
  tenon::RuntimeOptions options = tenon::test::runtime_options(workers);
  options.plugin_dirs = {tenon::test::build_dir() / "plugins"};
  options.result_arena_bytes = std::uint64_t{1} << 20;
  options.stall_timeout = std::chrono::milliseconds(300);
  auto runtime = RuntimeAccess::start(std::move(options), std::make_unique<ScribblingLauncher>(ledger, seed));
  if (!runtime) {
    FAIL(runtime.error().to_string());
  }
  return std::move(*runtime);
}

struct Counts {
  int ok = 0;
  int crashed = 0;
  int other = 0;
  std::string first_other;
  void add(const tenon::Result<tenon::Reply>& reply) {
    ++(reply ? ok : reply.error().code == ErrorCode::kCrashed ? crashed : other);
    if (!reply && reply.error().code != ErrorCode::kCrashed && first_other.empty()) {
      first_other = reply.error().to_string();
    }
  }
};

int most_runs(const Ledger& ledger) {
  int most = 0;
  for (const auto& runs : ledger.runs) {
    most = std::max(most, runs.load());
  }
  return most;
}

}  // namespace

TEST_CASE("scribble: 25,000 futures and synchronous calls of a task that is not idempotent, none runs twice") {
  const unsigned seed = 1;
  const auto ledger = std::make_shared<Ledger>(200'000);
  auto runtime = start(ledger, 3, seed);
  const auto argument = empty_argument();
  Counts counts;
  std::thread caller([&] {
    for (int i = 0; i < 1000; ++i) {
      static_cast<void>(runtime.call("tenon.fail", argument));
    }
  });
  for (int round = 0; round < 240; ++round) {
    std::vector<tenon::Future<tenon::Reply>> futures;
    for (int i = 0; i < 100; ++i) {
      futures.push_back(runtime.submit("tenon.fail", argument));
    }
    for (const auto& future : futures) {
      counts.add(future.get());
    }
  }
  caller.join();
  CAPTURE(counts.ok, counts.crashed, counts.other, counts.first_other, ledger->deaths.load());
  CHECK(most_runs(*ledger) == 1);
  CHECK(counts.ok + counts.crashed + counts.other == 24'000);
  CHECK(counts.ok > 1000);
  CHECK(ledger->deaths > 20);
}

TEST_CASE("scribble: 25,000 items of bulk calls of a task that is not idempotent, none runs twice") {
  const unsigned seed = 2;
  const auto ledger = std::make_shared<Ledger>(200'000);
  auto runtime = start(ledger, 3, seed);
  const auto argument = empty_argument();
  std::uint64_t given = 0;
  auto stream = runtime.map("tenon.fail", [&]() -> std::optional<tenon::BytesView> {
    return given++ < 25'000 ? std::optional<tenon::BytesView>(argument) : std::nullopt;
  });
  Counts counts;
  while (auto item = stream.next()) {
    counts.add(item->reply);
  }
  CAPTURE(counts.ok, counts.crashed, counts.other, counts.first_other, ledger->deaths.load());
  CHECK(most_runs(*ledger) == 1);
  CHECK(counts.ok + counts.crashed + counts.other == 25'000);
  CHECK(counts.ok > 1000);
  CHECK(ledger->deaths > 20);
}

TEST_CASE("scribble: items of an idempotent task all run, and none is charged for another") {
  const unsigned seed = 3;
  const auto ledger = std::make_shared<Ledger>(200'000);
  auto runtime = start(ledger, 2, seed);
  const auto argument = empty_argument();
  std::uint64_t given = 0;
  auto stream = runtime.map("tenon.whoami",
                            [&]() -> std::optional<tenon::BytesView> {
                              return given++ < 10'000 ? std::optional<tenon::BytesView>(argument) : std::nullopt;
                            },
                            {.call = {.max_attempts = 20}});
  Counts counts;
  while (auto item = stream.next()) {
    counts.add(item->reply);
  }
  CAPTURE(counts.ok, counts.crashed, counts.other, counts.first_other, ledger->deaths.load());
  CHECK(counts.ok + counts.crashed + counts.other == 10'000);
  CHECK(counts.crashed == 0);
  CHECK(ledger->deaths > 20);
}

TEST_CASE("Autopsy: only what is proved not to have begun counts as not begun") {
  using Verdict = Autopsy::Verdict;
  auto end = HostEnd::create({.slot_count = 8, .in_process = true});
  REQUIRE(end);
  auto worker = WorkerEnd::attach_in_process(*end, std::move(*EventBell::create()));
  REQUIRE(worker);
  for (std::uint64_t id = 1; id <= 4; ++id) {
    REQUIRE(end->push({.call_id = id, .argument = {}, .checkpoint = {}}));
  }
  end->publish();
  CHECK(Autopsy(*end, 0, false, false).of(0) == Verdict::kNotBegun);
  REQUIRE(worker->begin().value());
  REQUIRE(worker->finish({}));
  REQUIRE(worker->begin().value());
  {
    const Autopsy autopsy(*end, 1, false, false);
    CHECK(autopsy.trusted());
    CHECK(autopsy.of(1) == Verdict::kRunning);
    CHECK(autopsy.of(2) == Verdict::kNotBegun);
    CHECK(autopsy.of(3) == Verdict::kNotBegun);
  }
  {
    // A completion is missing: more calls had started than the oldest one without a completion.
    const Autopsy autopsy(*end, 0, false, false);
    CHECK(autopsy.of(0) == Verdict::kUnknown);
    CHECK(autopsy.of(1) == Verdict::kRunning);
    CHECK(autopsy.of(2) == Verdict::kNotBegun);
  }
  {
    const Autopsy autopsy(*end, 1, true, false);  // The worker broke the protocol.
    CHECK_FALSE(autopsy.trusted());
    CHECK(autopsy.of(1) == Verdict::kRunning);
    CHECK(autopsy.of(2) == Verdict::kUnknown);
    CHECK_FALSE(autopsy.bulk_remains(1).intact);
  }
  {
    // The calls in front of it were returned before the worker reached them.
    const Autopsy autopsy(*end, 3, false, false);
    CHECK(autopsy.trusted());
    CHECK(autopsy.of(3) == Verdict::kNotBegun);
  }
  // Checks whether a call may run again.
  CHECK(Autopsy(*end, 1, false, true).repeatable(1));
  CHECK_FALSE(Autopsy(*end, 1, true, true).repeatable(1));
  CHECK(Autopsy(*end, 1, true, false).repeatable(1));
  worker->mark_unrepeatable();
  CHECK_FALSE(Autopsy(*end, 1, false, true).repeatable(1));
  CHECK(Autopsy(*end, 1, false, true).repeatable(2));
}
