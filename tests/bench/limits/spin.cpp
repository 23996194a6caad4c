#include <atomic>
#include <cstdint>

#include "harness/child.hpp"
#include "limits/limits.hpp"
#include "platform/doorbell.hpp"

namespace tenon::bench {
namespace {

using Word = std::atomic<std::uint32_t>;
constexpr std::uint32_t kStop = ~0u;

struct Words {
  Line<Word> ping;
  Line<Word> pong;
};

void look_while(const Word& word, std::uint32_t value) {
  while (word.load(std::memory_order_acquire) == value) {
    internal::cpu_relax();
  }
}

}  // namespace

void spin_ping_pong(const Settings& settings) {
  const auto words = make_shared_object<Words>();
  Word& ping = words->ping.value;
  Word& pong = words->pong.value;
  const Child child([&] {
    for (std::uint32_t seen = 0; seen != kStop;) {
      look_while(ping, seen);
      seen = ping.load(std::memory_order_relaxed);
      pong.store(seen, std::memory_order_release);
    }
  });
  std::uint32_t turn = 0;
  report("limit.spin_ping_pong", "us", time_each(settings.time(), 100, 100'000, [&] {
           const std::uint32_t before = turn++;
           ping.store(turn, std::memory_order_release);
           look_while(pong, before);
         }));
  ping.store(kStop, std::memory_order_release);
}

}  // namespace tenon::bench
