#include "load.hpp"

#include <array>
#include <chrono>

namespace tenon::chaos {
namespace {

/// The forms, repeated by how often each is chosen.
constexpr std::array kForms = {Kind::kCall,   Kind::kCall, Kind::kCall, Kind::kSubmit, Kind::kSubmit,  Kind::kSubmit,
                               Kind::kSubmit, Kind::kMap,  Kind::kMap,  Kind::kMap,    Kind::kSession, Kind::kPipeline};

void run(LoadState& state, unsigned thread) {
  Random random(scatter(state.options.seed * 256 + thread));
  CallLoad calls(state, random);
  StreamLoad streams(state, random);
  while (state.left.load() > 0) {
    if (random() % 4 == 0) {
      // Long enough that all threads go to sleep.
      std::this_thread::sleep_for(std::chrono::microseconds(random() % 5000));
    }
    std::uint64_t made = 0;
    switch (const Kind kind = kForms[random() % kForms.size()];
            (bit(kind) & state.options.forms) != 0 ? kind : Kind::kUnused) {
      case Kind::kCall:
        made = calls.calls();
        break;
      case Kind::kSubmit:
        made = calls.futures();
        break;
      case Kind::kMap:
        made = calls.map();
        break;
      case Kind::kSession:
        made = streams.sessions();
        break;
      case Kind::kPipeline:
        made = streams.pipeline();
        break;
      case Kind::kUnused:
        break;
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
