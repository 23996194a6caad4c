#include "host/file_restorer.hpp"

#include <system_error>

#include "platform/thread_signals.hpp"

namespace tenon::internal {

FileRestorer::~FileRestorer() {
  std::thread last;
  {
    auto queue = queue_.lock();
    queue->waiting.clear();
    last = std::move(queue->thread);
  }
  if (last.joinable()) {
    last.join();
  }
}

void FileRestorer::add(Request request) {
  {
    auto queue = queue_.lock();
    queue->waiting.push_back(std::move(request));
    if (queue->running) {
      return;
    }
    if (queue->thread.joinable()) {
      queue->thread.join();  // It has nothing left to do, and returns without this lock.
    }
    try {
      const SignalsBlocked blocked;  // The program's handlers run on its own threads.
      queue->thread = std::thread([this] { run(); });
      queue->running = true;
      return;
    } catch (const std::system_error&) {
      request = std::move(queue->waiting.back());
      queue->waiting.pop_back();
    }
  }
  serve(request);
}

void FileRestorer::run() {
  name_this_thread("tenon-files");
  for (;;) {
    Request next;
    {
      auto queue = queue_.lock();
      if (queue->waiting.empty()) {
        queue->running = false;
        return;
      }
      next = std::move(queue->waiting.front());
      queue->waiting.pop_front();
    }
    serve(next);
  }
}

void FileRestorer::serve(const Request& request) {
  done_(request, request.file->restore());
}

}  // namespace tenon::internal
