#include "serve/jobs.hpp"

#include <utility>

#include "base/try.hpp"

namespace tenon::internal {

Jobs::Jobs(const char* name, unsigned threads, std::size_t max_waiting)
    : name_(name), thread_count_(threads), max_waiting_(max_waiting) {}

Result<void> Jobs::start() {
  while (threads_.size() < thread_count_) {
    TENON_ASSIGN(auto thread, Thread::start(name_, [this] { work(); }));
    threads_.push_back(std::move(thread));
  }
  return {};
}

Jobs::~Jobs() {
  std::deque<std::function<void()>> dropped;
  auto state = state_.lock();
  state->ends = true;
  dropped.swap(state->waiting);
  state.unlock();
  changed_.notify_all();
  for (Thread& thread : threads_) {
    thread.join();
  }
}

bool Jobs::run(std::function<void()> job) {
  auto state = state_.lock();
  if (state->ends || state->waiting.size() >= max_waiting_) {
    return false;
  }
  state->waiting.push_back(std::move(job));
  state.unlock();
  changed_.notify_one();
  return true;
}

void Jobs::work() {
  for (;;) {
    auto state = state_.lock();
    state.wait(changed_, [&] { return state->ends || !state->waiting.empty(); });
    if (state->ends) {
      return;
    }
    const std::function<void()> job = std::move(state->waiting.front());
    state->waiting.pop_front();
    state.unlock();
    job();
  }
}

}  // namespace tenon::internal
