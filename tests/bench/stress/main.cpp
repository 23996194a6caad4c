// Sends messages through the transport between two processes and checks each: `bench_stress
// [MESSAGES]`.
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <string_view>

#include "stress/host.hpp"
#include "stress/worker.hpp"

int main(int argc, char** argv) {
  using namespace tenon::bench;
  std::uint64_t messages = 100'000'000;
  if (argc == 2) {
    const std::string_view argument = argv[1];
    if (argument == "--worker") {
      return run_stress_worker();
    }
    const auto [end, error] = std::from_chars(argument.data(), argument.data() + argument.size(), messages);
    if (error != std::errc() || end != argument.data() + argument.size() || messages == 0) {
      std::fprintf(stderr, "bench_stress: '%s' is no number of messages\n", argv[1]);
      return 2;
    }
  } else if (argc > 2) {
    std::fputs("usage: bench_stress [MESSAGES]\n", stderr);
    return 2;
  }
  return run_stress_host(messages);
}
