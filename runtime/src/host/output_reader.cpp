#include "host/output_reader.hpp"

#include <chrono>
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
  state.jobs.push_back({.link = link, .stream = stream, .finished = nullptr});
}

void OutputReader::finish(const std::shared_ptr<WorkerLink>& link) {
  if (link->output_finished.exchange(true)) {
    return;
  }
  const MonotonicNs until_ns = later(monotonic_now_ns(), kPatienceNs);
  const auto finished = std::make_shared<std::atomic<bool>>(false);
  auto state = shared_->state.lock();
  if (state->jobs.empty()) {
    state->taken_ns = monotonic_now_ns();
  }
  state->jobs.push_front({.link = link, .stream = OutputStream::kError, .finished = finished});
  wake(std::move(state));
  auto waiting = shared_->state.lock();
  static_cast<void>(waiting.wait_until(shared_->progress, time_point(until_ns),
                                       [&] { return finished->load(std::memory_order_relaxed); }));
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
  if (state->threads > 0 || start_thread(*state)) {
    state.unlock();
    shared_->work.notify_one();
    return;
  }
  // A late line is better than none.
  while (!state->jobs.empty()) {
    {
      const Job job = std::move(state->jobs.front());
      state->jobs.pop_front();
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
  if (job.finished == nullptr) {
    read_stream(shared, job.link, job.stream, false);
    return;
  }
  for (const OutputStream stream : {OutputStream::kOutput, OutputStream::kError}) {
    read_stream(shared, job.link, stream, true);
  }
  const auto state = shared.state.lock();
  job.finished->store(true, std::memory_order_relaxed);
  shared.progress.notify_all();
}

void OutputReader::read_stream(Shared& shared, const std::shared_ptr<WorkerLink>& link, OutputStream stream,
                               bool last) {
  const auto key = std::pair(link->id, stream);
  {
    auto state = shared.state.lock();
    Mark& mark = state->marks[key];
    mark.queued = mark.queued && last;
    if (mark.reading) {
      mark.again = true;  // Another thread reads it, or is blocked there.
      return;
    }
    mark.reading = true;
  }
  std::vector<LogLine> lines;
  const OutputRead outcome = link->read_output(stream, lines);
  if (last) {
    link->close_output(stream, lines);
  }
  if (shared.log) {
    write(shared.log, lines);
  }
  auto state = shared.state.lock();
  Mark& mark = state->marks[key];
  mark.reading = false;
  const bool again = std::exchange(mark.again, false);
  if (!last && !state->closed && (again || outcome == OutputRead::kMore)) {
    add(*state, link, stream);
  } else if (!mark.queued) {
    state->marks.erase(key);
  }
}

}  // namespace tenon::internal
