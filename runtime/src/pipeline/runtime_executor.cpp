#include "pipeline/runtime_executor.hpp"

#include <chrono>
#include <cstdint>
#include <deque>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

#include "host/runtime_access.hpp"
#include "pipeline/bulk_calls.hpp"
#include "pipeline/end_queue.hpp"

namespace tenon::internal {
namespace {

/// Waits on a future and pushes a note into the queue when the future completes, without
/// allocating. It must not move until then.
struct Notice : Waiter {
  EndQueue* queue = nullptr;
  Ended ended;

  template <typename T>
  void watch(const Future<T>& future) {
    next = nullptr;
    run = [](Waiter* self) noexcept {
      const auto* notice = static_cast<Notice*>(self);
      notice->queue->push(notice->ended);
    };
    if (!future.valid() || !future.state()->add_waiter(this)) {
      queue->push(ended);
    }
  }
};

class RuntimeSession final : public ExecutorSession {
 public:
  RuntimeSession(Runtime& runtime, EndQueue& queue, std::uint32_t first, std::uint32_t second) : runtime_(runtime) {
    notice_.queue = &queue;
    notice_.ended = {Ended::Kind::kSession, first, second};
  }

  void open(const std::string& task, const SessionOptions& options) override { begin(runtime_.open(task, options)); }
  void next(std::uint32_t max_results) override { begin(session_->next(max_results, true)); }
  void feed(const std::vector<Reply>& arguments) override { begin(session_->feed(arguments)); }
  void finish() override { begin(session_->finish()); }
  void checkpoint() override { begin(session_->checkpoint()); }

  void cancel() override {
    std::visit([](const auto& future) { future.cancel(); }, future_);
  }

  std::optional<Progress> progress() const override {
    return std::visit([](const auto& future) { return future.progress(); }, future_);
  }

  Outcome take() override {
    Outcome outcome;
    std::visit([&](const auto& future) { take_from(future, outcome); }, future_);
    return outcome;
  }

 private:
  template <typename T>
  void begin(Future<T> future) {
    future_ = future;
    notice_.watch(future);
  }

  template <typename T>
  void take_from(const Future<T>& future, Outcome& outcome) {
    Result<T> result = future.get();
    if (!result) {
      outcome.error = std::move(result.error());
      return;
    }
    if constexpr (std::is_same_v<T, Session>) {
      session_.emplace(std::move(*result));
    } else if constexpr (std::is_same_v<T, Session::Batch>) {
      outcome.results = std::move(result->results);
      outcome.ended = result->ended;
      outcome.checkpoint = std::move(result->checkpoint);
    } else if constexpr (std::is_same_v<T, Reply>) {
      outcome.results.push_back(std::move(*result));
    }
  }

  Runtime& runtime_;
  Notice notice_;
  std::optional<Session> session_;
  std::variant<Future<Session>, Future<Session::Batch>, Future<void>, Future<Reply>> future_;
};

class RuntimeExecutor final : public Executor {
 public:
  explicit RuntimeExecutor(Runtime& runtime) : runtime_(runtime), together_(RuntimeAccess::pool(runtime), queue_) {}

  unsigned worker_count() const override { return runtime_.worker_count(); }
  Clock::time_point now() const override { return Clock::now(); }
  std::int64_t wall_clock_ns() const override {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now().time_since_epoch())
        .count();
  }

  void submit(std::uint32_t slot, const std::string& task, const Reply& argument, const CallOptions* options,
              const EarlierAttempts& earlier) override {
    // All items of a bulk call share one attempt number.
    if (earlier.count > 0 || !together_.add(slot, task, argument, options)) {
      submit_alone(slot, task, argument, *options, earlier);
    }
  }

  void flush() override {
    together_.flush(alone_);
    for (const BulkCalls::Alone& call : alone_) {
      submit_alone(call.slot, *call.task, *call.argument, *call.options, {});
    }
    alone_.clear();
  }

  void cancel(std::uint32_t slot) override {
    if (!together_.cancel(slot)) {
      calls_[slot].future.cancel();
    }
  }

  Result<Reply> take(std::uint32_t slot) override {
    if (together_.has(slot)) {
      return together_.take(slot);
    }
    Result<Reply> outcome = calls_[slot].future.get();
    calls_[slot].future = {};
    return outcome;
  }

  std::unique_ptr<ExecutorSession> make_session(std::uint32_t first, std::uint32_t second) override {
    return std::make_unique<RuntimeSession>(runtime_, queue_, first, second);
  }

  void wait(Clock::time_point deadline, std::vector<Ended>& ended) override {
    queue_.wait(deadline, ended, bulks_);
    for (BulkEnded& bulk : bulks_) {
      together_.arrived(std::move(bulk), ended);
    }
    bulks_.clear();
  }

  void wake() override { queue_.wake(); }

 private:
  struct CallSlot {
    Notice notice;
    Future<Reply> future;
  };

  void submit_alone(std::uint32_t slot, const std::string& task, const Reply& argument, const CallOptions& options,
                    const EarlierAttempts& earlier) {
    while (calls_.size() <= slot) {
      calls_.emplace_back();
      calls_.back().notice.queue = &queue_;
      calls_.back().notice.ended = {Ended::Kind::kCall, static_cast<std::uint32_t>(calls_.size() - 1), 0};
    }
    CallSlot& call = calls_[slot];
    call.future = RuntimeAccess::submit(runtime_, task, argument, options, earlier);
    call.notice.watch(call.future);
  }

  Runtime& runtime_;
  EndQueue queue_;
  BulkCalls together_;
  std::deque<CallSlot> calls_;           ///< Calls that are sent by themselves. A deque, because
                                         ///< notices must not move.
  std::vector<BulkCalls::Alone> alone_;  ///< Reused, like the next member.
  std::vector<BulkEnded> bulks_;
};

}  // namespace

std::unique_ptr<Executor> make_runtime_executor(Runtime& runtime) {
  return std::make_unique<RuntimeExecutor>(runtime);
}

}  // namespace tenon::internal
