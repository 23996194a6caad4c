#include "serve/jobs.hpp"

#include <utility>

#include "platform/thread_signals.hpp"

namespace tenon::internal {

Jobs::Jobs(const char* name, unsigned threads, std::size_t max_waiting) : max_waiting_(max_waiting) {
  const SignalsBlocked no_signals;
  for (unsigned i = 0; i < threads; ++i) {
    threads_.emplace_back([this, name] { work(name); });
  }
}

Jobs::~Jobs() {
  std::deque<std::function<void()>> dropped;
  auto state = state_.lock();
  state->ends = true;
  dropped.swap(state->waiting);
  state.unlock();
  changed_.notify_all();
  for (std::thread& thread : threads_) {
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

void Jobs::work(const char* name) {
  name_this_thread(name);
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
