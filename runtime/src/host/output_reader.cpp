#include "host/output_reader.hpp"

#include <chrono>
#include <cstddef>
#include <utility>
#include <vector>

#include "platform/thread.hpp"

namespace tenon::internal {

namespace {

std::chrono::steady_clock::time_point time_point(MonotonicNs at_ns) {
  return std::chrono::steady_clock::time_point(std::chrono::nanoseconds(at_ns));
}

void write(const LogSink& log, const std::vector<LogLine>& lines) {
  for (const LogLine& line : lines) {
    log(LogRecord{.level = line.level,
                  .message = line.message,
                  .plugin = {},
                  .version = {},
                  .sha256 = {},
                  .task = {},
                  .worker_id = line.worker_id,
                  .call_id = 0,
                  .dropped = line.dropped,
                  .source = line.source});
  }
}

}  // namespace

OutputReader::OutputReader(LogSink log) : shared_(std::make_shared<Shared>(std::move(log))) {}

void OutputReader::read(const std::shared_ptr<WorkerLink>& link, OutputStream stream) {
  auto state = shared_->state.lock();
  if (state->closed) {
    return;
  }
  add(*state, link, stream);
  wake(std::move(state));
}

void OutputReader::add(State& state, const std::shared_ptr<WorkerLink>& link, OutputStream stream) {
  Mark& mark = state.marks[{link->id, stream}];
  if (mark.reading) {
    mark.again = true;
    return;
  }
  if (mark.queued) {
    return;
  }
  mark.queued = true;
  if (state.jobs.empty()) {
    state.taken_ns = monotonic_now_ns();
  }
  state.jobs.push_back({.link = link, .stream = stream, .finish = nullptr});
}

void OutputReader::finish(const std::shared_ptr<WorkerLink>& link) {
  if (link->output_finished.exchange(true)) {
    return;
  }
  const MonotonicNs until_ns = later(monotonic_now_ns(), kPatienceNs);
  const auto finish = std::make_shared<Finish>();
  auto state = shared_->state.lock();
  if (state->jobs.empty()) {
    state->taken_ns = monotonic_now_ns();
  }
  for (const OutputStream stream : {OutputStream::kOutput, OutputStream::kError}) {
    state->jobs.push_front({.link = link, .stream = stream, .finish = finish});
  }
  // Threads that are at work may be blocked, and no other thread would notice during the wait.
  if (state->idle < state->jobs.size() && !start_thread(*state) && state->threads == 0) {
    return;  // `look` tries again.
  }
  shared_->work.notify_all();
  static_cast<void>(
      state.wait_until(shared_->progress, time_point(until_ns), [&] { return finish->open_streams == 0; }));
}

MonotonicNs OutputReader::look(MonotonicNs now_ns) {
  auto state = shared_->state.lock();
  if (state->jobs.empty() || state->closed) {
    return kNever;
  }
  if (state->idle == 0 && later(state->taken_ns, kPatienceNs) <= now_ns) {
    state->taken_ns = now_ns;
    static_cast<void>(start_thread(*state));  // Tried again after the same time if the system has none.
  }
  return later(state->taken_ns, kPatienceNs);
}

void OutputReader::close() {
  auto state = shared_->state.lock();
  state->closed = true;
  shared_->work.notify_all();
  const auto until = time_point(later(monotonic_now_ns(), kPatienceNs));
  static_cast<void>(state.wait_until(shared_->progress, until, [&] { return state->threads == 0; }));
}

void OutputReader::wake(Locked state) {
  // More jobs may come while this thread runs some: they are left to the next call.
  for (std::size_t left = state->jobs.size();; --left) {
    if (state->threads > 0 || start_thread(*state)) {
      state.unlock();
      shared_->work.notify_one();
      return;
    }
    if (left == 0 || state->jobs.empty()) {
      return;
    }
    {
      Job job = std::move(state->jobs.front());
      state->jobs.pop_front();
      if (job.finish != nullptr) {
        state->jobs.push_back(std::move(job));
        continue;
      }
      // A late line is better than none.
      state.unlock();
      run_job(*shared_, job);
    }
    state = shared_->state.lock();
  }
}

bool OutputReader::start_thread(State& state) const {
  auto thread = Thread::start("tenon-output", [shared = shared_] { run(shared); });
  if (!thread) {
    return false;
  }
  thread->detach();
  ++state.threads;
  return true;
}

void OutputReader::run(const std::shared_ptr<Shared>& shared) {
  auto state = shared->state.lock();
  for (;;) {
    if (!state->jobs.empty()) {
      {
        const Job job = std::move(state->jobs.front());
        state->jobs.pop_front();
        state->taken_ns = monotonic_now_ns();
        state.unlock();
        run_job(*shared, job);
      }
      state = shared->state.lock();
      continue;
    }
    if (state->closed || state->idle > 0) {
      break;
    }
    ++state->idle;
    state.wait(shared->work, [&] { return state->closed || !state->jobs.empty(); });
    --state->idle;
  }
  --state->threads;
  shared->progress.notify_all();
}

void OutputReader::run_job(Shared& shared, const Job& job) {
  const auto key = std::pair(job.link->id, job.stream);
  std::shared_ptr<Finish> finish = job.finish;
  {
    auto state = shared.state.lock();
    Mark& mark = state->marks[key];
    if (finish == nullptr) {
      mark.queued = false;
    }
    if (mark.reading) {  // By another thread, which may be blocked there.
      if (finish == nullptr) {
        mark.again = true;
      } else {
        mark.finish = std::move(finish);
      }
      return;
    }
    mark.reading = true;
  }
  for (;;) {
    std::vector<LogLine> lines;
    const OutputRead outcome = job.link->read_output(job.stream, lines);
    if (finish != nullptr) {
      job.link->close_output(job.stream, lines);
    }
    if (shared.log) {
      write(shared.log, lines);
    }
    auto state = shared.state.lock();
    Mark& mark = state->marks[key];
    if (finish == nullptr && mark.finish != nullptr) {
      finish = std::move(mark.finish);
      continue;
    }
    mark.reading = false;
    const bool again = std::exchange(mark.again, false);
    if (finish != nullptr) {
      --finish->open_streams;
      shared.progress.notify_all();
    }
    if (finish == nullptr && !state->closed && (again || outcome == OutputRead::kMore)) {
      add(*state, job.link, job.stream);
    } else if (!mark.queued) {
      state->marks.erase(key);
    }
    return;
  }
}

}  // namespace tenon::internal
