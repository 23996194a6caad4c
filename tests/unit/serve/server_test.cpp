#include "serve/server.hpp"

#include <string>
#include <vector>

#include "fake_system.hpp"
#include "platform/unix_socket.hpp"
#include "serve/protocol.hpp"
#include "tenon_test/text.hpp"

using namespace tenon;
using namespace tenon::internal;
using namespace tenon::test;
using tenon::test::has;

namespace {

void send_raw(const FileDescriptor& socket, BytesView bytes) {
  while (!bytes.empty()) {
    const auto sent = send_some(socket, bytes);
    REQUIRE(sent);
    bytes = bytes.subspan(*sent);
    if (*sent == 0) {
      REQUIRE(wait_writable(socket, soon()));
    }
  }
}

void send_raw(const FileDescriptor& socket, const std::string& text) {
  send_raw(socket, BytesView(reinterpret_cast<const std::uint8_t*>(text.data()), text.size()));
}

std::uint32_t clients(TestServer& server) {
  Client client = server.client();
  return ask(client, serve::GetStatusT()).body.AsStatus()->clients;
}

}  // namespace

TEST_CASE("Server: answers status, calls and errors") {
  TestServer server;
  Client client = server.client();
  CHECK(client.daemon().release == "1.2.3");
  const serve::AnswerT status = ask(client, serve::GetStatusT());
  REQUIRE(status.body.AsStatus() != nullptr);
  CHECK(status.body.AsStatus()->state == "serving");
  CHECK(status.body.AsStatus()->submitted == 42);
  CHECK(status.body.AsStatus()->clients == 1);

  const serve::AnswerT echo = ask(client, call_of("fake.echo", "hello"));
  REQUIRE(echo.body.AsCallResult() != nullptr);
  CHECK(std::string(echo.body.AsCallResult()->result.begin(), echo.body.AsCallResult()->result.end()) == "hello");
  CHECK(echo.body.AsCallResult()->version == "1.0");

  const serve::AnswerT missing = ask(client, call_of("fake.missing"));
  REQUIRE(missing.body.AsFailure() != nullptr);
  CHECK(to_error(*missing.body.AsFailure()).code == ErrorCode::kNotFound);

  serve::SwapT bad;
  bad.what = "bad";
  CHECK(has(ask(client, bad).body.AsFailure()->message, "'x' is gone"));
  serve::PauseT pause;
  pause.pipeline = "lime";
  CHECK(to_error(*ask(client, pause).body.AsFailure()).code == ErrorCode::kNotFound);
}

TEST_CASE("Server: a request of a later protocol is answered, not a reason to close") {
  TestServer server;
  Client client = server.client();
  const auto number = client.send(serve::RequestBodyUnion(), soon());
  REQUIRE(number);
  const auto answer = client.receive(soon());
  REQUIRE((answer && *answer));
  REQUIRE((*answer)->body.AsFailure() != nullptr);
  CHECK(to_error(*(*answer)->body.AsFailure()).code == ErrorCode::kUnsupported);
  CHECK(has((*answer)->body.AsFailure()->message, "1.2.3"));
  CHECK(ask(client, serve::GetStatusT()).body.AsStatus() != nullptr);
}

TEST_CASE("Server: garbage, giant lengths and broken messages are dismissed in words") {
  TestServer server;
  for (const std::string& garbage : {std::string("GET / HTTP/1.0\r\n\r\n"), std::string("TNS\1\xFF\xFF\xFF\xFF", 8),
                                     std::string("TNS\1\0\0\0\0", 8), std::string("TNS\1\4\0\0\0abcd", 12)}) {
    const FileDescriptor socket = server.raw();
    send_raw(socket, garbage);
    const std::string said = read_to_end(socket);
    CHECK((has(said, "not the tenon protocol") || has(said, "exceeds the limit") || has(said, "is empty") ||
           has(said, "does not verify")));
  }
  // The same after a valid hello.
  for (const std::string& garbage : {std::string("nonsense"), std::string("TNS\1\4\0\0\0abcd", 12)}) {
    const FileDescriptor socket = server.raw();
    send_raw(socket, *pack(make_hello("1.2.3")));
    send_raw(socket, garbage);
    const std::string said = read_to_end(socket);
    CHECK((has(said, "not the tenon protocol") || has(said, "does not verify")));
  }
  CHECK(clients(server) == 1);
}

