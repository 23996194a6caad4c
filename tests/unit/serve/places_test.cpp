// Which clients get a slot in the daemon, and which requests wait.
#include <sys/resource.h>

#include <chrono>
#include <limits>
#include <string>
#include <thread>
#include <vector>

#include "fake_system.hpp"
#include "platform/unix_socket.hpp"
#include "serve/call_line.hpp"
#include "serve/frame_slots.hpp"
#include "serve/protocol.hpp"
#include "serve/server.hpp"
#include "tenon_test/catch.hpp"

using namespace tenon;
using namespace tenon::internal;
using namespace tenon::test;

namespace {

/// A line that records the calls that start.
struct Line {
  explicit Line(CallLine::Limits limits) : line(limits) {}
  void add(CallLine::ClientId client, std::uint64_t number, std::size_t size_bytes = 1) {
    line.add(client, {.number = number, .size_bytes = size_bytes, .begin = [this, client, number] {
                        begun += std::to_string(client) + '.' + std::to_string(number) + ' ';
                      }});
  }
  CallLine line;
  std::string begun;
};

void expect_answer(Client& client, std::uint64_t number, ErrorCode code) {
  const auto answer = client.receive(soon());
  REQUIRE((answer && *answer));
  CHECK((*answer)->number == number);
  REQUIRE((*answer)->body.AsFailure() != nullptr);
  CHECK(to_error(*(*answer)->body.AsFailure()).code == code);
}

void cancel(Client& client, std::uint64_t number) {
  serve::CancelT request;
  request.request = number;
  send(client, request);
}

}  // namespace

TEST_CASE("CallLine: so many clients, so many calls of each, and the rest in turn") {
  Line line({.max_clients = 2, .max_calls_per_client = 2});
  line.add(1, 1);
  line.add(1, 2);
  line.add(1, 3);
  line.add(2, 1);
  line.add(3, 1);
  line.add(4, 1);
  CHECK(line.begun == "1.1 1.2 2.1 ");
  CHECK(line.line.waiting(1) == std::vector<std::uint64_t>{3});
  line.line.ended(1, 1);
  CHECK(line.begun == "1.1 1.2 2.1 1.3 ");
  line.line.ended(2, 1);
  CHECK(line.begun == "1.1 1.2 2.1 1.3 3.1 ");
  line.line.remove(1);
  CHECK(line.begun == "1.1 1.2 2.1 1.3 3.1 4.1 ");
  line.line.ended(3, 1);
  line.line.ended(4, 1);
  CHECK(line.line.total_bytes() == 0);
}

TEST_CASE("CallLine: a client that keeps calling does not keep its place from one that waits") {
  Line line({.max_clients = 1, .max_calls_per_client = 8});
  line.add(1, 1);
  line.add(2, 1);
  line.add(1, 2);
  CHECK(line.begun == "1.1 ");
  line.line.ended(1, 1);
  CHECK(line.begun == "1.1 2.1 ");
  line.line.ended(2, 1);
  CHECK(line.begun == "1.1 2.1 1.2 ");
}

TEST_CASE("CallLine: calls that wait are taken out, and bytes are counted") {
  Line line({.max_clients = 1, .max_calls_per_client = 1});
  line.add(1, 1, 10);
  line.add(1, 2, 20);
  line.add(2, 1, 40);
  CHECK(line.line.total_bytes() == 70);
  CHECK(line.line.waiting_bytes(1) == 20);
  CHECK(line.line.call_count(1) == 2);
  CHECK(line.line.cancel(1, 2));
  CHECK_FALSE(line.line.cancel(1, 2));
  CHECK_FALSE(line.line.cancel(1, 1));
  CHECK(line.line.total_bytes() == 50);
  line.line.ended(1, 1);
  CHECK(line.begun == "1.1 2.1 ");
  CHECK(line.line.running(2));
  CHECK_FALSE(line.line.running(1));
}

