#include "base/guarded.hpp"

#include <thread>
#include <vector>

#include "base/scope_guard.hpp"
#include "base/unique_id.hpp"
#include "tenon_test/catch.hpp"

using namespace tenon::internal;

TEST_CASE("Guarded: many threads change one value without losing a change") {
  Guarded<int> sum(0);
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&sum] {
      for (int step = 0; step < 1000; ++step) {
        const auto locked = sum.lock();
        ++*locked;
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  CHECK(sum.get() == 4000);
}

TEST_CASE("Guarded: wait gives the lock up until the predicate holds") {
  Guarded<bool> flag(false);
  std::condition_variable changed;
  std::thread setter([&] {
    flag.set(true);
    changed.notify_all();
  });
  {
    auto locked = flag.lock();
    locked.wait(changed, [&locked] { return *locked; });
    CHECK(*locked);
  }
  setter.join();
}

TEST_CASE("Guarded: set, get and take, each under the lock") {
  Guarded<std::vector<int>> numbers;
  numbers.set({1, 2});
  CHECK(numbers.get() == std::vector{1, 2});
  CHECK(numbers.take() == std::vector{1, 2});
  CHECK(numbers.get().empty());
}

// A loop over `*numbers.lock()` would run without the lock: until C++23 the temporary ends before the first round.
template <typename Locked>
concept Dereferenced = requires(Locked locked) {
  *std::forward<Locked>(locked);
};
static_assert(Dereferenced<Guarded<int>::Locked&>);
static_assert(!Dereferenced<Guarded<int>::Locked>);

TEST_CASE("ScopeGuard: acts once at the end of the scope unless dismissed") {
  int count = 0;
  {
    ScopeGuard guard([&count] { ++count; });
  }
  CHECK(count == 1);
  {
    ScopeGuard guard([&count] { ++count; });
    guard.dismiss();
  }
  CHECK(count == 1);
}

TEST_CASE("unique ids: begin at 1, and random names differ") {
  IdSequence ids;
  CHECK(ids.next() == 1);
  CHECK(ids.next() == 2);
  CHECK(random_name().size() == 16);
  CHECK(random_name() != random_name());
}
