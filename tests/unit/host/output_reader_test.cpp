/// The reader of workers' streams, over pipes whose reads the test holds back.
#include "host/output_reader.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include "base/guarded.hpp"
#include "host/launcher.hpp"
#include "host/worker_link.hpp"
#include "tenon_test/catch.hpp"

using namespace tenon::internal;

namespace {

/// Holds back those who pass it while it is shut.
class Gate {
 public:
  void shut() { state_.lock()->shut = true; }
  void open() {
    state_.lock()->shut = false;
    changed_.notify_all();
  }
  void pass() {
    auto state = state_.lock();
    ++state->inside;
    changed_.notify_all();
    state.wait(changed_, [&] { return !state->shut; });
    --state->inside;
  }
  /// Waits until someone is held back; returns false after a minute.
  [[nodiscard]] bool await() {
    auto state = state_.lock();
    return state.wait_until(changed_, std::chrono::steady_clock::now() + std::chrono::minutes(1),
                            [&] { return state->inside > 0; });
  }

 private:
  struct State {
    bool shut = false;
    int inside = 0;
  };
  Guarded<State> state_;
  std::condition_variable changed_;
};

/// A worker whose stderr is a pipe behind a gate.
class GatedHandle final : public WorkerHandle {
 public:
  GatedHandle(FileDescriptor stream, Gate& gate, std::atomic<bool>& closed)
      : stream_(std::move(stream)), gate_(gate), closed_(closed) {}
  [[nodiscard]] std::int64_t pid() const noexcept override { return 0; }
  [[nodiscard]] const FileDescriptor& exit_handle() const noexcept override { return stream_; }
  [[nodiscard]] const FileDescriptor* error_stream() const noexcept override {
    gate_.pass();
    return stream_.valid() ? &stream_ : nullptr;
  }
  void close_error_stream() noexcept override {
    stream_.reset();
    closed_ = true;
  }
  void kill() noexcept override {}
  [[nodiscard]] std::optional<ExitStatus> exit_status() noexcept override { return ExitStatus{}; }

 private:
  FileDescriptor stream_;
  Gate& gate_;
  std::atomic<bool>& closed_;
};

struct GatedWorker {
  GatedWorker() {
    std::array<int, 2> ends{};
    REQUIRE(::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK) == 0);
    writer = FileDescriptor(ends[1]);
    static std::uint64_t last_id = 0;
    link->id = ++last_id;
    link->state = WorkerLink::State::kDead;
    link->handle = std::make_unique<GatedHandle>(FileDescriptor(ends[0]), gate, closed);
  }
  void write(std::string_view text) const {
    REQUIRE(::write(writer.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size()));
  }
  [[nodiscard]] std::string tail() const {
    tenon::ErrorContext context;
    link->describe_output(context);
    return context.stderr_tail;
  }
  /// Waits until the reader has closed its end; returns false after ten seconds.
  [[nodiscard]] bool await_close() const {
    for (int i = 0; i < 10'000 && !closed; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return closed;
  }

  Gate gate;
  std::atomic<bool> closed{false};
  FileDescriptor writer;
  std::shared_ptr<WorkerLink> link = std::make_shared<WorkerLink>();
};

}  // namespace

TEST_CASE("OutputReader: a read that is blocked does not cost another worker its last lines") {
  GatedWorker blocked;
  GatedWorker other;
  OutputReader reader({});
  blocked.gate.shut();
  reader.read(blocked.link, OutputStream::kError);
  REQUIRE(blocked.gate.await());
  other.write("last words\n");
  reader.finish(other.link);
  CHECK(other.await_close());
  CHECK(other.tail().find("last words") != std::string::npos);
  blocked.gate.open();
  reader.close();
}

TEST_CASE("OutputReader: the end of a stream waits for the thread that reads it") {
  GatedWorker worker;
  OutputReader reader({});
  worker.gate.shut();
  reader.read(worker.link, OutputStream::kError);
  REQUIRE(worker.gate.await());
  worker.write("last words\n");
  std::thread opener([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    worker.gate.open();
  });
  reader.finish(worker.link);
  opener.join();
  CHECK(worker.await_close());
  CHECK(worker.tail().find("last words") != std::string::npos);
  reader.close();
}