TEST_CASE("FrameSlots: places in turn, and none without room") {
  FrameSlots slots(2);
  CHECK(slots.take(1, true));
  CHECK(slots.take(1, false));
  CHECK_FALSE(slots.take(2, false));
  CHECK_FALSE(slots.take(3, true));
  CHECK(slots.next(false) == std::nullopt);
  CHECK(slots.next(true) == 2);
  CHECK(slots.take(2, true));
  CHECK_FALSE(slots.take(3, true));
  CHECK(slots.next(true) == std::nullopt);
  slots.release(1);
  CHECK(slots.next(true) == 3);
  CHECK(slots.take(3, true));
}

TEST_CASE("Server: calls beyond the bound of a client wait, its other requests do not") {
  ServerOptions options;
  options.max_pending = 3;
  TestServer server(std::move(options));
  Client client = server.client();
  std::vector<std::uint64_t> calls;
  for (int i = 0; i < 3; ++i) {
    calls.push_back(send(client, call_of("fake.wait")));
  }
  REQUIRE(eventually([&] { return server.system.waiting_calls == 3; }));
  const std::uint64_t fourth = send(client, call_of("fake.echo", "late"));
  CHECK(ask(client, serve::GetStatusT()).body.AsStatus() != nullptr);
  cancel(client, calls.front());
  expect_answer(client, calls.front(), ErrorCode::kCancelled);
  const auto answer = client.receive(soon());
  REQUIRE((answer && *answer));
  CHECK((*answer)->number == fourth);
  CHECK((*answer)->body.AsCallResult() != nullptr);
}

TEST_CASE("Server: calls of clients beyond the bound wait for their turn, and can be cancelled meanwhile") {
  ServerOptions options;
  options.max_clients = 1;
  TestServer server(std::move(options));
  Client first = server.client();
  const std::uint64_t running = send(first, call_of("fake.wait"));
  REQUIRE(eventually([&] { return server.system.waiting_calls == 1; }));
  Client second = server.client();
  const std::uint64_t waiting = send(second, call_of("fake.echo"));
  const std::uint64_t given_up = send(second, call_of("fake.echo"));
  CHECK(ask(second, serve::GetStatusT()).body.AsStatus()->clients == 2);
  cancel(second, given_up);
  expect_answer(second, given_up, ErrorCode::kCancelled);
  cancel(first, running);
  const auto answer = second.receive(soon());
  REQUIRE((answer && *answer));
  CHECK((*answer)->number == waiting);
  CHECK((*answer)->body.AsCallResult() != nullptr);
}

TEST_CASE("Server: a call that waits for its turn ends when its time limit passes, and has not begun") {
  ServerOptions options;
  options.max_clients = 1;
  TestServer server(std::move(options));
  Client first = server.client();
  const std::uint64_t running = send(first, call_of("fake.wait"));
  REQUIRE(eventually([&] { return server.system.waiting_calls == 1; }));
  Client second = server.client();
  const std::uint64_t short_of_time = send(second, call_of("fake.wait"), 50);
  const std::uint64_t patient = send(second, call_of("fake.echo"), 3'600'000);
  const auto late = second.receive(soon());
  REQUIRE((late && *late));
  CHECK((*late)->number == short_of_time);
  REQUIRE((*late)->body.AsFailure() != nullptr);
  const Error error = to_error(*(*late)->body.AsFailure());
  CHECK(error.code == ErrorCode::kDeadline);
  CHECK(error.message.find("did not begin") != std::string::npos);
  CHECK(server.system.waiting_calls == 1);
  CHECK(server.system.cancelled_calls == 0);
  // Its number is free again, and the other call still has its turn.
  cancel(second, short_of_time);
  cancel(first, running);
  const auto answer = second.receive(soon());
  REQUIRE((answer && *answer));
  CHECK((*answer)->number == patient);
  CHECK((*answer)->body.AsCallResult() != nullptr);
}

