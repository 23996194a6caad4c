#include "load.hpp"

#include <chrono>

namespace tenon::chaos {
namespace {

void run(LoadState& state, unsigned thread) {
  Random random(scatter(state.options.seed * 256 + thread));
  CallLoad calls(state, random);
  StreamLoad streams(state, random);
  while (state.left.load() > 0) {
    if (random() % 4 == 0) {
      std::this_thread::sleep_for(std::chrono::microseconds(random() % 5000));  // Everything falls asleep.
    }
    std::uint64_t made = 0;
    switch (random() % 12) {
      case 0:
      case 1:
      case 2:
        made = calls.calls();
        break;
      case 3:
      case 4:
      case 5:
      case 6:
        made = calls.futures();
        break;
      case 7:
      case 8:
      case 9:
        made = calls.map();
        break;
      case 10:
        made = streams.sessions();
        break;
      default:
        made = streams.pipeline();
    }
    state.left -= static_cast<std::int64_t>(made);
  }
}

}  // namespace

Load::Load(Runtime& runtime, Book& book, const LoadOptions& options)
    : state_{runtime, book, options, static_cast<std::int64_t>(options.calls)} {
  for (unsigned i = 0; i < options.threads; ++i) {
    threads_.emplace_back([this, i] { run(state_, i); });
  }
}

void Load::wait() {
  for (std::thread& thread : threads_) {
    thread.join();
  }
  threads_.clear();
}

}  // namespace tenon::chaos