TEST_CASE("Server: a client of an old protocol is told both versions") {
  TestServer server;
  const FileDescriptor socket = server.raw();
  serve::HelloT old;  // It reports no versions, which means protocol 0.
  send_raw(socket, *pack(old));
  const std::string said = read_to_end(socket);
  CHECK(has(said, "protocol 0"));
  CHECK(has(said, "protocol " + std::to_string(kServeProtocol)));
  CHECK(has(said, "too old"));
  CHECK(has(server.log(), "was refused"));
}

TEST_CASE("Server: who says nothing, or half a message, is dropped after a time and holds nobody up") {
  ServerOptions options;
  options.hello_timeout = std::chrono::milliseconds(300);
  TestServer server(std::move(options));
  const FileDescriptor silent = server.raw();
  const FileDescriptor half = server.raw();
  send_raw(half, std::string("TNS"));
  Client client = server.client();
  CHECK(ask(client, serve::GetStatusT()).body.AsStatus() != nullptr);
  CHECK(read_to_end(silent).empty());
  CHECK(read_to_end(half).empty());
  CHECK(has(server.log(), "did not send its hello"));
}

TEST_CASE("Server: the calls of a client that goes are cancelled") {
  TestServer server;
  {
    Client client = server.client();
    send(client, call_of("fake.wait"));
    send(client, call_of("fake.wait"));
    REQUIRE(eventually([&] { return server.system.waiting_calls == 2; }));
  }
  CHECK(eventually([&] { return server.system.cancelled_calls == 2; }));
  CHECK(eventually([&] { return clients(server) == 1; }));
}

TEST_CASE("Server: a call is cancelled by request") {
  TestServer server;
  Client client = server.client();
  const std::uint64_t call = send(client, call_of("fake.wait"));
  serve::CancelT cancel;
  cancel.request = call;
  send(client, cancel);
  const auto answer = client.receive(soon());
  REQUIRE((answer && *answer));
  CHECK((*answer)->number == call);
  REQUIRE((*answer)->body.AsFailure() != nullptr);
  CHECK(to_error(*(*answer)->body.AsFailure()).code == ErrorCode::kCancelled);
}

TEST_CASE("Server: a swap that waits holds neither status nor calls up") {
  TestServer server;
  server.system.hold_swaps = true;
  Client swapper = server.client();
  serve::SwapT swap;
  swap.what = "image";
  const std::uint64_t asked = send(swapper, swap);
  REQUIRE(eventually([&] { return server.system.swaps == 1; }));
  Client other = server.client();
  CHECK(ask(other, call_of("fake.echo")).body.AsCallResult() != nullptr);
  CHECK(ask(swapper, serve::GetStatusT()).body.AsStatus() != nullptr);
  server.system.hold_swaps = false;
  const auto answer = swapper.receive(soon());
  REQUIRE((answer && *answer));
  CHECK((*answer)->number == asked);
  REQUIRE((*answer)->body.AsSwapped() != nullptr);
  CHECK((*answer)->body.AsSwapped()->now->plugin == "image");
}

TEST_CASE("Server: sources and reduces go step by step, and sessions end with their client") {
  TestServer server;
  {
    Client client = server.client();
    serve::OpenT open;
    open.task = "fake.numbers";
    const serve::AnswerT opened = ask(client, open);
    REQUIRE(opened.body.AsOpened() != nullptr);
    serve::NextT next;
    next.session = opened.body.AsOpened()->session;
    next.max_results = 5;
    for (int round = 0; round < 2; ++round) {
      const serve::AnswerT results = ask(client, next);
      REQUIRE(results.body.AsResults() != nullptr);
      CHECK(results.body.AsResults()->results.size() == 5);
      CHECK(results.body.AsResults()->last);
      CHECK(results.body.AsResults()->ended == (round == 1));
      CHECK(results.body.AsResults()->version == "1.0");
      CHECK(results.body.AsResults()->sha256 == "ab");
    }
    serve::FeedT feed;
    feed.session = next.session;
    feed.arguments.push_back(std::make_unique<serve::BytesT>());
    CHECK(ask(client, feed).body.AsDone() != nullptr);
    serve::GetResultT finish;
    finish.session = next.session;
    CHECK(ask(client, finish).body.AsCallResult() != nullptr);
    CHECK(to_error(*ask(client, next).body.AsFailure()).code == ErrorCode::kNotFound);
    REQUIRE(ask(client, open).body.AsOpened() != nullptr);
    CHECK(server.system.open_sessions == 1);
  }
  CHECK(eventually([&] { return server.system.open_sessions == 0; }));
}