TEST_CASE("Server: a call that has begun is cancelled when its time limit passes") {
  TestServer server;
  Client client = server.client();
  const std::uint64_t call = send(client, call_of("fake.wait"), 50);
  const auto late = client.receive(soon());
  REQUIRE((late && *late));
  CHECK((*late)->number == call);
  REQUIRE((*late)->body.AsFailure() != nullptr);
  const Error error = to_error(*(*late)->body.AsFailure());
  CHECK(error.code == ErrorCode::kDeadline);
  CHECK(error.message.find("did not finish") != std::string::npos);
  CHECK(server.system.cancelled_calls == 1);
  // A limit that has not passed leaves no trace, and the largest one does not overflow into the past.
  send(client, call_of("fake.echo"), std::numeric_limits<std::uint64_t>::max());
  const auto echo = client.receive(soon());
  REQUIRE((echo && *echo));
  CHECK((*echo)->body.AsCallResult() != nullptr);
}

TEST_CASE("Server: a step that ends before its turn leaves its session to later ones") {
  ServerOptions options;
  options.max_pending = 1;
  TestServer server(std::move(options));
  Client client = server.client();
  serve::OpenT open;
  open.task = "fake.numbers";
  const serve::AnswerT opened = ask(client, open);
  REQUIRE(opened.body.AsOpened() != nullptr);
  serve::NextT next;
  next.session = opened.body.AsOpened()->session;
  serve::FeedT feed;
  feed.session = next.session;
  serve::GetResultT get;
  get.session = next.session;
  const std::uint64_t running = send(client, call_of("fake.wait"));
  REQUIRE(eventually([&] { return server.system.waiting_calls == 1; }));
  // Ended by its limit, each kind of step.
  expect_answer(client, send(client, next, 20), ErrorCode::kDeadline);
  expect_answer(client, send(client, feed, 20), ErrorCode::kDeadline);
  expect_answer(client, send(client, get, 20), ErrorCode::kDeadline);
  // Ended by request.
  const std::uint64_t given_up = send(client, next);
  cancel(client, given_up);
  expect_answer(client, given_up, ErrorCode::kCancelled);
  cancel(client, running);
  expect_answer(client, running, ErrorCode::kCancelled);
  const serve::AnswerT results = ask(client, next);
  REQUIRE(results.body.AsResults() != nullptr);
  CHECK(results.body.AsResults()->results.size() == 1);
  serve::CloseT close;
  close.session = next.session;
  CHECK(ask(client, close).body.AsDone() != nullptr);
}

TEST_CASE("Server: a call that crashes after its time limit is reported as a crash") {
  TestServer server;
  Client client = server.client();
  expect_answer(client, send(client, call_of("fake.crash"), 50), ErrorCode::kCrashed);
}

TEST_CASE("Server: a client that goes away takes the time limits of its calls along") {
  TestServer server;
  {
    Client client = server.client();
    send(client, call_of("fake.wait"), 200);
    REQUIRE(eventually([&] { return server.system.waiting_calls == 1; }));
  }
  CHECK(eventually([&] { return server.system.cancelled_calls == 1; }));
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  Client client = server.client();
  CHECK(ask(client, serve::GetStatusT()).body.AsStatus() != nullptr);
}

TEST_CASE("Server: when it stops at once, calls that wait for their turn are answered") {
  ServerOptions options;
  options.max_clients = 1;
  TestServer server(std::move(options));
  Client first = server.client();
  send(first, call_of("fake.wait"));
  REQUIRE(eventually([&] { return server.system.waiting_calls == 1; }));
  Client second = server.client();
  const std::uint64_t waiting = send(second, call_of("fake.echo"));
  CHECK(ask(second, serve::GetStatusT()).body.AsStatus() != nullptr);
  server.stop(true);
  expect_answer(second, waiting, ErrorCode::kCancelled);
  CHECK(eventually([&] { return server.done(); }));
}

