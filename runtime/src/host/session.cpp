#include "host/session.hpp"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <utility>

#include <tenon/internal/promise.hpp>

#include "base/checked.hpp"
#include "base/try.hpp"
#include "ipc/frames.hpp"

namespace tenon::internal {

namespace {

/// Arguments of at least this size in shared memory travel separately, without a copy; smaller ones
/// are gathered.
constexpr std::uint64_t kGatheredBytes = 16 * 1024;
/// Maximum size of the gathered arguments of one step.
constexpr std::uint64_t kStepBytes = 512 * 1024;

/// Completes a future once several calls have completed, with the first error if there was one.
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
    // acq_rel: the last one sees the errors of all others.
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

namespace {

/// Creates a call that opens `record`. Errors: kOutOfMemory.
Result<CallRef> make_open_call(Pool& pool, const std::shared_ptr<SessionRecord>& record, const StoredBytes& argument,
                               StoredBytes checkpoint) {
  const bool travels = !argument.place();
  CallRef call = pool.calls().make_session_call(record, CallKind::kOpen, travels ? argument.bytes : BytesView());
  if (!travels) {
    call->set_stored(argument);
  }
  if (checkpoint.storage != nullptr) {
    call->make_details().checkpoint = std::move(checkpoint);
  }
  return call;
}

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
  if (options.step_timeout) {
    record->step_timeout_ns = std::max<std::int64_t>(options.step_timeout->count(), 0);
  }
  StoredBytes argument;
  if (options.argument.size() > kSubmissionInlineBytes) {
    auto stored = pool->calls().store(options.argument);
    if (!stored) {
      return failed(std::move(stored.error()));
    }
    argument = std::move(*stored);
  } else if (options.argument.data() != nullptr) {
    argument = copy_to_host(options.argument);
  }
  StoredBytes checkpoint;
  if (!options.checkpoint.empty()) {
    auto stored = pool->calls().store(options.checkpoint);
    if (!stored) {
      return failed(std::move(stored.error()));
    }
    checkpoint = std::move(*stored);
  }
  auto call = make_open_call(*pool, record, argument, std::move(checkpoint));
  if (!call) {
    return failed(std::move(call.error()));
  }
  const Future<Reply> opened{Shared<TypedState<Reply>>(*call)};
  auto session = opened.then([pool, record, argument](const Result<Reply>& reply) -> Result<Handle> {
    if (!reply) {
      return fail(reply.error());
    }
    auto handle = std::make_shared<SessionHandle>(pool, record, argument);
    pool->add_session(handle);
    handle->move_soon();  // Its worker may have been replaced while the session was being opened.
    return handle;
  });
  pool->submit(std::move(*call));
  return session;
}

SessionHandle::~SessionHandle() {
  // The result is ignored: a worker that is gone has closed the session too.
  pool_->submit(pool_->calls().make_session_call(record(), CallKind::kClose));
}

// -- moving -----------------------------------------------------------------------------------

template <typename T, typename Begin>
Future<T> SessionHandle::begin_now(const RecordRef& record, Begin begin) {
  Future<T> operation = begin(record);
  bool move_due = false;
  {
    auto state = state_.lock();
    state->last = operation.state();
    --state->beginning;
    move_due = state->move == Move::kWanted;
  }
  if (move_due) {
    static_cast<void>(operation.then([weak = weak_from_this()](const Result<T>&) {
      if (const auto self = weak.lock()) {
        self->move_if_idle();
      }
    }));
  }
  return operation;
}

template <typename T, typename Begin>
Future<T> SessionHandle::operate(Begin begin) {
  auto state = state_.lock();
  if (state->move == Move::kNone) {
    ++state->beginning;
    const RecordRef record = state->record;
    state.unlock();
    return begin_now<T>(record, std::move(begin));
  }
  const Promise<T> promise;
  state->waiting.push_back([this, promise, begin = std::move(begin)](const RecordRef& record) {
    static_cast<void>(begin_now<T>(record, begin).then([promise](Result<T> end) { promise.complete(std::move(end)); }));
  });
  const bool begins = state->move == Move::kWanted;
  state->move = Move::kUnderWay;
  state.unlock();
  if (begins) {
    move_now();
  }
  return promise.future();
}

void SessionHandle::move_soon() {
  if (!pool_->should_move(*record())) {
    return;
  }
  Shared<FutureState> last;
  {
    auto state = state_.lock();
    if (state->move != Move::kNone) {
      return;
    }
    state->move = Move::kWanted;
    if (state->beginning > 0) {
      return;  // The thread that starts it takes care of the move.
    }
    last = state->last;
  }
  if (last == nullptr || last->ready()) {
    move_if_idle();
    return;
  }
  struct Then final : Waiter {
    std::weak_ptr<SessionHandle> session;
  };
  auto* then = new Then;
  then->session = weak_from_this();
  then->run = [](Waiter* self) noexcept {
    const std::unique_ptr<Then> own(static_cast<Then*>(self));
    if (const auto session = own->session.lock()) {
      session->move_if_idle();
    }
  };
  if (!last->add_waiter(then)) {
    then->run(then);
  }
}

void SessionHandle::move_if_idle() {
  {
    auto state = state_.lock();
    if (state->move != Move::kWanted || state->beginning > 0 || (state->last != nullptr && !state->last->ready())) {
      return;
    }
    state->move = Move::kUnderWay;
  }
  move_now();
}

void SessionHandle::move_now() {
  const RecordRef from = record();
  static_cast<void>(submit(pool_->calls().make_session_call(from, CallKind::kCheckpoint))
                        .then([self = shared_from_this(), from](const Result<Reply>& checkpoint) {
                          self->open_elsewhere(from, checkpoint);
                        }));
}

void SessionHandle::open_elsewhere(const RecordRef& from, const Result<Reply>& checkpoint) {
  if (!checkpoint) {
    end_move(from);
    return;
  }
  auto route = pool_->current_route(*from->route);
  auto stored = pool_->calls().share(*checkpoint);
  if (!route || !stored) {
    end_move(from);
    return;
  }
  auto to = std::make_shared<SessionRecord>();
  to->id = pool_->next_session_id();
  to->slot = pool_->slot_for_session();
  to->route = std::move(*route);
  to->step_timeout_ns = from->step_timeout_ns;
  auto call = make_open_call(*pool_, to, argument_, std::move(*stored));
  if (!call) {
    end_move(from);
    return;
  }
  static_cast<void>(submit(std::move(*call)).then([self = shared_from_this(), from, to](const Result<Reply>& opened) {
    if (opened) {
      self->pool_->submit(self->pool_->calls().make_session_call(from, CallKind::kClose));
    }
    self->end_move(opened ? to : from);
  }));
}

void SessionHandle::end_move(const RecordRef& to) {
  bool moved = false;
  // The move lasts until all operations that waited for it have started: the checkpoint of a
  // further move that overtook one of them would not contain it. Operations called meanwhile queue
  // up behind them.
  for (;;) {
    std::function<void(const RecordRef&)> begin;
    {
      auto state = state_.lock();
      moved = moved || state->record != to;
      state->record = to;
      if (state->waiting.empty()) {
        state->move = Move::kNone;
        break;
      }
      begin = std::move(state->waiting.front());
      state->waiting.pop_front();
      ++state->beginning;
    }
    begin(to);
  }
  if (moved) {
    move_soon();  // A further swap may have happened meanwhile.
  }
}

// -- operations -------------------------------------------------------------------------------

Result<void> SessionHandle::check_kind(TaskKind kind, std::string_view operation) {
  const RecordRef own = record();
  const TaskInfo& task = *own->route->ref.task;
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

Future<Session::Batch> SessionHandle::next(std::uint32_t max_results, bool with_checkpoint) {
  if (auto checked = check_kind(TaskKind::kSource, "next"); !checked) {
    return completed_future<Session::Batch>(fail(std::move(checked.error())));
  }
  return operate<Session::Batch>([this, max_results, with_checkpoint](const RecordRef& record) {
    return begin_next(record, max_results, with_checkpoint);
  });
}

Future<Session::Batch> SessionHandle::begin_next(const RecordRef& record, std::uint32_t max_results,
                                                 bool with_checkpoint) {
  CallRef call = pool_->calls().make_session_call(record, CallKind::kStep);
  call->make_details().max_results = std::clamp<std::uint32_t>(max_results, 1, kMaxFrames);
  call->make_details().with_checkpoint = with_checkpoint;
  const Future<Reply> stepped{Shared<TypedState<Reply>>(call)};
  // The flags are written before the call completes, that is, before this function runs.
  auto batch = stepped.then([call](Result<Reply> reply) -> Result<Session::Batch> {
    if (!reply) {
      return fail(std::move(reply.error()));
    }
    Session::Batch results;
    results.ended = (call->details().completion_flags & kCompletionSessionEnded) != 0;
    if ((call->details().completion_flags & kCompletionFrames) != 0) {
      auto frames = read_frames(reply->bytes_in_place());
      if (!frames) {
        // Its worker built valid frames, and code in it overwrote them: the step is lost as if the
        // worker had crashed in it.
        ErrorContext context = context_of(*call->run_route(), call->id(), call->attempt);
        context.charged = true;
        return fail(ErrorCode::kCrashed,
                    "something in the worker wrote over the results of the step: " + frames.error().message,
                    std::move(context));
      }
      for (const BytesView frame : *frames) {
        results.results.emplace_back(reply->storage(), frame);
      }
      if ((call->details().completion_flags & kCompletionCheckpoint) != 0 && !results.results.empty()) {
        results.checkpoint = std::move(results.results.back());
        results.results.pop_back();
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
  return operate<void>([this, arguments](const RecordRef& record) { return begin_feed(record, arguments); });
}

Future<void> SessionHandle::begin_feed(const RecordRef& record, const std::vector<Reply>& arguments) {
  std::vector<CallRef> steps;
  std::vector<BytesView> gathered;
  std::uint64_t gathered_bytes = 0;
  const auto add_step = [&](StoredBytes stored, bool frames) {
    CallRef call = pool_->calls().make_session_call(record, CallKind::kStep);
    call->set_stored(std::move(stored));
    call->make_details().argument_frames = frames;
    steps.push_back(std::move(call));
  };
  const auto flush = [&]() -> Result<void> {
    if (gathered.empty()) {
      return {};
    }
    TENON_ASSIGN(const auto size_bytes, frames_size_bytes(gathered));
    Buffer sequence(size_bytes);
    TENON_TRY(write_frames(gathered, sequence));
    TENON_ASSIGN(auto stored, pool_->calls().store(sequence));
    add_step(std::move(stored), true);
    gathered.clear();
    gathered_bytes = 0;
    return {};
  };
  const auto add_all = [&]() -> Result<void> {
    for (const Reply& argument : arguments) {
      StoredBytes in_place{argument.storage(), argument.bytes_in_place()};
      if (argument.bytes_in_place().size() < kGatheredBytes || !pool_->calls().knows(in_place)) {
        if (gathered_bytes + argument.bytes_in_place().size() > kStepBytes) {
          TENON_TRY(flush());
        }
        gathered.push_back(argument.bytes_in_place());
        gathered_bytes += argument.bytes_in_place().size();
        continue;
      }
      TENON_TRY(flush());
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
  return operate<Reply>(
      [this](const RecordRef& record) { return submit(pool_->calls().make_session_call(record, CallKind::kStep)); });
}

Future<Reply> SessionHandle::checkpoint() {
  return operate<Reply>([this](const RecordRef& record) {
    return submit(pool_->calls().make_session_call(record, CallKind::kCheckpoint));
  });
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

Future<Session::Batch> Session::next(std::uint32_t max_results, bool with_checkpoint) {
  return impl_ == nullptr ? no_session<Batch>() : impl_->handle->next(max_results, with_checkpoint);
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
