#include "tools/tenon/call_task.hpp"

#include <chrono>
#include <utility>

#include "host/storage.hpp"

namespace tenon::cli {
namespace {

Failure call_failure(const TaskCall& call, Error error) {
  if (call.context.world.interrupts->load(std::memory_order_relaxed) > 0) {
    return Failure{ExitCode::kInterrupted, Error{ErrorCode::kCancelled, "interrupted", {}}, {}, {}};
  }
  if (error.context.task.empty()) {
    error.context.task = call.task.task->full_name;
  }
  return Failure{ExitCode::kFailed, std::move(error), {}, {}};
}

void show_progress(TaskCall& call, const std::optional<Progress>& progress) {
  if (!progress || !call.status.enabled()) {
    return;
  }
  std::string line = call.task.task->full_name + ": " + group_digits(progress->done);
  if (progress->total > 0) {
    line += " of " + group_digits(progress->total);
  }
  call.status.update(line);
}

/// Waits for a future. A first interrupt asks the task to stop, a second one ends its worker.
template <typename T>
Outcome<T> wait(TaskCall& call, Future<T> future) {
  constexpr std::chrono::milliseconds kLook(50);  // How late an interrupt may be noticed.
  int seen = 0;
  while (!future.wait_for(kLook)) {
    show_progress(call, future.progress());
    const int interrupts = call.context.world.interrupts->load(std::memory_order_relaxed);
    if (interrupts == seen) {
      continue;
    }
    seen = interrupts;
    if (interrupts == 1) {
      future.cancel();
    } else {
      call.runtime.shutdown(Shutdown::kKill);
    }
  }
  call.status.clear();
  auto result = future.get();
  if (!result) {
    return tl::unexpected<Failure>(call_failure(call, std::move(result.error())));
  }
  if constexpr (std::is_void_v<T>) {
    return {};
  } else {
    return std::move(*result);
  }
}

bool interrupted(const TaskCall& call) {
  return call.context.world.interrupts->load(std::memory_order_relaxed) > 0;
}

}  // namespace

Outcome<Reply> call_plain(TaskCall& call, BytesView argument) {
  CallOptions options;
  options.params = call.params;
  return wait(call, call.runtime.submit(call.task.task->full_name, argument, options));
}

Outcome<void> call_source(TaskCall& call, BytesView argument, const TakeResult& take) {
  constexpr std::uint32_t kResultsPerStep = 64;
  SessionOptions options;
  options.params = call.params;
  options.argument = argument;
  auto session = wait(call, call.runtime.open(call.task.task->full_name, options));
  if (!session) {
    return tl::unexpected<Failure>(std::move(session.error()));
  }
  for (;;) {
    auto batch = wait(call, session->next(kResultsPerStep));
    if (!batch) {
      return tl::unexpected<Failure>(std::move(batch.error()));
    }
    for (const Reply& result : batch->results) {
      auto more = take(result);
      if (!more) {
        return tl::unexpected<Failure>(std::move(more.error()));
      }
      if (!*more) {
        return {};
      }
    }
    if (batch->ended) {
      return {};
    }
    if (interrupted(call)) {
      return tl::unexpected<Failure>(call_failure(call, Error{}));
    }
  }
}

Outcome<Reply> call_reduce(TaskCall& call, const NextArgument& next) {
  constexpr std::size_t kArgumentsPerStep = 64;
  SessionOptions options;
  options.params = call.params;
  auto session = wait(call, call.runtime.open(call.task.task->full_name, options));
  if (!session) {
    return tl::unexpected<Failure>(std::move(session.error()));
  }
  for (bool more = true; more;) {
    std::vector<Reply> arguments;
    while (arguments.size() < kArgumentsPerStep) {
      auto argument = next();
      if (!argument) {
        return tl::unexpected<Failure>(std::move(argument.error()));
      }
      if (!*argument) {
        more = false;
        break;
      }
      internal::StoredBytes stored = internal::copy_to_host(**argument);
      arguments.emplace_back(std::move(stored.storage), stored.bytes);
    }
    if (!arguments.empty()) {
      if (auto fed = wait(call, session->feed(arguments)); !fed) {
        return tl::unexpected<Failure>(std::move(fed.error()));
      }
    }
    if (interrupted(call)) {
      return tl::unexpected<Failure>(call_failure(call, Error{}));
    }
  }
  return wait(call, session->finish());
}

}  // namespace tenon::cli
