#include <sched.h>

#include <cstdint>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "harness/child.hpp"
#include "harness/futex.hpp"
#include "limits/limits.hpp"

namespace tenon::bench {
namespace {

constexpr std::uint32_t kStop = ~0u;

struct Words {
  Line<Word> ping;
  Line<Word> pong;
};

/// Returns the cores that this process may use.
std::vector<int> usable_cores() {
  cpu_set_t set;
  TENON_CHECK(sched_getaffinity(0, sizeof set, &set) == 0);
  std::vector<int> cores;
  for (int core = 0; core < CPU_SETSIZE; ++core) {
    if (CPU_ISSET(core, &set)) {
      cores.push_back(core);
    }
  }
  return cores;
}

/// Keeps this process on one core during its lifetime.
class Pin {
 public:
  explicit Pin(std::optional<int> core) {
    TENON_CHECK(sched_getaffinity(0, sizeof before_, &before_) == 0);
    if (core) {
      cpu_set_t set;
      CPU_ZERO(&set);
      CPU_SET(*core, &set);
      TENON_CHECK(sched_setaffinity(0, sizeof set, &set) == 0);
    }
  }
  Pin(const Pin&) = delete;
  Pin& operator=(const Pin&) = delete;
  ~Pin() { sched_setaffinity(0, sizeof before_, &before_); }

 private:
  cpu_set_t before_;
};

/// Runs a ping-pong with this process on core `ours` and the other on core `theirs`; nullopt means
/// any core.
void ping_pong(const std::string& name, const Settings& settings, std::optional<int> ours, std::optional<int> theirs) {
  const auto words = make_shared_object<Words>();
  Word& ping = words->ping.value;
  Word& pong = words->pong.value;
  const Pin pin(ours);
  const Child child([&] {
    const Pin child_pin(theirs);
    for (std::uint32_t seen = 0; seen != kStop;) {
      sleep_while(ping, seen);
      seen = ping.load();
      set_and_wake(pong, seen);
    }
  });
  std::uint32_t turn = 0;
  const auto there_and_back = [&] {
    const std::uint32_t before = turn++;
    set_and_wake(ping, turn);
    sleep_while(pong, before);
  };
  report("limit.futex_ping_pong" + name, "us", time_each(settings.time(), 100, 20'000, there_and_back));
  report("limit.futex_ping_pong.paused" + name, "us",
         time_each(settings.time() * 2, 50, 1'000, there_and_back, [] { std::this_thread::sleep_for(kPause); }));
  set_and_wake(ping, kStop);
}

}  // namespace

void futex_ping_pong(const Settings& settings) {
  ping_pong("", settings, {}, {});
  const std::vector<int> cores = usable_cores();
  ping_pong(".one_core", settings, cores.front(), cores.front());
  if (cores.size() > 1) {
    ping_pong(".two_cores", settings, cores[0], cores[1]);
  }
}

}  // namespace tenon::bench
