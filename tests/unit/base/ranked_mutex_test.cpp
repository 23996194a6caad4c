#include "base/ranked_mutex.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <condition_variable>
#include <csignal>
#include <cstdint>
#include <mutex>
#include <thread>
#include <type_traits>

#include "base/guarded.hpp"
#include "tenon_test/catch.hpp"

using namespace tenon::internal;

namespace {

enum class Rank : std::uint8_t { kOuter, kMiddle, kInner };

template <Rank kRank>
using Checked = RankedMutex<kRank, true>;

/// The signal that ends a process which runs `action`; 0 if it returns.
template <typename Action>
int signal_of(Action action) {
  const pid_t child = fork();
  if (child == 0) {
    static_cast<void>(close(STDERR_FILENO));
    std::signal(SIGABRT, SIG_DFL);
    action();
    _exit(0);
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

}  // namespace

TEST_CASE("RankedMutex: locks are taken in the order of their ranks") {
  Checked<Rank::kOuter> outer;
  Checked<Rank::kInner> inner;
  REQUIRE(signal_of([&] {
            const std::lock_guard first(outer);
            const std::lock_guard second(inner);
          }) == 0);
}

TEST_CASE("RankedMutex: a wrong order ends the program") {
  Checked<Rank::kOuter> outer;
  Checked<Rank::kInner> inner;
  REQUIRE(signal_of([&] {
            const std::lock_guard first(inner);
            const std::lock_guard second(outer);
          }) == SIGABRT);
}

TEST_CASE("RankedMutex: two locks of one rank are a wrong order") {
  Checked<Rank::kMiddle> one;
  Checked<Rank::kMiddle> other;
  REQUIRE(signal_of([&] {
            const std::lock_guard first(one);
            const std::lock_guard second(other);
          }) == SIGABRT);
}

TEST_CASE("RankedMutex: what has been unlocked does not count, in whatever order that was") {
  Checked<Rank::kOuter> outer;
  Checked<Rank::kMiddle> middle;
  Checked<Rank::kInner> inner;
  outer.lock();
  middle.lock();
  outer.unlock();
  inner.lock();
  middle.unlock();
  inner.unlock();
  REQUIRE(HeldRanks::of_this_thread().bits() == 0);
  outer.lock();
  REQUIRE_FALSE(HeldRanks::of_this_thread().allow(static_cast<unsigned>(Rank::kOuter)));
  REQUIRE(HeldRanks::of_this_thread().allow(static_cast<unsigned>(Rank::kMiddle)));
  outer.unlock();
}

TEST_CASE("RankedMutex: each thread has its own locks") {
  Checked<Rank::kOuter> outer;
  Checked<Rank::kInner> inner;
  const std::lock_guard held(inner);
  std::thread other([&] { const std::lock_guard lock(outer); });
  other.join();
  REQUIRE(HeldRanks::of_this_thread().bits() == std::uint64_t{1} << static_cast<unsigned>(Rank::kInner));
}

TEST_CASE("RankedMutex: a guarded value can have one, and wait on a condition") {
  Guarded<int, Checked<Rank::kOuter>> value(3);
  std::condition_variable changed;
  std::thread other([&] {
    value.set(4);
    changed.notify_all();
  });
  {
    auto locked = value.lock();
    locked.wait(changed, [&] { return *locked == 4; });
    REQUIRE(HeldRanks::of_this_thread().bits() == 1);
  }
  REQUIRE(HeldRanks::of_this_thread().bits() == 0);
  other.join();
}

TEST_CASE("RankedMutex: unchecked, it is as large as a mutex") {
  STATIC_REQUIRE(sizeof(RankedMutex<Rank::kOuter, false>) == sizeof(std::mutex));
}
