#include "tools/tenon/call_task.hpp"

#include <algorithm>
#include <chrono>
#include <string>
#include <type_traits>
#include <utility>

#include "base/try.hpp"
#include "host/storage.hpp"

namespace tenon::cli {

std::optional<std::chrono::milliseconds> TaskCaller::time_left() const {
  if (!deadline_) {
    return std::nullopt;
  }
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(*deadline_ - std::chrono::steady_clock::now());
  return std::max(left, std::chrono::milliseconds(0));
}

Failure TaskCaller::late_failure(const TaskRef& task) const {
  Error error{ErrorCode::kDeadline, "the call did not finish within " + written_timeout_ + " (--timeout)", {}};
  error.context.task = task.task->full_name;
  return Failure{ExitCode::kFailed, std::move(error), {}, {}};
}

bool LocalCaller::interrupted() const {
  return world_.interrupts->load(std::memory_order_relaxed) > 0;
}

Failure LocalCaller::call_failure(const TaskRef& task, Error error) const {
  if (interrupted()) {
    return Failure{ExitCode::kInterrupted, Error{ErrorCode::kCancelled, "interrupted", {}}, {}, {}};
  }
  if (error.context.task.empty()) {
    error.context.task = task.task->full_name;
  }
  return Failure{ExitCode::kFailed, std::move(error), {}, {}};
}

void LocalCaller::show_progress(const TaskRef& task, const std::optional<Progress>& progress) {
  if (!progress || !status_.enabled()) {
    return;
  }
  std::string line = task.task->full_name + ": " + group_digits(progress->done);
  if (progress->total > 0) {
    line += " of " + group_digits(progress->total);
  }
  status_.update(line);
}

template <typename T>
Outcome<T> LocalCaller::wait(const TaskRef& task, Future<T> future) {
  // The longest delay before an interrupt is noticed.
  constexpr std::chrono::milliseconds kPollInterval(50);
  int seen = 0;
  bool late = false;
  while (!future.wait_for(std::min(kPollInterval, late ? kPollInterval : time_left().value_or(kPollInterval)))) {
    if (!late && is_late()) {
      late = true;
      future.cancel();
    }
    show_progress(task, future.progress());
    const int interrupts = world_.interrupts->load(std::memory_order_relaxed);
    if (interrupts == seen) {
      continue;
    }
    seen = interrupts;
    if (interrupts == 1) {
      future.cancel();
    } else {
      runtime_.shutdown(Shutdown::kKill);
    }
  }
  status_.clear();
  auto result = future.get();
  if (!result && late && !interrupted()) {
    return tl::unexpected<Failure>(late_failure(task));
  }
  if (!result) {
    return tl::unexpected<Failure>(call_failure(task, std::move(result.error())));
  }
  if constexpr (std::is_void_v<T>) {
    return {};
  } else {
    return std::move(*result);
  }
}

Outcome<Reply> LocalCaller::plain(const TaskRef& task, BytesView params, BytesView argument) {
  CallOptions options = options_;
  options.params = params;
  return wait(task, runtime_.submit(task.task->full_name, argument, options));
}

Outcome<void> LocalCaller::source(const TaskRef& task, BytesView params, BytesView argument, const TakeResult& take) {
  constexpr std::uint32_t kResultsPerStep = 64;
  SessionOptions options;
  options.params = params;
  options.argument = argument;
  TENON_ASSIGN(auto session, wait(task, runtime_.open(task.task->full_name, options)));
  for (;;) {
    TENON_ASSIGN(const auto batch, wait(task, session.next(kResultsPerStep)));
    for (const Reply& result : batch.results) {
      TENON_ASSIGN(const auto more, take(result));
      if (!more) {
        return {};
      }
    }
    if (batch.ended) {
      return {};
    }
    if (interrupted()) {
      return tl::unexpected<Failure>(call_failure(task, Error{}));
    }
  }
}

Outcome<Reply> LocalCaller::reduce(const TaskRef& task, BytesView params, const NextArgument& next) {
  constexpr std::size_t kArgumentsPerStep = 64;
  SessionOptions options;
  options.params = params;
  TENON_ASSIGN(auto session, wait(task, runtime_.open(task.task->full_name, options)));
  for (bool more = true; more;) {
    std::vector<Reply> arguments;
    while (arguments.size() < kArgumentsPerStep) {
      TENON_ASSIGN(const auto argument, next());
      if (!argument) {
        more = false;
        break;
      }
      internal::StoredBytes stored = internal::copy_to_host(*argument);
      arguments.emplace_back(std::move(stored.storage), stored.bytes);
    }
    if (!arguments.empty()) {
      TENON_TRY(wait(task, session.feed(arguments)));
    }
    if (interrupted()) {
      return tl::unexpected<Failure>(call_failure(task, Error{}));
    }
  }
  return wait(task, session.finish());
}

}  // namespace tenon::cli
