#include "host/session.hpp"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <utility>

#include "base/checked.hpp"
#include "ipc/frames.hpp"

namespace tenon::internal {

namespace {

/// Arguments from this size on that lie in shared memory travel by themselves, without a copy; smaller ones are
/// gathered.
constexpr std::uint64_t kGatheredBytes = 16 * 1024;
/// Gathered arguments of one step at most.
constexpr std::uint64_t kStepBytes = 512 * 1024;

/// Completes a future once all of several calls have; with the first error there was.
class AllDone {
 public:
  explicit AllDone(std::size_t count) : open_(count) {}
  [[nodiscard]] Future<void> future() const { return promise_.future(); }
  void one(const Result<Reply>& outcome) {
    if (!outcome) {
      const std::lock_guard lock(mutex_);
      if (!error_) {
        error_ = outcome.error();
      }
    }
    // acq_rel: the last one sees the error of every other.
    if (open_.fetch_sub(1, std::memory_order_acq_rel) == 1) {
      promise_.complete(error_ ? Result<void>(fail(*error_)) : Result<void>());
    }
  }

 private:
  std::atomic<std::size_t> open_;
  std::mutex mutex_;  // Guards error_.
  std::optional<Error> error_;
  Promise<void> promise_;
};

}  // namespace

Future<std::shared_ptr<SessionHandle>> open_session(const std::shared_ptr<Pool>& pool, std::string_view task,
                                                    const SessionOptions& options) {
  using Handle = std::shared_ptr<SessionHandle>;
  const auto failed = [](Error error) { return completed_future<Handle>(fail(std::move(error))); };
  auto route = pool->route(task, options.params);
  if (!route) {
    return failed(std::move(route.error()));
  }
  if ((*route)->ref.task->kind == TaskKind::kPlain) {
    return failed(Error{ErrorCode::kInvalidArgument, (*route)->ref.task->full_name + " is a plain task; call it", {}});
  }
  auto record = std::make_shared<SessionRecord>();
  record->id = pool->next_session_id();
  record->slot = pool->slot_for_session();
  record->route = std::move(*route);
  const bool travels = options.argument.size() <= kSubmissionInlineBytes;
  CallRef call = pool->make_session_call(record, CallKind::kOpen, travels ? options.argument : BytesView());
  if (!travels) {
    auto stored = pool->store(options.argument);
    if (!stored) {
      return failed(std::move(stored.error()));
    }
    call->set_stored(std::move(*stored));
  }
  if (!options.checkpoint.empty()) {
    auto stored = pool->store(options.checkpoint);
    if (!stored) {
      return failed(std::move(stored.error()));
    }
    call->make_details().checkpoint = std::move(*stored);
  }
  const Future<Reply> opened{Shared<TypedState<Reply>>(call)};
  auto session = opened.then([pool, record](const Result<Reply>& reply) -> Result<Handle> {
    if (!reply) {
      return fail(reply.error());
    }
    return std::make_shared<SessionHandle>(pool, record);
  });
  pool->submit(std::move(call));
  return session;
}

SessionHandle::~SessionHandle() {
  // The answer interests nobody: a worker that is gone has closed it too.
  pool_->submit(pool_->make_session_call(record_, CallKind::kClose));
}

Result<void> SessionHandle::check_kind(TaskKind kind, std::string_view operation) const {
  const TaskInfo& task = *record_->route->ref.task;
  if (task.kind != kind) {
    return fail(ErrorCode::kInvalidArgument,
                std::string(operation) + " is for a " + (kind == TaskKind::kSource ? "source" : "reduce") + "; " +
                    task.full_name + " is a " + (task.kind == TaskKind::kSource ? "source" : "reduce"));
  }
  return {};
}

Future<Reply> SessionHandle::submit(CallRef call) {
  Future<Reply> future{Shared<TypedState<Reply>>(call)};
  pool_->submit(std::move(call));
  return future;
}

Future<Session::Batch> SessionHandle::next(std::uint32_t max_results) {
  if (auto checked = check_kind(TaskKind::kSource, "next"); !checked) {
    return completed_future<Session::Batch>(fail(std::move(checked.error())));
  }
  CallRef call = pool_->make_session_call(record_, CallKind::kStep);
  call->make_details().max_results = std::clamp<std::uint32_t>(max_results, 1, kMaxFrames);
  const Future<Reply> stepped{Shared<TypedState<Reply>>(call)};
  // The flags were written before the call completed, which is when the function runs.
  auto batch = stepped.then([call](Result<Reply> reply) -> Result<Session::Batch> {
    if (!reply) {
      return fail(std::move(reply.error()));
    }
    Session::Batch results;
    results.ended = (call->details().completion_flags & kCompletionSessionEnded) != 0;
    if ((call->details().completion_flags & kCompletionFrames) != 0) {
      auto frames = read_frames(reply->bytes());
      if (!frames) {
        return fail(std::move(frames.error()));
      }
      for (const BytesView frame : *frames) {
        results.results.emplace_back(reply->storage(), frame);
      }
    } else if (reply->storage() != nullptr) {
      results.results.push_back(std::move(*reply));
    }
    return results;
  });
  pool_->submit(std::move(call));
  return batch;
}

Future<void> SessionHandle::feed(const std::vector<Reply>& arguments) {
  if (auto checked = check_kind(TaskKind::kReduce, "feed"); !checked) {
    return completed_future<void>(fail(std::move(checked.error())));
  }
  std::vector<CallRef> steps;
  std::vector<BytesView> gathered;
  std::uint64_t gathered_bytes = 0;
  const auto add_step = [&](StoredBytes stored, bool frames) {
    CallRef call = pool_->make_session_call(record_, CallKind::kStep);
    call->set_stored(std::move(stored));
    call->make_details().argument_frames = frames;
    steps.push_back(std::move(call));
  };
  const auto flush = [&]() -> Result<void> {
    if (gathered.empty()) {
      return {};
    }
    auto size_bytes = frames_size_bytes(gathered);
    if (!size_bytes) {
      return fail(std::move(size_bytes.error()));
    }
    Buffer sequence(*size_bytes);
    if (auto written = write_frames(gathered, sequence); !written) {
      return written;
    }
    auto stored = pool_->store(sequence);
    if (!stored) {
      return fail(std::move(stored.error()));
    }
    add_step(std::move(*stored), true);
    gathered.clear();
    gathered_bytes = 0;
    return {};
  };
  const auto add_all = [&]() -> Result<void> {
    for (const Reply& argument : arguments) {
      StoredBytes in_place{argument.storage(), argument.bytes()};
      if (argument.bytes().size() < kGatheredBytes || !pool_->knows(in_place)) {
        if (gathered_bytes + argument.bytes().size() > kStepBytes) {
          if (auto flushed = flush(); !flushed) {
            return flushed;
          }
        }
        gathered.push_back(argument.bytes());
        gathered_bytes += argument.bytes().size();
        continue;
      }
      if (auto flushed = flush(); !flushed) {
        return flushed;
      }
      add_step(std::move(in_place), false);
    }
    return flush();
  };
  if (auto added = add_all(); !added) {
    return completed_future<void>(fail(std::move(added.error())));
  }
  if (steps.empty()) {
    return completed_future<void>({});
  }
  auto all = std::make_shared<AllDone>(steps.size());
  Future<void> future = all->future();
  for (CallRef& step : steps) {
    const Future<Reply> stepped{Shared<TypedState<Reply>>(step)};
    static_cast<void>(stepped.then([all](const Result<Reply>& outcome) { all->one(outcome); }));
    pool_->submit(std::move(step));
  }
  return future;
}

Future<Reply> SessionHandle::finish() {
  if (auto checked = check_kind(TaskKind::kReduce, "finish"); !checked) {
    return completed_future<Reply>(fail(std::move(checked.error())));
  }
  return submit(pool_->make_session_call(record_, CallKind::kStep));
}

Future<Reply> SessionHandle::checkpoint() {
  return submit(pool_->make_session_call(record_, CallKind::kCheckpoint));
}

}  // namespace tenon::internal

namespace tenon {

namespace {

template <typename T>
Future<T> no_session() {
  return internal::completed_future<T>(
      fail(ErrorCode::kInvalidArgument, "this session has been moved away; use the one it was moved to"));
}

}  // namespace

Session::Session(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Session::Session(Session&&) noexcept = default;
Session& Session::operator=(Session&&) noexcept = default;
Session::~Session() = default;

Future<Session::Batch> Session::next(std::uint32_t max_results) {
  return impl_ == nullptr ? no_session<Batch>() : impl_->handle->next(max_results);
}
Future<void> Session::feed(const std::vector<Reply>& arguments) {
  return impl_ == nullptr ? no_session<void>() : impl_->handle->feed(arguments);
}
Future<Reply> Session::finish() {
  return impl_ == nullptr ? no_session<Reply>() : impl_->handle->finish();
}
Future<Reply> Session::checkpoint() {
  return impl_ == nullptr ? no_session<Reply>() : impl_->handle->checkpoint();
}

}  // namespace tenon
