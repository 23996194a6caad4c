// Measures NATS request and reply with libnats: a server, two responders in a queue group and this
// requester.
#include <nats/nats.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "peers/server.hpp"

namespace tenon::bench {
namespace {

constexpr std::int64_t kTimeoutMs = 10'000;
// Replies are either sent at once, or in the batches of the library: the first has low latency, the
// second high throughput.
constexpr char kPromptly[] = "echo.promptly";
constexpr char kGathered[] = "echo.gathered";

void check(natsStatus status, const char* what) {
  if (status != NATS_OK) {
    std::fprintf(stderr, "%s: %s\n", what, natsStatus_GetText(status));
    std::exit(1);
  }
}

template <typename T, void (*Destroy)(T*)>
struct Deleter {
  void operator()(T* object) const { Destroy(object); }
};
using Connection = std::unique_ptr<natsConnection, Deleter<natsConnection, natsConnection_Destroy>>;
using Subscription = std::unique_ptr<natsSubscription, Deleter<natsSubscription, natsSubscription_Destroy>>;
using Message = std::unique_ptr<natsMsg, Deleter<natsMsg, natsMsg_Destroy>>;

Connection open_connection(int port, bool send_at_once) {
  natsOptions* options = nullptr;
  check(natsOptions_Create(&options), "options");
  check(natsOptions_SetURL(options, ("nats://127.0.0.1:" + std::to_string(port)).c_str()), "url");
  check(natsOptions_SetSendAsap(options, send_at_once), "send at once");
  natsConnection* connection = nullptr;
  check(natsConnection_Connect(&connection, options), "connect");
  natsOptions_Destroy(options);
  return Connection(connection);
}

Subscription answer(const Connection& connection, const char* subject) {
  natsSubscription* subscription = nullptr;
  check(natsConnection_QueueSubscribe(
            &subscription, connection.get(), subject, "workers",
            [](natsConnection* from, natsSubscription*, natsMsg* message, void*) {
              const Message owner(message);
              (void)natsConnection_Publish(from, natsMsg_GetReply(message), natsMsg_GetData(message),
                                           natsMsg_GetDataLength(message));
            },
            nullptr),
        "subscribe");
  check(natsSubscription_SetPendingLimits(subscription, -1, -1), "limits");
  check(natsConnection_Flush(connection.get()), "flush");
  return Subscription(subscription);
}

int work(int port) {
  const Connection promptly = open_connection(port, true);
  const Connection gathered = open_connection(port, false);
  const Subscription first = answer(promptly, kPromptly);
  const Subscription second = answer(gathered, kGathered);
  for (;;) {
    // It sleeps until the process that started the server exits.
    std::this_thread::sleep_for(std::chrono::hours(1));
  }
}

class Client {
 public:
  explicit Client(int port) : promptly_(open_connection(port, true)), gathered_(open_connection(port, false)) {
    natsInbox* inbox = nullptr;
    check(natsInbox_Create(&inbox), "inbox");
    inbox_ = inbox;
    natsInbox_Destroy(inbox);
    natsSubscription* subscription = nullptr;
    check(natsConnection_SubscribeSync(&subscription, gathered_.get(), inbox_.c_str()), "subscribe");
    check(natsSubscription_SetPendingLimits(subscription, -1, -1), "limits");
    replies_.reset(subscription);
  }

  void call(const std::string& argument) {
    natsMsg* reply = nullptr;
    natsStatus status = NATS_NO_RESPONDERS;
    // The responders have just started, so the first request may come too early.
    const Clock::time_point end = Clock::now() + std::chrono::milliseconds(kTimeoutMs);
    while (status == NATS_NO_RESPONDERS && Clock::now() < end) {
      status = natsConnection_Request(&reply, promptly_.get(), kPromptly, argument.data(),
                                      static_cast<int>(argument.size()), kTimeoutMs);
    }
    check(status, "request");
    const Message owner(reply);
    TENON_CHECK(natsMsg_GetDataLength(reply) == static_cast<int>(argument.size()));
  }

  /// Sends requests without waiting, then takes all replies.
  void futures(int count, const std::string& argument) {
    for (int i = 0; i < count; ++i) {
      check(natsConnection_PublishRequest(gathered_.get(), kGathered, inbox_.c_str(), argument.data(),
                                          static_cast<int>(argument.size())),
            "publish");
    }
    for (int i = 0; i < count; ++i) {
      natsMsg* reply = nullptr;
      check(natsSubscription_NextMsg(&reply, replies_.get(), kTimeoutMs), "reply");
      const Message owner(reply);
      TENON_CHECK(natsMsg_GetDataLength(reply) == static_cast<int>(argument.size()));
    }
  }

 private:
  Connection promptly_;
  Connection gathered_;
  std::string inbox_;
  Subscription replies_;
};

int measure(const Settings& settings) {
  const std::string program = find_server("nats-server");
  if (program.empty()) {
    return report_absent("nats-server is not installed");
  }
  const std::string payload(kPeerPayloadBytes, 'x');
  std::vector<double> starts;
  std::optional<ServerWithWorkers> server;
  for (int sample = 0; sample < settings.pick(3, 1); ++sample) {
    server.reset();
    starts.push_back(time_once([&] {
      server.emplace(program, [](int port) {
        return std::vector<std::string>{"--addr", "127.0.0.1", "--port", std::to_string(port)};
      });
      Client(server->port()).call(payload);
    }));
  }
  report("start.2", "us", starts);
  Client client(server->port());
  const auto call = [&] { client.call(payload); };
  report("call.64B.sleeping", "us",
         time_each(settings.time(), 5, 300, call, [] { std::this_thread::sleep_for(kPause); }));
  report("call.64B.awake", "us", time_each(settings.time(), 5, 5'000, call));
  report("futures.1", "calls/s", rates(settings.time(), 100, [&](int count) { client.futures(count, payload); }));
  const std::string tiny(8, 'x');
  report("map.tiny", "calls/s", rates(settings.time(), 100, [&](int count) { client.futures(count, tiny); }));
  return 0;  // NATS limits messages to 1 MiB by default and to 64 MiB at most: no echo of 256 MiB.
}

}  // namespace
}  // namespace tenon::bench

int main(int argc, char** argv) {
  using namespace tenon::bench;
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  if (arguments.size() == 2 && arguments[0] == "--worker") {
    return work(std::stoi(arguments[1]));
  }
  return measure({.quick = std::find(arguments.begin(), arguments.end(), "--quick") != arguments.end()});
}
