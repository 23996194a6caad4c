#include "fake_system.hpp"

#include <array>
#include <utility>

#include <tenon/internal/promise.hpp>

#include "host/storage.hpp"
#include "platform/unix_socket.hpp"

namespace tenon::test {

using namespace internal;

namespace {

Reply reply_of(const std::string& text) {
  StoredBytes stored = copy_to_host({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
  return Reply(std::move(stored.storage), stored.bytes);
}

class FakeSession final : public ServedSession {
 public:
  explicit FakeSession(std::atomic<int>& open) : open_(open) { ++open_; }
  ~FakeSession() override { --open_; }
  Future<Batch> next(std::uint32_t max_results) override {
    Batch batch;
    for (std::uint32_t i = 0; i < max_results; ++i) {
      batch.results.push_back(reply_of(std::to_string(++given_)));
    }
    batch.ended = given_ >= 10;
    batch.version = "1.0";
    batch.sha256 = "ab";
    return completed_future<Batch>(std::move(batch));
  }
  Future<void> feed(const std::vector<Buffer>& arguments) override {
    given_ += static_cast<int>(arguments.size());
    return completed_future<void>({});
  }
  Future<ServedReply> finish() override {
    return completed_future<ServedReply>(ServedReply{reply_of(std::to_string(given_)), "1.0", "ab"});
  }

 private:
  std::atomic<int>& open_;
  int given_ = 0;
};

}  // namespace

void FakeSystem::fill_status(serve::StatusT& status) {
  status.submitted = 42;
  auto pipeline = std::make_unique<serve::PipelineT>();
  pipeline->name = "line";
  pipeline->state = ended ? "done" : "running";
  status.pipelines.push_back(std::move(pipeline));
}

Result<serve::TaskSchemaT> FakeSystem::task_schema(const std::string& task) {
  return fail(ErrorCode::kNotFound, "there is no task '" + task + "'");
}

Future<ServedReply> FakeSystem::call(const ServedCall& call) {
  const std::string text(call.argument.begin(), call.argument.end());
  if (call.task == "fake.echo") {
    return completed_future<ServedReply>(ServedReply{reply_of(text), "1.0", "ab"});
  }
  if (call.task == "fake.big") {
    return completed_future<ServedReply>(ServedReply{reply_of(std::string(std::stoul(text), 'b')), "1.0", "ab"});
  }
  if (call.task == "fake.wait" || call.task == "fake.crash") {
    const ErrorCode outcome = call.task == "fake.wait" ? ErrorCode::kCancelled : ErrorCode::kCrashed;
    auto state = Shared<FakeCall>::adopt(new FakeCall(outcome));
    calls_.lock()->push_back(state);
    ++waiting_calls;
    Future<ServedReply> future{Shared<TypedState<ServedReply>>(state)};
    static_cast<void>(future.then([this](const Result<ServedReply>&) {
      --waiting_calls;
      ++cancelled_calls;
    }));
    return future;
  }
  return completed_future<ServedReply>(fail(ErrorCode::kNotFound, "there is no task '" + call.task + "'"));
}

Future<std::shared_ptr<ServedSession>> FakeSystem::open(const ServedCall& call) {
  if (call.task != "fake.numbers") {
    return completed_future<std::shared_ptr<ServedSession>>(fail(ErrorCode::kNotFound, "there is no such task"));
  }
  return completed_future<std::shared_ptr<ServedSession>>(std::make_shared<FakeSession>(open_sessions));
}

Result<serve::SwappedT> FakeSystem::swap(const serve::SwapT& request) {
  ++swaps;
  while (hold_swaps) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  if (request.what == "bad") {
    return fail(ErrorCode::kIncompatible, "field 'x' is gone");
  }
  serve::SwappedT swapped;
  swapped.now = std::make_unique<serve::GenerationT>();
  swapped.now->plugin = request.what;
  return swapped;
}

Result<serve::SwappedT> FakeSystem::rollback(const serve::RollbackT& request) {
  return fail(ErrorCode::kNotFound, "nothing before '" + request.plugin + "'");
}

serve::EventsT FakeSystem::events_since(std::uint64_t number) {
  serve::EventsT events;
  for (const serve::EventT& event : events_.get()) {
    if (event.number > number) {
      events.events.push_back(std::make_unique<serve::EventT>(event));
    }
  }
  return events;
}

void FakeSystem::add_event(const std::string& message) {
  serve::EventT event;
  event.kind = "detected";
  event.message = message;
  {
    auto events = events_.lock();
    event.number = events->size() + 1;
    events->push_back(event);
  }
  const auto listeners = listeners_.lock();
  if (listeners->event) {
    listeners->event(event);
  }
}

Result<serve::ReloadedT> FakeSystem::reload() {
  ++reloads;
  serve::ReloadedT reloaded;
  reloaded.lines.emplace_back("image 1.1 is current");
  return reloaded;
}

Result<serve::PipelinesT> FakeSystem::pause(const std::string& pipeline) {
  if (!pipeline.empty() && pipeline != "line") {
    return fail(ErrorCode::kNotFound, "the daemon runs no pipeline '" + pipeline + "'");
  }
  serve::PipelinesT paused;
  paused.pipelines.push_back(std::make_unique<serve::PipelineT>());
  paused.pipelines.back()->name = "line";
  paused.pipelines.back()->state = "paused";
  return paused;
}

Future<serve::PipelinesT> FakeSystem::drain(const std::string& pipeline) {
  return completed_future<serve::PipelinesT>(pause(pipeline));
}

bool FakeSystem::pipelines_ended() {
  if (ended && tells_end.exchange(false)) {
    serve::PipelineT pipeline;
    pipeline.name = "fake";
    pipeline.state = "interrupted";
    listeners_.lock()->pipeline_ended(pipeline);
  }
  return ended;
}

void FakeSystem::stop_pipelines(bool now) {
  stopped = true;
  stopped_now = stopped_now || now;
  if (now || drains) {
    ended = true;
  }
}

TestServer::TestServer(ServerOptions options) {
  options.release = "1.2.3";
  options.log = [this](LogLevel, const std::string& line) { log_.lock()->append(line + "\n"); };
  auto listener = UnixListener::listen(path());
  REQUIRE(listener);
  auto server = Server::create(std::move(*listener), nullptr, system, std::move(options));
  REQUIRE(server);
  server_ = std::move(*server);
  thread_ = std::thread([this] {
    static_cast<void>(server_->run());
    done_ = true;
  });
}

TestServer::~TestServer() {
  system.hold_swaps = false;
  for (int i = 0; i < 3; ++i) {
    server_->stop(true);
  }
  thread_.join();
}

Client TestServer::client() {
  auto client = Client::connect(path(), "1.2.3", soon());
  INFO((client ? "" : client.error().to_string()));
  REQUIRE(client);
  return std::move(*client);
}

FileDescriptor TestServer::raw() const {
  auto socket = connect_unix(path(), soon());
  REQUIRE(socket);
  return std::move(*socket);
}

std::string TestServer::log() {
  return log_.get();
}

std::string read_to_end(const FileDescriptor& socket) {
  std::string text;
  std::array<std::uint8_t, 4096> buffer;
  for (;;) {
    const auto received = receive_some(socket, buffer);
    if (!received || received->ended) {
      return text;
    }
    text.append(buffer.begin(), buffer.begin() + static_cast<std::ptrdiff_t>(received->size_bytes));
    if (received->size_bytes == 0 && !wait_readable(socket, soon())) {
      return text + " (and no end)";
    }
  }
}

}  // namespace tenon::test
