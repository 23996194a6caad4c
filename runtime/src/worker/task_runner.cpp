#include "worker/task_runner.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/clock.hpp"
#include "base/hot.hpp"
#include "ipc/frames.hpp"
#include "worker/bulk_runner.hpp"

namespace tenon::internal {

namespace {

constexpr std::size_t kMaxErrorBytes = 8192;
/// Tasks whose calls take no longer than this on average are short.
constexpr std::int64_t kShortNs = 20'000;
/// The same limit for a bulk call.
constexpr std::int64_t kShortBulkNs = 200'000;
/// A vfork() takes longer than this. Its child shares all memory, so that only a system call can
/// detect it. The check is skipped for submissions that exceed the usual time of their task's calls
/// by less than this.
constexpr std::int64_t kVforkNs = 5'000;
/// No task that regularly creates such children is faster: a parent is suspended until its child
/// has executed a program or exited.
constexpr std::int64_t kUsualNs = 15'000;
/// A single result above this size goes to the host in place; a checkpoint beside it would require
/// a copy.
constexpr std::size_t kCopiedResultBytes = 64 * 1024;

/// Whether the host has stopped a step. It then wants neither results nor an error of the task.
bool is_stop(tenon_status_t status) noexcept {
  return status == TENON_CANCELLED || status == TENON_DEADLINE;
}

}  // namespace

TENON_HOT bool TaskRunner::is_short(const Submission& submission) const noexcept {
  const SubmissionDescriptor& descriptor = submission.descriptor;
  if (descriptor.kind != CallKind::kCall && descriptor.kind != CallKind::kBulk) {
    return false;
  }
  const Route* route = core_.routes.find(descriptor.route);
  const std::int64_t count = descriptor.kind == CallKind::kBulk ? descriptor.max_results : 1;
  return route != nullptr && route->mean_ns <= std::max(kShortNs, kShortBulkNs * (count > 1)) / count;
}

TENON_HOT Result<void> TaskRunner::execute(const Submission& submission) {
  const MonotonicNs start_ns = last_end_ns_ != 0 ? last_end_ns_ : monotonic_now_ns();
  calls_run_ = submission.descriptor.kind == CallKind::kLoad ? 0 : 1;
  auto executed = dispatch(submission);
  last_end_ns_ = monotonic_now_ns();
  const std::int64_t took_ns = last_end_ns_ - start_ns;
  Route* route = submission.descriptor.session_id == 0 && calls_run_ > 0
                     ? core_.routes.find(submission.descriptor.route)
                     : nullptr;
  const bool known = route != nullptr && route->mean_ns != kNever;
  if (took_ns >= kVforkNs + (known ? std::min(route->mean_ns, kUsualNs) : 0)) {
    core_.fork_guard.end_any_child();
  }
  core_.end.set_run_time(static_cast<std::uint64_t>(took_ns));
  if (route != nullptr) {
    // Averages over about the last four calls, so that a task whose calls become long is noticed
    // soon.
    const std::int64_t each_ns = took_ns / calls_run_;
    route->mean_ns = known ? route->mean_ns + (each_ns - route->mean_ns) / 4 : each_ns;
  }
  return executed;
}

TENON_HOT Result<void> TaskRunner::dispatch(const Submission& submission) {
  const SubmissionDescriptor& descriptor = submission.descriptor;
  if (descriptor.session_id == 0 || descriptor.kind == CallKind::kOpen) {
    auto route = core_.route(descriptor.route);
    if (!route) {
      if (route.error().code == ErrorCode::kUnavailable && core_.channel.hung_up()) {
        return fail(std::move(route.error()));
      }
      return finish_error(route.error());
    }
    if (descriptor.kind == CallKind::kLoad) {
      // The request is fulfilled: the route is loaded.
      return core_.end.finish(CompletionDescriptor{});
    }
    return descriptor.kind == CallKind::kCall   ? run_call(submission, **route)
           : descriptor.kind == CallKind::kBulk ? run_bulk(submission, **route)
                                                : open(submission, **route);
  }
  if (descriptor.kind == CallKind::kClose) {
    sessions_.close(descriptor.session_id);
    core_.fork_guard.end_child();
    return core_.end.finish(CompletionDescriptor{});
  }
  OpenSession* session = sessions_.find(descriptor.session_id);
  if (session == nullptr) {
    return finish_error(TENON_NOT_FOUND, "the session is not open in this worker");
  }
  return descriptor.kind == CallKind::kStep ? step(submission, *session) : checkpoint(submission, *session);
}

TENON_HOT Result<CallContext::Options> TaskRunner::common_options(const Submission& submission, const Route& route) {
  const SubmissionDescriptor& descriptor = submission.descriptor;
  CallContext::Options options;
  options.route = &route;
  options.call_id = descriptor.call_id;
  options.deadline_ns = (descriptor.flags & kSubmissionRunTimeout) == 0
                            ? descriptor.deadline_ns
                            : later(monotonic_now_ns(), descriptor.deadline_ns);
  options.attempt = descriptor.attempt;
  options.max_results = descriptor.max_results;
  auto argument = core_.resolve(descriptor.argument, submission.inline_payload, "argument");
  if (!argument) {
    return fail(std::move(argument.error()));
  }
  options.argument = *argument;
  options.argument_absent = descriptor.argument.absent();
  auto params = core_.resolve(route.params, {}, "params");
  if (!params) {
    return fail(std::move(params.error()));
  }
  options.params = *params;
  options.results = {
      .arena = &core_.results, .scratch = &core_.scratch, .limit_bytes = core_.result_limit_bytes, .max_results = 0};
  return options;
}

TENON_HOT Result<void> TaskRunner::run_call(const Submission& submission, const Route& route) {
  if (route.loaded->run == nullptr) {
    return finish_error(TENON_INVALID_ARGUMENT, route.full_name + " is a streaming task; open a session of it");
  }
  auto options = common_options(submission, route);
  if (!options) {
    return finish_error(options.error());
  }
  CallContext context(core_, *options);
  const CallOutcome outcome = context.run(route.loaded->run, true, false);
  if (outcome.status != TENON_OK) {
    return finish_error(outcome.status, outcome.message);
  }
  CompletionDescriptor completion;
  if (context.argument_committed()) {
    completion.flags = kCompletionArgument;
    return core_.end.finish(completion);
  }
  ResultBlob blob = std::move(context.results().back());
  context.results().clear();
  return finish_blob(completion, blob);
}

Result<void> TaskRunner::run_bulk(const Submission& submission, Route& route) {
  if (route.loaded->run == nullptr) {
    return finish_error(TENON_INVALID_ARGUMENT, route.full_name + " is a streaming task; open a session of it");
  }
  auto options = common_options(submission, route);
  if (!options) {
    return finish_error(options.error());
  }
  options->max_results = 0;
  auto completion = BulkRunner(core_, submission.descriptor, std::move(*options), route).run();
  if (!completion) {
    return finish_error(completion.error());
  }
  calls_run_ = static_cast<std::int64_t>(completion->items_done);
  return core_.end.finish(*completion);
}

Result<void> TaskRunner::open(const Submission& submission, const Route& route) {
  if (route.loaded->open == nullptr || route.loaded->step == nullptr) {
    return finish_error(TENON_INVALID_ARGUMENT, route.full_name + " is a plain task; call it");
  }
  auto options = common_options(submission, route);
  if (!options) {
    return finish_error(options.error());
  }
  auto checkpoint = core_.resolve(submission.descriptor.checkpoint, {}, "checkpoint");
  if (!checkpoint) {
    return finish_error(checkpoint.error());
  }
  options->checkpoint = *checkpoint;
  options->plain = false;
  CallContext context(core_, *options);
  OpenSession session{.route = route, .state = nullptr, .ended = false};
  const CallOutcome outcome =
      context.run([&](tenon_call_t* call) { return route.loaded->open(call, &session.state); }, false, false);
  if (outcome.status != TENON_OK) {
    return finish_error(outcome.status, outcome.message);
  }
  sessions_.add(submission.descriptor.session_id, std::move(session));
  return core_.end.finish(CompletionDescriptor{});
}

Result<void> TaskRunner::step(const Submission& submission, OpenSession& session) {
  if (session.ended) {
    return finish_error(TENON_INVALID_ARGUMENT, "the session of " + session.route.full_name + " has ended");
  }
  if (session.failure) {
    session.ended = true;
    return finish_error(*session.failure);
  }
  auto options = common_options(submission, session.route);
  if (!options) {
    return finish_error(options.error());
  }
  const bool reduce = session.route.loaded->info->kind == TaskKind::kReduce;
  options->plain = false;
  options->results.max_results = reduce ? 0 : std::max<std::uint32_t>(options->max_results, 1);
  options->max_results = options->results.max_results;
  std::vector<BytesView> arguments{options->argument};
  if ((submission.descriptor.flags & kSubmissionArgumentFrames) != 0) {
    auto frames = read_frames(options->argument);
    if (!frames) {
      return finish_error(frames.error());
    }
    arguments = std::move(*frames);
  }
  const bool last = reduce && options->argument_absent;
  const auto run_step = [&](tenon_call_t* call) { return session.route.loaded->step(call, session.state); };
  for (const BytesView argument : arguments) {
    options->argument = argument;
    CallContext context(core_, *options);
    const MonotonicNs began_ns = reduce ? 0 : monotonic_now_ns();
    CallOutcome outcome = context.run(run_step, last, true);
    if (outcome.status == TENON_OK && reduce && !last && outcome.session_ended) {
      outcome.status = TENON_INTERNAL;
      outcome.message = session.route.full_name + " returned TENON_END although arguments were still coming";
    }
    if (outcome.status == TENON_OK && last && !outcome.session_ended) {
      outcome.status = TENON_INTERNAL;
      outcome.message = session.route.full_name + " did not return TENON_END after its last argument";
    }
    if (outcome.status != TENON_OK) {
      // How many results a step gives depends on time. What a source gave before it failed must not.
      if (!reduce && !context.results().empty() && !is_stop(outcome.status)) {
        session.failure = Error{static_cast<ErrorCode>(outcome.status), std::move(outcome.message), {}};
        return finish_frames(CompletionDescriptor{}, context.results());
      }
      session.ended = true;
      return finish_error(outcome.status, outcome.message);
    }
    session.ended = outcome.session_ended;
    CompletionDescriptor completion;
    completion.flags = outcome.session_ended ? static_cast<std::uint16_t>(kCompletionSessionEnded) : std::uint16_t{0};
    if (last) {
      ResultBlob blob = std::move(context.results().back());
      context.results().clear();
      return finish_blob(completion, blob);
    }
    if (!reduce) {
      if (!outcome.session_ended && add_checkpoint(submission, session, context.results(), began_ns)) {
        completion.flags = static_cast<std::uint16_t>(completion.flags | kCompletionCheckpoint);
      }
      return finish_frames(completion, context.results());
    }
  }
  return core_.end.finish(CompletionDescriptor{});
}

bool TaskRunner::add_checkpoint(const Submission& submission, OpenSession& session, std::vector<ResultBlob>& results,
                                MonotonicNs began_ns) {
  const MonotonicNs stepped_ns = monotonic_now_ns();
  session.pace.stepped(stepped_ns - began_ns);
  const bool in_place = results.size() == 1 && results.front().bytes.size() > kCopiedResultBytes;
  if ((submission.descriptor.flags & kSubmissionCheckpoint) == 0 || results.empty() || in_place ||
      results.size() >= kMaxFrames || session.route.loaded->checkpoint == nullptr || !session.pace.due()) {
    return false;
  }
  auto options = common_options(submission, session.route);
  if (!options) {
    return false;
  }
  options->plain = false;
  options->results.scratch = nullptr;  // It may hold a result of the step.
  CallContext context(core_, *options);
  const CallOutcome outcome = context.run(
      [&](tenon_call_t* call) { return session.route.loaded->checkpoint(call, session.state); }, true, false);
  session.pace.taken(monotonic_now_ns() - stepped_ns);
  if (outcome.status != TENON_OK) {
    if (outcome.status == TENON_UNSUPPORTED) {
      session.pace.unsupported();
    }
    return false;  // The host requests one separately, and then learns why there is none.
  }
  results.push_back(std::move(context.results().back()));
  context.results().clear();
  return true;
}

Result<void> TaskRunner::checkpoint(const Submission& submission, OpenSession& session) {
  if (session.route.loaded->checkpoint == nullptr) {
    return finish_error(TENON_UNSUPPORTED, session.route.full_name + " has no checkpoints");
  }
  if (session.ended) {
    return finish_error(TENON_INVALID_ARGUMENT, "the session of " + session.route.full_name + " has ended");
  }
  if (session.failure) {
    return finish_error(*session.failure);
  }
  auto options = common_options(submission, session.route);
  if (!options) {
    return finish_error(options.error());
  }
  options->plain = false;
  CallContext context(core_, *options);
  const CallOutcome outcome = context.run(
      [&](tenon_call_t* call) { return session.route.loaded->checkpoint(call, session.state); }, true, false);
  if (outcome.status != TENON_OK) {
    return finish_error(outcome.status, outcome.message);
  }
  ResultBlob blob = std::move(context.results().back());
  context.results().clear();
  return finish_blob(CompletionDescriptor{}, blob);
}

Result<void> TaskRunner::finish_error(tenon_status_t status, std::string_view message, std::uint16_t flags) {
  CompletionDescriptor completion;
  completion.status = status;
  completion.flags = flags;
  message = message.substr(0, kMaxErrorBytes);
  const BytesView bytes(reinterpret_cast<const std::uint8_t*>(message.data()), message.size());
  if (message.size() > kCompletionInlineBytes) {
    if (auto block = core_.results.allocate(message.size())) {
      std::memcpy(block->bytes.data(), message.data(), message.size());
      if (auto kept = core_.results.keep(*block, block->bytes.data(), message.size())) {
        completion.payload = *kept;
        return core_.end.finish(completion);
      }
    }
    // If there is no memory for the whole message, its beginning must suffice.
    return core_.end.finish(completion, bytes.first(kCompletionInlineBytes));
  }
  return core_.end.finish(completion, bytes);
}

Result<void> TaskRunner::finish_blob(CompletionDescriptor completion, ResultBlob& blob) {
  const auto give_back = [&] {
    if (blob.block) {
      static_cast<void>(core_.results.free(blob.block->ref));
    }
  };
  if (blob.bytes.size() <= kCompletionInlineBytes) {
    auto finished = core_.end.finish(completion, blob.bytes);
    give_back();
    return finished;
  }
  if (!blob.block) {
    auto block = core_.results.allocate(blob.bytes.size());
    if (!block) {
      return finish_error(block.error());
    }
    std::memcpy(block->bytes.data(), blob.bytes.data(), blob.bytes.size());
    blob.bytes = BytesView(block->bytes.data(), blob.bytes.size());
    blob.block = *block;
  }
  auto kept = core_.results.keep(*blob.block, blob.bytes.data(), blob.bytes.size());
  if (!kept) {
    give_back();
    return finish_error(kept.error());
  }
  completion.payload = *kept;
  return core_.end.finish(completion);
}

Result<void> TaskRunner::finish_frames(CompletionDescriptor completion, std::vector<ResultBlob>& blobs) {
  if (blobs.empty()) {
    return core_.end.finish(completion);
  }
  if (blobs.size() == 1) {
    ResultBlob blob = std::move(blobs.front());
    blobs.clear();
    return finish_blob(completion, blob);
  }
  std::vector<BytesView> frames;
  frames.reserve(blobs.size());
  for (const ResultBlob& blob : blobs) {
    frames.push_back(blob.bytes);
  }
  auto size_bytes = frames_size_bytes(frames);
  if (!size_bytes) {
    return finish_error(size_bytes.error());
  }
  auto block = core_.results.allocate(*size_bytes);
  if (!block) {
    return finish_error(block.error());
  }
  ResultBlob sequence;
  sequence.block = *block;
  sequence.bytes = block->bytes.first(*size_bytes);
  if (auto written = write_frames(frames, block->bytes); !written) {
    static_cast<void>(core_.results.free(block->ref));
    return finish_error(written.error());
  }
  completion.flags = static_cast<std::uint16_t>(completion.flags | kCompletionFrames);
  return finish_blob(completion, sequence);
}

}  // namespace tenon::internal
