/// Calls beyond the limits of the process: they wait, or they fail with the reason.
#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <thread>
#include <vector>

#include "platform/file_descriptor.hpp"
#include "runtimes.hpp"
#include "tenon_test/catch.hpp"
#include "tenon_test/runtime.hpp"

using namespace std::chrono_literals;
using tenon::ErrorCode;
using tenon::test::sized_argument;
using tenon::test::sleep_argument;

namespace {

#if !defined(__SANITIZE_ADDRESS__)
/// Leaves this process about `spare` descriptors in addition to the open ones; none for 0. Not in builds with the
/// undefined sanitizer, which opens a pipe to see whether it may read an object.
class FewDescriptors {
 public:
  explicit FewDescriptors(std::size_t spare) {
    ::getrlimit(RLIMIT_NOFILE, &before_);
    rlimit few = before_;
    few.rlim_cur = spare == 0 ? 0 : *tenon::internal::open_descriptor_count() + spare;
    ::setrlimit(RLIMIT_NOFILE, &few);
  }
  FewDescriptors(const FewDescriptors&) = delete;
  FewDescriptors& operator=(const FewDescriptors&) = delete;
  ~FewDescriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }

 private:
  rlimit before_{};
};

/// Takes all descriptors that this process may open, until it is destroyed.
class AllDescriptors {
 public:
  /// Returns once none has become free for 200 ms: the threads of a runtime that has just started close their own.
  AllDescriptors() {
    take();
    for (auto last = std::chrono::steady_clock::now(); std::chrono::steady_clock::now() < last + 200ms;) {
      if (take()) {
        last = std::chrono::steady_clock::now();
      }
      std::this_thread::sleep_for(1ms);
    }
  }
  AllDescriptors(const AllDescriptors&) = delete;
  AllDescriptors& operator=(const AllDescriptors&) = delete;
  ~AllDescriptors() { give_back(taken_.size()); }
  /// Takes those that have become free; whether there were any.
  bool take() {
    const std::size_t before = taken_.size();
    for (int copy = ::dup(STDERR_FILENO); copy >= 0; copy = ::dup(STDERR_FILENO)) {
      taken_.push_back(copy);
    }
    return taken_.size() > before;
  }
  void give_back(std::size_t count) {
    for (; count > 0; --count) {
      ::close(taken_.back());
      taken_.pop_back();
    }
  }

 private:
  std::vector<int> taken_;
};
#endif

tenon::Runtime start_with_drain_timeout(unsigned workers, std::chrono::milliseconds drain_timeout = 1h) {
  tenon::RuntimeOptions options = tenon::test::shipped_options(workers);
  options.drain_timeout = drain_timeout;
  options.cancel_grace = 50ms;
  return tenon::test::start(std::move(options));
}

}  // namespace

#if !defined(__SANITIZE_ADDRESS__)
TEST_CASE("limits: more large arguments are queued than there are descriptors, and all calls succeed") {
  auto runtime = start_with_drain_timeout(2);
  const auto large = sized_argument(std::size_t{1} << 20);
  std::optional<FewDescriptors> few(32);
  const auto pause = sleep_argument(runtime, 300);
  const auto first = runtime.submit("tenon.sleep", pause);
  const auto second = runtime.submit("tenon.sleep", pause);
  std::vector<tenon::Future<tenon::Reply>> futures;
  for (int i = 0; i < 300; ++i) {
    futures.push_back(runtime.submit("tenon.discard", large));
  }
  for (const auto& future : futures) {
    future.wait();
  }
  few.reset();
  for (const auto& future : futures) {
    const auto reply = future.get();
    if (!reply) {
      FAIL(reply.error().to_string());
    }
  }
  REQUIRE(first.get());
  REQUIRE(second.get());
}