TEST_CASE("Server: a client that does nothing makes room for a new one") {
  ServerOptions options;
  options.max_clients = 1;
  options.max_connections = 4;
  options.least_idle = std::chrono::milliseconds(20);
  TestServer server(std::move(options));
  Client at_work = server.client();
  const std::uint64_t running = send(at_work, call_of("fake.wait"));
  REQUIRE(eventually([&] { return server.system.waiting_calls == 1; }));
  const FileDescriptor silent = server.raw();
  std::vector<Client> idle;
  for (int i = 0; i < 20; ++i) {
    idle.push_back(server.client());
    CHECK(ask(idle.back(), serve::GetStatusT()).body.AsStatus()->clients <= 4);
  }
  CHECK(eventually([&] { return server.log().find("its slot is needed") != std::string::npos; }));
  cancel(at_work, running);
  expect_answer(at_work, running, ErrorCode::kCancelled);
}

TEST_CASE("Server: callers that wait for their turn do not keep an operator out") {
  ServerOptions options;
  options.max_clients = 1;
  options.max_connections = 4;
  TestServer server(std::move(options));
  std::vector<Client> callers;
  for (int i = 0; i < 4; ++i) {
    callers.push_back(server.client());
    send(callers.back(), call_of("fake.wait"));
  }
  REQUIRE(eventually([&] { return server.system.waiting_calls == 1; }));
  Client operator_ = server.client();
  CHECK(ask(operator_, serve::GetStatusT()).body.AsStatus() != nullptr);
  // The latest client receives the reason.
  expect_answer(callers.back(), 0, ErrorCode::kRejected);
}

TEST_CASE("Server: a client that does not send the rest of its message is dropped") {
  ServerOptions options;
  options.stall_timeout = std::chrono::milliseconds(300);
  TestServer server(std::move(options));
  Client other = server.client();
  const FileDescriptor half = server.raw();
  const Buffer hello = *pack(make_hello("1.2.3"));
  REQUIRE(send_some(half, hello));
  serve::RequestT request;
  request.body.Set(call_of("fake.echo", std::string(1000, 'x')));
  const Buffer whole = *pack(request);
  REQUIRE(send_some(half, BytesView(whole).first(whole.size() / 2)));
  CHECK(eventually([&] { return server.log().find("does not send the rest") != std::string::npos; }));
  CHECK(ask(other, serve::GetStatusT()).body.AsStatus()->clients == 1);
}

TEST_CASE("Server: more large messages than there are places for arrive all the same") {
  TestServer server;
  std::vector<Client> clients;
  const std::string large(1 << 20, 'x');
  for (int i = 0; i < 20; ++i) {
    clients.push_back(server.client());
  }
  for (Client& client : clients) {
    send(client, call_of("fake.echo", large));
  }
  for (Client& client : clients) {
    const auto answer = client.receive(soon());
    REQUIRE((answer && *answer));
    REQUIRE((*answer)->body.AsCallResult() != nullptr);
    CHECK((*answer)->body.AsCallResult()->result.size() == large.size());
  }
}

TEST_CASE("Server: a process without descriptors still lets an operator in") {
  TestServer server;
  Client before = server.client();
  REQUIRE(ask(before, serve::GetStatusT()).body.AsStatus() != nullptr);
  rlimit limit{};
  REQUIRE(getrlimit(RLIMIT_NOFILE, &limit) == 0);
  rlimit low = limit;
  low.rlim_cur = 256;
  REQUIRE(setrlimit(RLIMIT_NOFILE, &low) == 0);
  {
    std::vector<FileDescriptor> taken;
    const FileDescriptor any = server.raw();
    for (;;) {
      auto copy = any.duplicate();
      if (!copy) {
        break;
      }
      taken.push_back(std::move(*copy));
    }
    taken.pop_back();  // Frees a descriptor for this side; the daemon has none left.
    Client operator_ = server.client();
    CHECK(ask(operator_, serve::GetStatusT()).body.AsStatus()->clients == 3);
  }
  REQUIRE(setrlimit(RLIMIT_NOFILE, &limit) == 0);
}
