#include "tools/tenon/in_process_launcher.hpp"

#include <atomic>
#include <string>
#include <thread>
#include <utility>

#include "base/try.hpp"
#include "platform/reactor/poller.hpp"
#include "worker/worker.hpp"

namespace tenon::internal {

namespace {

class ThreadHandle final : public WorkerHandle {
 public:
  ThreadHandle(ControlChannel channel, EventBell ended) : ended_(std::move(ended)) {
    thread_ = std::thread([this, worker_channel = std::move(channel)]() mutable {
      std::string message;
      const WorkerExit how = run_worker(std::move(worker_channel), {.own_process = false, .killed = &killed_}, message);
      exit_code_.store(static_cast<int>(how));
      ended_.ring();
    });
  }
  ~ThreadHandle() override {
    killed_.store(true);
    thread_.join();
  }
  [[nodiscard]] std::int64_t pid() const noexcept override { return 0; }
  [[nodiscard]] const FileDescriptor& exit_handle() const noexcept override { return ended_.descriptor(); }
  [[nodiscard]] const FileDescriptor* error_stream() const noexcept override { return nullptr; }
  void kill() noexcept override { killed_.store(true); }
  [[nodiscard]] std::optional<ExitStatus> exit_status() noexcept override {
    ExitStatus status;
    status.exit_code = exit_code_.load();
    return status;
  }

 private:
  std::atomic<bool> killed_{false};
  std::atomic<int> exit_code_{0};
  EventBell ended_;
  std::thread thread_;
};

class InProcessLauncher final : public Launcher {
 public:
  [[nodiscard]] Result<std::unique_ptr<WorkerHandle>> launch(ControlChannel channel, std::uint64_t) override {
    TENON_ASSIGN(auto ended, EventBell::create());
    return std::make_unique<ThreadHandle>(std::move(channel), std::move(ended));
  }
};

}  // namespace

std::unique_ptr<Launcher> make_in_process_launcher() {
  return std::make_unique<InProcessLauncher>();
}

}  // namespace tenon::internal
