#include "serve/client.hpp"

#include <string>
#include <thread>

#include "fake_system.hpp"
#include "platform/unix_socket.hpp"
#include "serve/protocol.hpp"

using namespace tenon;
using namespace tenon::internal;
using namespace tenon::test;

namespace {

/// Accepts one connection, sends `greeting`, and keeps the connection open until the client closes
/// it.
class OneAnswer {
 public:
  explicit OneAnswer(Buffer greeting) : listener_(UnixListener::listen(directory_ / "socket")) {
    REQUIRE(listener_);
    thread_ = std::thread([this, bytes = std::move(greeting)] {
      if (!wait_readable(listener_->descriptor(), soon())) {
        return;
      }
      const auto socket = listener_->accept();
      if (socket && socket->valid()) {
        static_cast<void>(send_some(*socket, bytes));
        static_cast<void>(read_to_end(*socket));
      }
    });
  }
  ~OneAnswer() { thread_.join(); }
  Error connect(std::chrono::milliseconds patience = std::chrono::seconds(60)) {
    const auto client = Client::connect(directory_ / "socket", "1.0", deadline_after(patience));
    REQUIRE_FALSE(client);
    return client.error();
  }

 private:
  TemporaryDirectory directory_;
  Result<UnixListener> listener_;
  std::thread thread_;
};

}  // namespace

TEST_CASE("Client: no socket, and a dead one, are told apart") {
  const TemporaryDirectory directory;
  CHECK(Client::connect(directory / "socket", "1.0", soon()).error().code == ErrorCode::kNotFound);
}

TEST_CASE("Client: a daemon that does not answer is a deadline") {
  OneAnswer silent{Buffer()};
  CHECK(silent.connect(std::chrono::milliseconds(100)).code == ErrorCode::kDeadline);
}

TEST_CASE("Client: what is no daemon is said to be none") {
  const std::string text = "220 mail.example.com ESMTP\r\n";
  OneAnswer other{Buffer(text.begin(), text.end())};
  const Error error = other.connect();
  CHECK(error.code == ErrorCode::kCorrupt);
  CHECK(error.message.find("is not a tenon daemon") != std::string::npos);
}

TEST_CASE("Client: an old daemon is told with both versions and what to do") {
  serve::HelloT old;
  old.release = "0.0.9";
  old.process_id = 4711;
  OneAnswer daemon{*pack(old)};
  const Error error = daemon.connect();
  CHECK(error.code == ErrorCode::kIncompatible);
  CHECK(error.message.find("0.0.9") != std::string::npos);
  CHECK(error.message.find("protocol 0") != std::string::npos);
  CHECK(error.message.find("restart it") != std::string::npos);
}

TEST_CASE("Client: a receive without an answer ends at its deadline, one without a daemon at once") {
  auto server = std::make_unique<TestServer>();
  Client client = server->client();
  const auto nothing = client.receive(deadline_after(std::chrono::milliseconds(20)));
  REQUIRE(nothing);
  CHECK_FALSE(*nothing);
  server.reset();
  CHECK(client.receive(soon()).error().code == ErrorCode::kUnavailable);
}
