// What a small call costs, beside what the machine asks for the same: a futex ping-pong between two processes, and a
// spawn. All in one run, so that the ratios hold where the machine is noisy.
#include <linux/futex.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <string>
#include <thread>
#include <vector>

#include "tenon_test/check.hpp"
#include "tenon_test/runtime.hpp"

namespace {

using Clock = std::chrono::steady_clock;

struct Figure {
  double p50 = 0;
  double p99 = 0;
};

double microseconds_since(Clock::time_point start) {
  return std::chrono::duration<double, std::micro>(Clock::now() - start).count();
}

Figure summarise(std::vector<double> samples) {
  std::sort(samples.begin(), samples.end());
  return {samples[samples.size() / 2], samples[samples.size() * 99 / 100]};
}

template <typename Run>
Figure measure(int count, Run run) {
  for (int i = 0; i < count / 10; ++i) {
    run();
  }
  std::vector<double> samples;
  samples.reserve(static_cast<std::size_t>(count));
  for (int i = 0; i < count; ++i) {
    const Clock::time_point start = Clock::now();
    run();
    samples.push_back(microseconds_since(start));
  }
  return summarise(std::move(samples));
}

void print(const char* name, const char* unit, Figure figure) {
  std::printf("%-30s %10.2f %10.2f  %s\n", name, figure.p50, figure.p99, unit);
}

void futex_wait(std::atomic<std::uint32_t>& word, std::uint32_t expected) {
  while (word.load() == expected) {
    syscall(SYS_futex, &word, FUTEX_WAIT, expected, nullptr, nullptr, 0);
  }
}

void futex_set(std::atomic<std::uint32_t>& word, std::uint32_t value) {
  word.store(value);
  syscall(SYS_futex, &word, FUTEX_WAKE, 1, nullptr, nullptr, 0);
}

/// The limit: a word back and forth between two processes that both sleep.
Figure futex_ping_pong(int count) {
  auto* words = static_cast<std::atomic<std::uint32_t>*>(
      mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  TENON_CHECK(words != MAP_FAILED);
  auto& ping = words[0];
  auto& pong = words[32];
  constexpr std::uint32_t kStop = ~0u;
  const pid_t child = fork();  // Before any thread of a runtime is there.
  TENON_CHECK(child >= 0);
  if (child == 0) {
    for (std::uint32_t seen = 0;;) {
      futex_wait(ping, seen);
      seen = ping.load();
      if (seen == kStop) {
        _exit(0);
      }
      futex_set(pong, seen);
    }
  }
  std::uint32_t turn = 0;
  const Figure figure = measure(count, [&] {
    const std::uint32_t before = turn++;
    futex_set(ping, turn);
    futex_wait(pong, before);
  });
  futex_set(ping, kStop);
  waitpid(child, nullptr, 0);
  munmap(words, 4096);
  return figure;
}

/// The limit: two processes started and ended.
Figure two_spawns(int count) {
  return measure(count, [] {
    pid_t children[2];
    char name[] = "/bin/true";
    char* arguments[] = {name, nullptr};
    char* environment[] = {nullptr};
    for (pid_t& child : children) {
      TENON_CHECK(posix_spawn(&child, name, nullptr, nullptr, arguments, environment) == 0);
    }
    for (const pid_t child : children) {
      waitpid(child, nullptr, 0);
    }
  });
}

}  // namespace

int main() {
  std::printf("%-30s %10s %10s\n", "", "p50", "p99");
  const Figure ping_pong = futex_ping_pong(20'000);
  print("limit.futex_ping_pong", "us", ping_pong);
  print("limit.spawn.2", "us", two_spawns(50));

  print("tenon.start.2", "us", measure(20, [] {
          auto runtime = TENON_VALUE(tenon::Runtime::start(tenon::test::runtime_options(2)));
          (void)TENON_VALUE(runtime.call<tenon::Bytes>("tenon.echo", tenon::test::bytes_argument("x")));
        }));

  auto runtime = TENON_VALUE(tenon::Runtime::start(tenon::test::runtime_options(1)));
  const flatbuffers::FlatBufferBuilder argument = tenon::test::bytes_argument(std::string(24, 'x'));
  const tenon::BytesView bytes(argument.GetBufferPointer(), argument.GetSize());
  const auto call = [&] { TENON_CHECK(runtime.call("tenon.echo", bytes).has_value()); };

  print("tenon.call.64B.awake", "us", measure(50'000, call));
  // Between two calls both sides go to sleep: the pause is outside of what is measured.
  std::vector<double> sleeping;
  for (int i = 0; i < 3'000; ++i) {
    std::this_thread::sleep_for(std::chrono::microseconds(300));
    const Clock::time_point start = Clock::now();
    call();
    sleeping.push_back(microseconds_since(start));
  }
  print("tenon.call.64B.sleeping", "us", summarise(std::move(sleeping)));

  std::vector<double> rates;
  for (int round = 0; round < 9; ++round) {
    constexpr int kCalls = 100'000;
    std::vector<tenon::Future<tenon::Reply>> futures;
    futures.reserve(kCalls);
    const Clock::time_point start = Clock::now();
    for (int i = 0; i < kCalls; ++i) {
      futures.push_back(runtime.submit("tenon.echo", bytes));
    }
    for (const auto& future : futures) {
      TENON_CHECK(future.get().has_value());
    }
    rates.push_back(kCalls / microseconds_since(start) * 1000);
  }
  print("tenon.futures.1", "k calls/s", summarise(std::move(rates)));

  const std::string large(std::size_t{64} << 20, 'x');
  const flatbuffers::FlatBufferBuilder large_argument = tenon::test::bytes_argument(large);
  const tenon::BytesView large_bytes(large_argument.GetBufferPointer(), large_argument.GetSize());
  std::vector<std::uint8_t> copy(large_bytes.size());
  print("limit.memcpy.64MiB", "us",
        measure(20, [&] { std::copy(large_bytes.begin(), large_bytes.end(), copy.begin()); }));
  print("tenon.echo.64MiB.copied", "us", measure(20, [&] {
          const tenon::Reply reply = TENON_VALUE(runtime.call("tenon.echo", large_bytes));
          TENON_CHECK(reply.bytes().size() == large_bytes.size());
        }));
  return 0;
}
