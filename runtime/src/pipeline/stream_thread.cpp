#include "pipeline/stream_thread.hpp"

#include <utility>

#include "base/try.hpp"

namespace tenon::internal {

void StreamEnds::push(std::uint32_t node) {
  nodes_.lock()->push_back(node);
  executor_.wake();
}

void StreamEnds::take(std::vector<std::uint32_t>& nodes) {
  nodes.clear();
  auto waiting = nodes_.lock();
  std::swap(nodes, *waiting);
}

StreamThread::~StreamThread() {
  shared_.lock()->stops = true;
  changed_.notify_one();
  thread_.join();
}

Result<void> StreamThread::begin(std::function<void()> work) {
  if (!thread_.joinable()) {
    TENON_ASSIGN(thread_, Thread::start(name_, [this] { run(); }));
  }
  shared_.lock()->work = std::move(work);
  changed_.notify_one();
  return {};
}

void StreamThread::run() {
  for (;;) {
    std::function<void()> work;
    {
      auto shared = shared_.lock();
      shared.wait(changed_, [&] { return shared->stops || shared->work; });
      if (shared->stops) {
        return;
      }
      work = std::exchange(shared->work, nullptr);
    }
    work();
    ends_.push(node_);
  }
}

}  // namespace tenon::internal
