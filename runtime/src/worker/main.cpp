/// tenon-worker: the process that runs tasks. A tenon runtime starts it; see worker/worker.hpp.
#include <charconv>
#include <cstring>
#include <optional>
#include <string>

#include "platform/control_channel.hpp"
#include "platform/file_descriptor.hpp"
#include "platform/process.hpp"
#include "platform/sandbox.hpp"
#include "platform/standard_streams.hpp"
#include "plugin/inspector.hpp"
#include "worker/worker.hpp"

namespace {

constexpr int kExitUsage = 2;

void say(const std::string& message) {
  static_cast<void>(
      tenon::internal::write_standard(tenon::internal::StandardStream::kError, "tenon-worker: " + message + "\n"));
}

std::optional<int> channel_number(int argc, const char* const* argv) {
  if (argc != 3 || std::strcmp(argv[1], "--channel") != 0) {
    return std::nullopt;
  }
  int number = -1;
  const char* end = argv[2] + std::strlen(argv[2]);
  const auto [parsed, error] = std::from_chars(argv[2], end, number);
  if (error != std::errc() || parsed != end || number < 3) {
    return std::nullopt;
  }
  return number;
}

}  // namespace

int main(int argc, char** argv) {
  using namespace tenon::internal;  // NOLINT(google-build-using-namespace): main alone
  if (const auto inspected = run_inspector_if_asked(argc, argv)) {
    return *inspected;
  }
  const auto number = channel_number(argc, argv);
  if (!number) {
    say("this program runs tasks for a tenon runtime, which starts it by itself; there is nothing to do by hand.\n"
        "To run a task or a pipeline use the tenon command: tenon call TASK JSON, tenon run FILE.");
    return kExitUsage;
  }
  auto channel = ControlChannel::adopt(FileDescriptor(*number));
  if (!channel) {
    say(channel.error().message + "; only a tenon runtime can start a worker");
    return kExitUsage;
  }
  if (auto limited = apply_sandbox({.no_new_privileges = true}); !limited) {
    say(limited.error().to_string());
    return static_cast<int>(WorkerExit::kRefused);
  }
  std::string message;
  const WorkerExit how = run_worker(std::move(*channel), WorkerOptions{}, message);
  if (!message.empty() && how != WorkerExit::kHostGone) {
    say(message);
  }
  // Plugins have had their fini; what their libraries do at exit is not ours to wait for.
  exit_now(static_cast<int>(how));
}
