#include <algorithm>
#include <chrono>
#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/clock.hpp"
#include "base/try.hpp"
#include "host/launcher.hpp"
#include "host/memory_watch.hpp"
#include "host/worker_index.hpp"
#include "platform/memory_limit.hpp"

namespace tenon::internal {

namespace {

/// The number of the control channel in the worker.
constexpr int kChannelNumber = 3;

/// Distinguishes out-of-memory kills from others. The system reports only their total number.
/// [any-thread]
class OutOfMemoryKills {
 public:
  OutOfMemoryKills() : known_(out_of_memory_kills()) {}
  /// Whether there was another kill that is not accounted for; it is then accounted for.
  bool take() {
    const std::uint64_t now = out_of_memory_kills();
    const std::lock_guard lock(mutex_);
    if (now <= known_) {
      return false;
    }
    ++known_;
    return true;
  }

 private:
  std::mutex mutex_;  // Guards known_.
  std::uint64_t known_;
};

/// Killed processes that have not exited yet. They are reaped when they do, so that no zombie is left. [any-thread]
class LateExits {
 public:
  /// If memory is short, the process stays a zombie until this process exits.
  void add(Process process) noexcept {
    try {
      const std::lock_guard lock(mutex_);
      processes_.push_back(std::move(process));
    } catch (const std::bad_alloc&) {
    }
  }
  /// Reaps those that have exited. Returns the time of the next call; kNever if none is left.
  [[nodiscard]] MonotonicNs look(MonotonicNs now_ns) {
    const std::lock_guard lock(mutex_);
    std::erase_if(processes_, [](Process& process) {
      const auto waited = process.wait(0);
      return !waited || waited->has_value();
    });
    return processes_.empty() ? kNever : now_ns + kPeriodNs;
  }

 private:
  static constexpr std::int64_t kPeriodNs = 1'000'000'000;
  std::mutex mutex_;
  std::vector<Process> processes_;  // Guarded by mutex_.
};

class ProcessHandle final : public WorkerHandle {
 public:
  ProcessHandle(Process process, WorkerIndexes::Lease index, std::shared_ptr<OutOfMemoryKills> kills,
                std::shared_ptr<LateExits> late, MemoryWatch& memory)
      : index_(std::move(index)),
        process_(std::move(process)),
        output_stream_(readable(std::move(process_.standard_output()))),
        error_stream_(readable(std::move(process_.standard_error()))),
        kills_(std::move(kills)),
        late_(std::move(late)),
        memory_(memory.add(process_)) {}
  ProcessHandle(const ProcessHandle&) = delete;
  ProcessHandle& operator=(const ProcessHandle&) = delete;
  ~ProcessHandle() override {
    if (memory_ != nullptr) {
      memory_->forget();
    }
    if (given_up_) {
      late_->add(std::move(process_));
    }
  }
  [[nodiscard]] std::int64_t pid() const noexcept override { return process_.pid(); }
  [[nodiscard]] const FileDescriptor& exit_handle() const noexcept override { return process_.exit_handle(); }
  [[nodiscard]] const FileDescriptor* output_stream() const noexcept override {
    return output_stream_.valid() ? &output_stream_ : nullptr;
  }
  [[nodiscard]] const FileDescriptor* error_stream() const noexcept override {
    return error_stream_.valid() ? &error_stream_ : nullptr;
  }
  void close_output_stream() noexcept override { output_stream_.reset(); }
  void close_error_stream() noexcept override { error_stream_.reset(); }
  void kill() noexcept override {
    killed_ = true;
    process_.kill_group();
  }
  bool give_up() noexcept override {
    if (!killed_ || exit_status()) {
      return killed_;
    }
    // After SIGKILL, no thread of the process returns to its program, whatever holds the thread in the kernel.
    given_up_ = true;
    status_ = ExitStatus{.exit_code = {}, .signal = kKillSignal, .note = ", but it has not exited yet"};
    return true;
  }
  [[nodiscard]] std::optional<ExitStatus> exit_status() noexcept override {
    if (status_) {
      return status_;
    }
    auto waited = process_.wait(0);
    if (waited && !*waited) {
      return std::nullopt;
    }
    // If the wait fails, the cause of the exit is unknown, but not the exit itself.
    status_ = waited ? **waited : ExitStatus{};
    if (memory_ != nullptr) {
      memory_->complete(*status_);
    }
    if (status_->signal == kKillSignal && !killed_ && status_->note.empty() && kills_->take()) {
      status_->note = ": the system was out of memory";
    }
    return status_;
  }

 private:
  static constexpr int kKillSignal = 9;
  /// Returns no descriptor instead of a stream that cannot be made non-blocking: it would block the
  /// reactor.
  [[nodiscard]] static FileDescriptor readable(FileDescriptor stream) noexcept {
    if (!set_non_blocking(stream, true)) {
      stream.reset();
    }
    return stream;
  }

  const WorkerIndexes::Lease index_;
  Process process_;
  FileDescriptor output_stream_;
  FileDescriptor error_stream_;
  const std::shared_ptr<OutOfMemoryKills> kills_;
  const std::shared_ptr<LateExits> late_;
  const std::shared_ptr<WatchedProcess> memory_;
  std::optional<ExitStatus> status_;
  bool killed_ = false;    // Killed by the host.
  bool given_up_ = false;  // The host no longer waits for its exit.
};

class ProcessLauncher final : public Launcher {
 public:
  ProcessLauncher(std::filesystem::path executable, ProcessLauncherOptions options)
      : executable_(std::move(executable)),
        environment_(std::move(options.environment)),
        memory_(options.memory_limit_bytes) {}
  [[nodiscard]] Result<std::unique_ptr<WorkerHandle>> launch(ControlChannel channel, std::uint64_t) override {
    SpawnOptions options;
    options.executable = executable_;
    options.arguments = {"--channel", std::to_string(kChannelNumber)};
    options.standard_output = StreamMode::kPipe;
    options.standard_error = StreamMode::kPipe;
    options.descriptors = {{.source = channel.descriptor().get(), .target = kChannelNumber}};
    WorkerIndexes::Lease index = WorkerIndexes::take(indexes_);
    if (environment_) {
      options.environment = environment_(index.number());
    }
    options.environment.emplace_back("TENON_WORKER_INDEX", std::to_string(index.number()));
    TENON_ASSIGN(auto process, Process::spawn(options));
    return std::make_unique<ProcessHandle>(std::move(process), std::move(index), kills_, late_, memory_);
  }
  [[nodiscard]] MonotonicNs look_after(MonotonicNs now_ns) override {
    return std::min(memory_.look_after(now_ns), late_->look(now_ns));
  }

 private:
  std::filesystem::path executable_;
  const std::function<std::vector<std::pair<std::string, std::string>>(unsigned index)> environment_;
  const std::shared_ptr<WorkerIndexes> indexes_ = std::make_shared<WorkerIndexes>();
  const std::shared_ptr<OutOfMemoryKills> kills_ = std::make_shared<OutOfMemoryKills>();
  const std::shared_ptr<LateExits> late_ = std::make_shared<LateExits>();
  MemoryWatch memory_;
};

}  // namespace

void await_end(WorkerHandle& handle) noexcept {
  constexpr std::chrono::seconds kPatience{1};
  const MonotonicNs until_ns = deadline_after(kPatience);
  while (!handle.exit_status() && monotonic_now_ns() < until_ns) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

std::unique_ptr<Launcher> make_process_launcher(std::filesystem::path executable, ProcessLauncherOptions options) {
  return std::make_unique<ProcessLauncher>(std::move(executable), std::move(options));
}

}  // namespace tenon::internal