TEST_CASE("limits: a call whose argument finds no descriptor does not block those behind it that have theirs") {
  auto runtime = start_with_drain_timeout(1);
  const auto large = sized_argument(std::size_t{1} << 20);
  const auto pause = sleep_argument(runtime, 100);
  std::vector<tenon::Future<tenon::Reply>> futures;
  {
    const FewDescriptors few(48);
    AllDescriptors all;
    for (int i = 0; i < 8; ++i) {
      futures.push_back(runtime.submit("tenon.sleep", pause));  // So many that no argument behind them gets its place.
    }
    for (int i = 0; i < 8; ++i) {
      futures.push_back(runtime.submit("tenon.discard", large));  // All wait in private memory.
    }
    all.give_back(6);
    for (int i = 0; i < 8; ++i) {
      futures.push_back(runtime.submit("tenon.discard", large));  // Six have descriptors, and are behind.
    }
    all.take();
    for (const auto& future : futures) {
      future.wait();
    }
  }
  for (const auto& future : futures) {
    const auto reply = future.get();
    if (!reply) {
      FAIL(reply.error().to_string());
    }
  }
}
#endif

#if !defined(__SANITIZE_ADDRESS__)
TEST_CASE("limits: an argument that finds no descriptor for a second is refused, and calls behind it go on meanwhile") {
  auto runtime = start_with_drain_timeout(2);
  const auto large = sized_argument(std::size_t{1} << 20);
  const auto pause = sleep_argument(runtime, 1);
  tenon::Result<tenon::Reply> refused = tenon::fail(ErrorCode::kInternal, "nothing came");
  std::uint64_t ended = 0;
  {
    const FewDescriptors few(48);
    const AllDescriptors all;
    const auto waits = runtime.submit("tenon.discard", large);
    const auto end = std::chrono::steady_clock::now() + 60s;
    while (!waits.ready() && std::chrono::steady_clock::now() < end) {
      std::vector<tenon::Future<tenon::Reply>> others;
      for (int i = 0; i < 8; ++i) {
        others.push_back(runtime.submit("tenon.sleep", pause));
      }
      for (const auto& other : others) {
        ended += other.get().has_value() ? 1 : 0;
      }
    }
    refused = waits.ready() ? waits.get() : refused;
  }
  REQUIRE_FALSE(refused);
  REQUIRE(refused.error().code == ErrorCode::kUnavailable);
  REQUIRE(ended > 16);
}
#endif

TEST_CASE("limits: queued large arguments leave descriptors to the rest of the process") {
  auto runtime = start_with_drain_timeout(1);
  const auto busy = runtime.submit("tenon.sleep", sleep_argument(runtime, 60'000));
  const std::size_t before = *tenon::internal::open_descriptor_count();
  const auto large = sized_argument(std::size_t{1} << 20);
  std::vector<tenon::Future<tenon::Reply>> futures;
  for (int i = 0; i < 400; ++i) {
    futures.push_back(runtime.submit("tenon.discard", large));
  }
  REQUIRE(*tenon::internal::open_descriptor_count() <= before + 300);
  busy.cancel();
  for (const auto& future : futures) {
    REQUIRE(future.get());
  }
}

#if !defined(__SANITIZE_ADDRESS__)
TEST_CASE("limits: a large argument without any descriptor left is an error in the end, not a hang") {
  auto runtime = start_with_drain_timeout(1);
  const auto large = sized_argument(std::size_t{1} << 20);
  const auto reply = [&] {
    const FewDescriptors none(0);
    return runtime.call("tenon.discard", large);
  }();
  REQUIRE_FALSE(reply);
  REQUIRE(reply.error().code == ErrorCode::kUnavailable);
  REQUIRE(runtime.call("tenon.discard", large));
}
#endif

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
TEST_CASE("limits: an argument larger than any memory is an error") {
  auto runtime = start_with_drain_timeout(1);
  const tenon::Buffer little(16);
  // The memory is never read: neither a segment nor private memory of this size can be allocated.
  const tenon::BytesView huge(little.data(), std::size_t{1} << 47);
  const auto reply = runtime.submit("tenon.discard", huge).get();
  REQUIRE_FALSE(reply);
  REQUIRE((reply.error().code == ErrorCode::kOutOfMemory || reply.error().code == ErrorCode::kTooLarge));
}
#endif

TEST_CASE("shutdown: draining ends with drain_timeout") {
  auto runtime = start_with_drain_timeout(1, 50ms);
  const auto future = runtime.submit("tenon.sleep", sleep_argument(runtime, 600'000));
  const auto behind = runtime.submit("tenon.sleep", sleep_argument(runtime, 600'000));
  runtime.shutdown(tenon::Shutdown::kDrain);
  REQUIRE(future.get().error().code == ErrorCode::kCancelled);
  REQUIRE(behind.get().error().code == ErrorCode::kCancelled);
}
