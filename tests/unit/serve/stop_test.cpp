// How a server stops.
#include <string>

#include "fake_system.hpp"

using namespace tenon;
using namespace tenon::internal;
using namespace tenon::test;

namespace {

ServerOptions bounds(int drain_ms, int cancel_ms) {
  ServerOptions options;
  options.drain_timeout = std::chrono::milliseconds(drain_ms);
  options.cancel_timeout = std::chrono::milliseconds(cancel_ms);
  return options;
}

}  // namespace

TEST_CASE("Server: stop waits for pipelines and calls, takes up nothing new, and still answers") {
  TestServer server(bounds(60'000, 60'000));
  server.system.ended = false;
  server.system.drains = false;
  Client client = server.client();
  CHECK(ask(client, serve::StopT()).body.AsDone() != nullptr);
  CHECK(server.system.stopped);
  CHECK_FALSE(server.system.stopped_now);
  CHECK(ask(client, serve::GetStatusT()).body.AsStatus()->state == "stopping");
  const serve::AnswerT refused = ask(client, call_of("fake.echo"));
  REQUIRE(refused.body.AsFailure() != nullptr);
  CHECK(refused.body.AsFailure()->code == static_cast<int>(ErrorCode::kRejected));
  CHECK_FALSE(server.done());
  server.system.ended = true;
  CHECK(eventually([&] { return server.done(); }));
  CHECK_FALSE(server.system.stopped_now);
}

TEST_CASE("Server: a pipeline that ends in the last moment is told of") {
  TestServer server(bounds(60'000, 60'000));
  server.system.tells_end = true;
  server.stop(false);
  CHECK(eventually([&] { return server.done(); }));
  CHECK(server.log().find("pipeline 'fake' has ended: interrupted") != std::string::npos);
}

TEST_CASE("Server: a second stop cancels, so does the bound of the first") {
  const bool by_bound = GENERATE(false, true);
  TestServer server(bounds(by_bound ? 50 : 60'000, 60'000));
  server.system.ended = false;
  server.system.drains = false;
  Client client = server.client();
  send(client, call_of("fake.wait"));
  REQUIRE(eventually([&] { return server.system.waiting_calls == 1; }));
  server.stop(false);
  if (!by_bound) {
    server.stop(false);
  }
  CHECK(eventually([&] { return server.done(); }));
  CHECK(server.system.stopped_now);
  CHECK(server.system.cancelled_calls == 1);
}

TEST_CASE("Server: what does not end is left behind after the second bound") {
  TestServer server(bounds(20, 20));
  server.system.hold_swaps = true;
  Client client = server.client();
  serve::SwapT swap;
  swap.what = "image";
  send(client, swap);
  REQUIRE(eventually([&] { return server.system.swaps == 1; }));
  server.stop(false);
  CHECK(eventually([&] { return server.done(); }));
  CHECK(server.log().find("left behind") != std::string::npos);
}
