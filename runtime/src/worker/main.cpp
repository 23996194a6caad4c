/// tenon-worker: the process that runs tasks. A tenon runtime starts it; see worker/worker.hpp.
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <new>
#include <optional>
#include <string>
#include <utility>

#include <tenon/error.hpp>

#include "platform/control_channel.hpp"
#include "platform/debugger.hpp"
#include "platform/file.hpp"
#include "platform/file_descriptor.hpp"
#include "platform/fork_guard.hpp"
#include "platform/process.hpp"
#include "platform/resource_limits.hpp"
#include "platform/sandbox.hpp"
#include "platform/standard_streams.hpp"
#include "plugin/inspector.hpp"
#include "worker/worker.hpp"

namespace {

constexpr int kExitUsage = 2;

/// The stream for this program's own messages. A task may close the number of stderr or open its
/// own file there.
class OwnErrorStream {
 public:
  OwnErrorStream() : stream_(tenon::internal::duplicate(tenon::internal::StandardStream::kError)) {
    if (stream_) {
      stream_->move_out_of_reach();
      identity_ = identity();
    }
  }
  void say(const std::string& message) const {
    if (identity_ && identity() == identity_) {
      const std::string line = "tenon-worker: " + message + "\n";
      static_cast<void>(tenon::internal::write_all(
          *stream_, tenon::BytesView(reinterpret_cast<const std::uint8_t*>(line.data()), line.size())));
    }
  }

 private:
  using Identity = std::pair<std::uint64_t, std::uint64_t>;
  [[nodiscard]] std::optional<Identity> identity() const {
    auto known = tenon::internal::file_identity(*stream_);
    return known ? std::optional(Identity(known->device, known->inode)) : std::nullopt;
  }

  tenon::Result<tenon::internal::FileDescriptor> stream_;
  std::optional<Identity> identity_;
};

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
  using namespace tenon::internal;  // NOLINT(google-build-using-namespace): only in main
  if (auto enough = check_stack_limit("tenon-worker"); !enough) {
    OwnErrorStream().say(enough.error().message);
    return static_cast<int>(WorkerExit::kRefused);
  }
  if (const auto inspected = run_inspector_if_asked(argc, argv)) {
    return *inspected;
  }
  const OwnErrorStream error_stream;
  const auto number = channel_number(argc, argv);
  if (!number) {
    error_stream.say(
        "this program runs tasks for a tenon runtime, which starts it automatically; do not start it by hand.\n"
        "To run a task or a pipeline use the tenon command: tenon call TASK JSON, tenon run FILE.");
    return kExitUsage;
  }
  auto channel = ControlChannel::adopt(FileDescriptor(*number));
  if (!channel) {
    error_stream.say(channel.error().message + "; only a tenon runtime can start a worker");
    return kExitUsage;
  }
  if (auto limited = apply_sandbox({.no_new_privileges = true}); !limited) {
    error_stream.say(limited.error().to_string());
    return static_cast<int>(WorkerExit::kRefused);
  }
  if (debuggers_wanted()) {
    allow_debuggers();
  }
  continue_when_parent_ends();
  // stdout is a pipe that the host reads: a line must not wait for a full buffer or be lost when
  // the process dies.
  static_cast<void>(std::setvbuf(stdout, nullptr, _IOLBF, BUFSIZ));
  std::string message;
  WorkerExit how = WorkerExit::kRefused;
  try {
    how = run_worker(std::move(*channel), WorkerOptions{}, message);
  } catch (const std::bad_alloc&) {
    message = "out of memory" + memory_limit_text();
  }
  if (!message.empty() && how != WorkerExit::kHostGone) {
    error_stream.say(message);
  }
  static_cast<void>(std::fflush(stdout));
  // A child created by a thread of a plugin does not exit with the task thread, and it keeps shared
  // memory.
  kill_descendants();
  // The plugins' fini functions have run; exit handlers of their libraries are skipped.
  exit_now(static_cast<int>(how));
}
