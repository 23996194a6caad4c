#include <chrono>
#include <string>
#include <thread>
#include <utility>

#include "base/clock.hpp"
#include "host/launcher.hpp"

namespace tenon::internal {

namespace {

/// The number of the control channel in the worker.
constexpr int kChannelNumber = 3;

class ProcessHandle final : public WorkerHandle {
 public:
  explicit ProcessHandle(Process process)
      : process_(std::move(process)), error_stream_(std::move(process_.standard_error())) {
    // A stream that cannot be made non-blocking would hold the reactor up; better none.
    if (!set_non_blocking(error_stream_, true)) {
      error_stream_.reset();
    }
  }
  [[nodiscard]] std::int64_t pid() const noexcept override { return process_.pid(); }
  [[nodiscard]] const FileDescriptor& exit_handle() const noexcept override { return process_.exit_handle(); }
  [[nodiscard]] const FileDescriptor* error_stream() const noexcept override {
    return error_stream_.valid() ? &error_stream_ : nullptr;
  }
  void kill() noexcept override { process_.kill_group(); }
  [[nodiscard]] std::optional<ExitStatus> exit_status() noexcept override {
    auto status = process_.wait(0);
    // A wait that fails leaves the cause of the end unknown, not the end itself.
    return status ? *status : ExitStatus{};
  }

 private:
  Process process_;
  FileDescriptor error_stream_;
};

class ProcessLauncher final : public Launcher {
 public:
  explicit ProcessLauncher(std::filesystem::path executable) : executable_(std::move(executable)) {}
  [[nodiscard]] Result<std::unique_ptr<WorkerHandle>> launch(ControlChannel channel, std::uint64_t) override {
    SpawnOptions options;
    options.executable = executable_;
    options.arguments = {"--channel", std::to_string(kChannelNumber)};
    options.standard_error = StreamMode::kPipe;
    options.descriptors = {{.source = channel.descriptor().get(), .target = kChannelNumber}};
    auto process = Process::spawn(options);
    if (!process) {
      return fail(std::move(process.error()));
    }
    return std::make_unique<ProcessHandle>(std::move(*process));
  }

 private:
  std::filesystem::path executable_;
};

}  // namespace

void await_end(WorkerHandle& handle) noexcept {
  constexpr std::chrono::seconds kPatience{1};
  const MonotonicNs until_ns = deadline_after(kPatience);
  while (!handle.exit_status() && monotonic_now_ns() < until_ns) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

std::unique_ptr<Launcher> make_process_launcher(std::filesystem::path executable) {
  return std::make_unique<ProcessLauncher>(std::move(executable));
}

}  // namespace tenon::internal
