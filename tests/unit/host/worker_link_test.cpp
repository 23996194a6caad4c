/// A link whose worker side is held by the test.
#include "host/worker_link.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "host/launcher.hpp"
#include "ipc/worker_end.hpp"
#include "platform/reactor/poller.hpp"
#include "tenon_test/catch.hpp"

using namespace tenon::internal;
using tenon::ErrorCode;

namespace {

class Handle final : public WorkerHandle {
 public:
  [[nodiscard]] std::int64_t pid() const noexcept override { return 0; }
  [[nodiscard]] const FileDescriptor& exit_handle() const noexcept override { return ended_.descriptor(); }
  [[nodiscard]] const FileDescriptor* error_stream() const noexcept override {
    return stream.valid() ? &stream : nullptr;
  }
  void kill() noexcept override {}
  [[nodiscard]] std::optional<ExitStatus> exit_status() noexcept override { return ExitStatus{}; }

  FileDescriptor stream;

 private:
  EventBell ended_ = std::move(*EventBell::create());
};

/// Keeps the worker's side of the channel.
class KeepingLauncher final : public Launcher {
 public:
  tenon::Result<std::unique_ptr<WorkerHandle>> launch(ControlChannel end, std::uint64_t) override {
    channel = std::move(end);
    return std::make_unique<Handle>();
  }
  ControlChannel channel;
};

struct Pair {
  Pair() {
    auto retired = std::make_shared<Retired>(std::move(*EventBell::create()));
    arguments = *ArgumentMemory::create({.arena_bytes = 1 << 20, .cache_bytes = 0}, retired);
    link = *WorkerLink::start(launcher, *arguments, 1, 0, {.result_arena_bytes = 1 << 20});
    auto greeting = *launcher.channel.receive();
    worker = std::make_unique<WorkerEnd>(
        std::move(*WorkerEnd::attach(std::move(greeting->descriptors[0]), std::move(greeting->descriptors[1]),
                                     EventBell(std::move(greeting->descriptors[4])))));
  }
  /// Returns whether the worker's bell has been rung since the last poll.
  bool rung() {
    AdaptiveSpin spin({.limit_ns = 0});
    return worker->wait(spin, monotonic_now_ns()) == WorkerWake::kRung;
  }
  std::uint64_t read_all() {
    std::uint64_t messages = 0;
    while (*launcher.channel.receive(0)) {
      ++messages;
    }
    return messages;
  }

  KeepingLauncher launcher;
  std::shared_ptr<ArgumentMemory> arguments;
  std::shared_ptr<WorkerLink> link;
  std::unique_ptr<WorkerEnd> worker;
};

}  // namespace

TEST_CASE("WorkerLink: the worker is rung for messages that had to wait for room in the channel") {
  Pair pair;
  const tenon::Result<RouteRef> unknown = tenon::fail(ErrorCode::kNotFound, std::string(4000, 'x'));
  std::uint64_t sent = 0;
  while (pair.link->outbox_empty()) {
    pair.link->send_resolved(++sent, unknown);
    REQUIRE(sent < 1'000'000);
  }
  pair.link->send_stop();
  CHECK(pair.link->outbox_size() == 2);
  CHECK(pair.rung());
  CHECK(pair.worker->messages() == sent - 1);
  CHECK(pair.read_all() == sent - 1);
  CHECK_FALSE(pair.rung());  // It sleeps: as far as it knows, it has no work left.

  pair.link->flush_outbox();
  CHECK(pair.link->outbox_empty());
  CHECK(pair.worker->messages() == sent + 1);
  CHECK(pair.rung());
  CHECK(pair.read_all() == 2);
  pair.link->flush_outbox();
  CHECK_FALSE(pair.rung());
}

TEST_CASE("WorkerLink: a worker that floods its standard error costs the host a bounded number of lines") {
  Pair pair;
  std::array<int, 2> ends{};
  REQUIRE(::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK) == 0);
  static_cast<Handle&>(*pair.link->handle).stream = FileDescriptor(ends[0]);
  const FileDescriptor writer(ends[1]);

  std::vector<LogLine> log;
  const std::string flood(32768, '\n');
  std::uint64_t written = 0;
  for (int round = 0; round < 10; ++round) {
    const ssize_t size = ::write(writer.get(), flood.data(), flood.size());
    REQUIRE(size > 0);
    written += static_cast<std::uint64_t>(size);
    REQUIRE(pair.link->read_output(OutputStream::kError, log) != OutputRead::kEnded);
  }
  std::uint64_t lines = 0;
  std::uint64_t dropped = 0;
  for (const LogLine& line : log) {
    lines += line.dropped == 0 ? 1 : 0;
    dropped += line.dropped;
  }
  CHECK(lines + dropped == written);
  CHECK(lines >= static_cast<std::uint64_t>(LogBudget::kLinesPerSecond));
  CHECK(dropped > 0);
}

TEST_CASE("WorkerLink: long lines are cut, and the last line needs no end") {
  Pair pair;
  std::array<int, 2> ends{};
  REQUIRE(::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK) == 0);
  static_cast<Handle&>(*pair.link->handle).stream = FileDescriptor(ends[0]);
  FileDescriptor writer(ends[1]);

  std::vector<LogLine> log;
  const std::string text = "one\n" + std::string(20'000, 'x') + "\n\nlast";
  REQUIRE(::write(writer.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size()));
  REQUIRE(pair.link->read_output(OutputStream::kError, log) != OutputRead::kEnded);
  writer = FileDescriptor();
  CHECK(pair.link->read_output(OutputStream::kError, log) == OutputRead::kEnded);
  std::string all;
  std::size_t longest = 0;
  for (const LogLine& line : log) {
    all += line.message + '|';
    longest = std::max(longest, line.message.size());
  }
  CHECK(longest <= 8192);
  CHECK(all.starts_with("one|xxx"));
  CHECK(all.ends_with("x||last|"));
  CHECK(std::count(all.begin(), all.end(), 'x') == 20'000);
}
