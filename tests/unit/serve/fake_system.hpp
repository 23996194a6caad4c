/// A system without workers, and a server over it, for tests of the daemon's loop.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/guarded.hpp"
#include "serve/client.hpp"
#include "serve/server.hpp"
#include "tenon_test/catch.hpp"
#include "tenon_test/temporary_directory.hpp"

namespace tenon::test {

using internal::MonotonicNs;

inline MonotonicNs soon() {
  return internal::deadline_after(std::chrono::seconds(60));
}

/// Waits until `condition` holds; returns false after a minute.
template <typename Condition>
bool eventually(Condition condition) {
  const MonotonicNs deadline = soon();
  while (!condition()) {
    if (internal::monotonic_now_ns() > deadline) {
      return false;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

/// A call of the fake system.
class FakeCall final : public internal::TypedState<internal::ServedReply> {
 public:
  explicit FakeCall(ErrorCode outcome) : outcome_(outcome) {}
  bool cancel() noexcept override {
    cancelled = true;
    return complete(fail(outcome_, "cancelled"));
  }
  std::atomic<bool> cancelled{false};

 private:
  const ErrorCode outcome_;
};

/// Tasks: "fake.echo" returns its argument; "fake.wait" waits until it is cancelled; "fake.big"
/// returns as many bytes as its argument says in text; "fake.crash" waits until it is cancelled and then
/// crashes; "fake.numbers" is a source of 1, 2, 3 and so
/// on; others are not found.
class FakeSystem final : public internal::ServedSystem {
 public:
  void fill_status(serve::StatusT& status) override;
  Result<serve::TaskSchemaT> task_schema(const std::string& task) override;
  Future<internal::ServedReply> call(const internal::ServedCall& call) override;
  Future<std::shared_ptr<internal::ServedSession>> open(const internal::ServedCall& call) override;
  Result<serve::SwappedT> swap(const serve::SwapT& request) override;
  Result<serve::SwappedT> rollback(const serve::RollbackT& request) override;
  Result<serve::GenerationsT> generations() override { return serve::GenerationsT(); }
  serve::EventsT events_since(std::uint64_t number) override;
  void set_listeners(Listeners listeners) override { listeners_.set(std::move(listeners)); }
  Result<serve::ReloadedT> reload() override;
  Result<serve::PipelinesT> pause(const std::string& pipeline) override;
  Result<serve::PipelinesT> resume(const std::string& pipeline) override { return pause(pipeline); }
  Future<serve::PipelinesT> drain(const std::string& pipeline) override;
  void stop_pipelines(bool now) override;
  /// Becomes true only after the end has been reported, which is as late as in a real system.
  bool pipelines_ended() override;

  /// Adds an event and notifies the listeners.
  void add_event(const std::string& message);

  std::atomic<bool> tells_end{false};
  std::atomic<int> waiting_calls{0};
  std::atomic<int> cancelled_calls{0};
  std::atomic<int> open_sessions{0};
  std::atomic<int> swaps{0};
  std::atomic<bool> hold_swaps{false};
  std::atomic<int> reloads{0};
  std::atomic<bool> ended{true};   ///< The pipelines have ended.
  std::atomic<bool> drains{true};  ///< Whether a drain ends the pipelines.
  std::atomic<bool> stopped{false};
  std::atomic<bool> stopped_now{false};

 private:
  internal::Guarded<Listeners> listeners_;
  internal::Guarded<std::vector<serve::EventT>> events_;
  internal::Guarded<std::vector<internal::Shared<FakeCall>>> calls_;
};

/// A server that runs over a fake system during the lifetime of this object.
class TestServer {
 public:
  explicit TestServer(internal::ServerOptions options = {});
  TestServer(const TestServer&) = delete;
  TestServer& operator=(const TestServer&) = delete;
  ~TestServer();

  [[nodiscard]] std::filesystem::path path() const { return directory_ / "socket"; }
  [[nodiscard]] internal::Client client();
  /// Returns a connection that has sent nothing yet.
  [[nodiscard]] internal::FileDescriptor raw() const;
  void stop(bool now) { server_->stop(now); }
  /// Returns whether `run` has returned.
  [[nodiscard]] bool done() const { return done_; }
  /// Returns all lines so far.
  [[nodiscard]] std::string log();

  FakeSystem system;

 private:
  TemporaryDirectory directory_;
  internal::Guarded<std::string> log_;
  std::unique_ptr<internal::Server> server_;
  std::atomic<bool> done_{false};
  std::thread thread_;
};

/// Sends a request and waits for its reply.
template <typename Body>
serve::AnswerT ask(internal::Client& client, Body body) {
  serve::RequestBodyUnion request;
  request.Set(std::move(body));
  const auto number = client.send(std::move(request), soon());
  REQUIRE(number);
  auto answer = client.receive(soon());
  INFO((answer ? "" : answer.error().to_string()));
  REQUIRE((answer && *answer));
  CHECK((*answer)->number == *number);
  return std::move(**answer);
}
template <typename Body>
std::uint64_t send(internal::Client& client, Body body, std::uint64_t timeout_ms = 0) {
  serve::RequestBodyUnion request;
  request.Set(std::move(body));
  const auto number = client.send(std::move(request), soon(), timeout_ms);
  REQUIRE(number);
  return *number;
}

inline serve::CallT call_of(std::string task, const std::string& argument = "x") {
  serve::CallT call;
  call.task = std::move(task);
  call.argument.assign(argument.begin(), argument.end());
  return call;
}

/// Returns everything that arrives on a connection until it closes.
std::string read_to_end(const internal::FileDescriptor& socket);

}  // namespace tenon::test