TEST_CASE("Server: a result that is too large is an error") {
  TestServer server;
  Client client = server.client();
  const serve::AnswerT answer = ask(client, call_of("fake.big", std::to_string(kMaxPayloadBytes + 1)));
  REQUIRE(answer.body.AsFailure() != nullptr);
  CHECK(to_error(*answer.body.AsFailure()).code == ErrorCode::kTooLarge);
  const serve::AnswerT fits = ask(client, call_of("fake.big", std::to_string(kMaxPayloadBytes)));
  REQUIRE(fits.body.AsCallResult() != nullptr);
  CHECK(fits.body.AsCallResult()->result.size() == kMaxPayloadBytes);
}

TEST_CASE("Server: a client that does not read its answers holds nobody up and is dropped") {
  ServerOptions options;
  options.stall_timeout = std::chrono::milliseconds(300);
  TestServer server(std::move(options));
  Client slow = server.client();
  for (int i = 0; i < 8; ++i) {
    send(slow, call_of("fake.big", "4000000"));
  }
  Client other = server.client();
  CHECK(ask(other, call_of("fake.echo")).body.AsCallResult() != nullptr);
  CHECK(eventually([&] { return has(server.log(), "does not read its replies"); }));
}

TEST_CASE("Server: events come from the backlog on, each once and in order") {
  TestServer server;
  server.system.add_event("one");
  server.system.add_event("two");
  Client client = server.client();
  serve::GetEventsT get;
  get.after = 1;
  get.follow = true;
  const serve::AnswerT backlog = ask(client, get);
  REQUIRE(backlog.body.AsEvents() != nullptr);
  REQUIRE(backlog.body.AsEvents()->events.size() == 1);
  CHECK(backlog.body.AsEvents()->events[0]->message == "two");
  for (int i = 3; i < 100; ++i) {
    server.system.add_event(std::to_string(i));
  }
  std::uint64_t last = 2;
  while (last < 99) {
    const auto more = client.receive(soon());
    REQUIRE((more && *more && (*more)->body.AsEvents() != nullptr));
    CHECK((*more)->number == backlog.number);
    for (const auto& event : (*more)->body.AsEvents()->events) {
      CHECK(event->number == ++last);
    }
  }
  serve::CancelT cancel;
  cancel.request = backlog.number;
  send(client, cancel);
  const auto end = client.receive(soon());
  REQUIRE((end && *end));
  CHECK((*end)->body.AsDone() != nullptr);
}

TEST_CASE("Server: a follower that does not read is dismissed with a reason") {
  ServerOptions options;
  options.max_output_bytes = 100'000;
  TestServer server(std::move(options));
  Client follower = server.client();
  serve::GetEventsT get;
  get.follow = true;
  REQUIRE(ask(follower, get).body.AsEvents() != nullptr);
  for (int i = 0; i < 1000 && !has(server.log(), "is disconnected"); ++i) {
    server.system.add_event(std::string(10'000, 'e'));
    Client other = server.client();
    REQUIRE(ask(other, serve::GetStatusT()).body.AsStatus() != nullptr);
  }
  CHECK(has(server.log(), "does not read the events"));
  // The earlier output can still be read, with the reason at its end.
  bool reason_arrived = false;
  for (;;) {
    const auto more = follower.receive(soon());
    if (!more) {
      break;
    }
    REQUIRE(*more);
    reason_arrived = reason_arrived ||
                     ((*more)->body.AsFailure() != nullptr && has((*more)->body.AsFailure()->message, "does not read"));
  }
  CHECK(reason_arrived);
}

TEST_CASE("Server: reload is asked for by a client too") {
  TestServer server;
  Client client = server.client();
  const serve::AnswerT reloaded = ask(client, serve::ReloadT());
  REQUIRE(reloaded.body.AsReloaded() != nullptr);
  CHECK(reloaded.body.AsReloaded()->lines.size() == 1);
  CHECK(server.system.reloads == 1);
}

TEST_CASE("Server: many clients at once") {
  TestServer server;
  std::vector<std::thread> threads;
  std::atomic<int> good{0};
  for (int i = 0; i < 16; ++i) {
    threads.emplace_back([&] {
      for (int round = 0; round < 20; ++round) {
        auto client = Client::connect(server.path(), "1.2.3", soon());
        serve::RequestBodyUnion request;
        request.Set(call_of("fake.echo", std::to_string(round)));
        if (client && client->send(std::move(request), soon())) {
          const auto answer = client->receive(soon());
          good += answer && *answer && (*answer)->body.AsCallResult() != nullptr ? 1 : 0;
        }
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  CHECK(good == 320);
  CHECK(eventually([&] { return clients(server) == 1; }));
}
