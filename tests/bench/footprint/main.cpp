// The program that tests/bench/footprint traces: calls, or turns of a ping-pong, between two marks.
// Both sides are threads of this process, because valgrind does not support the start of a worker
// (no pidfd_open).
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <thread>

#include "harness/futex.hpp"
#include "host/runtime_access.hpp"
#include "tenon_test/in_process_launcher.hpp"
#include "workloads/bench_runtime.hpp"

namespace tenon::bench {
namespace {

constexpr int kTurns = 300;
constexpr std::chrono::milliseconds kLongEnoughToSleep{5};

/// Stored before and after each turn: the trace is split there.
volatile int begin_mark;
volatile int end_mark;

template <typename Turn>
void trace(Turn turn) {
  std::printf("%p %p\n", static_cast<volatile void*>(&begin_mark), static_cast<volatile void*>(&end_mark));
  for (int i = 0; i < kTurns; ++i) {
    std::this_thread::sleep_for(kLongEnoughToSleep);
    begin_mark = i;
    turn();
    end_mark = i;
  }
}

void trace_calls() {
  Runtime runtime = TENON_VALUE(internal::RuntimeAccess::start(runtime_options(1), test::make_in_process_launcher()));
  const flatbuffers::FlatBufferBuilder argument = bytes_argument(64);
  trace([&] { TENON_CHECK(runtime.call("tenon.echo", view(argument)).has_value()); });
}

void trace_ping_pong() {
  alignas(64) static Word ping{0};
  alignas(64) static Word pong{0};
  std::thread other([] {
    for (std::uint32_t seen = 0; seen < kTurns;) {
      sleep_while(ping, seen);
      seen = ping.load();
      set_and_wake(pong, seen);
    }
  });
  std::uint32_t turn = 0;
  trace([&] {
    set_and_wake(ping, ++turn);
    sleep_while(pong, turn - 1);
  });
  other.join();
}

}  // namespace
}  // namespace tenon::bench

int main(int argc, char** argv) {
  if (argc == 2 && std::strcmp(argv[1], "call") == 0) {
    tenon::bench::trace_calls();
  } else if (argc == 2 && std::strcmp(argv[1], "ping_pong") == 0) {
    tenon::bench::trace_ping_pong();
  } else {
    std::fprintf(stderr, "usage: %s call|ping_pong\n", argv[0]);
    return 2;
  }
}
