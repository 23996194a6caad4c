/// Items of a bulk call that are cancelled while the other items continue.
#include <csignal>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "host/bulk.hpp"
#include "host/pool.hpp"
#include "host/runtime_access.hpp"
#include "runtimes.hpp"
#include "tenon_test/catch.hpp"
#include "tenon_test/runtime.hpp"

using namespace std::chrono_literals;
using namespace tenon::internal;
using tenon::ErrorCode;
using tenon::test::sleep_argument;
using tenon::test::start_with_grace;

namespace {

constexpr auto kNoHang = 60s;
constexpr auto kKilling = 20s;

/// Records how each item of one bulk call ended.
class Ends final : public BulkSink {
 public:
  explicit Ends(std::uint32_t count) : how_(count), times_(count) {}

  void on_end(const Shared<const BulkWork>& work, const BulkEnds& ends) noexcept override {
    const std::lock_guard lock(mutex_);
    for (std::uint32_t i = 0; i < ends.count; ++i) {
      const auto outcome = work->outcome(ends, i);
      how_[ends.first + i] = outcome ? std::nullopt : std::optional(outcome.error().code);
      ++times_[ends.first + i];
      ++count_;
    }
    changed_.notify_all();
  }
  /// Returns false if fewer items end within a long time.
  [[nodiscard]] bool wait_for(std::size_t count) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, kNoHang, [&] { return count_ >= count; });
  }
  [[nodiscard]] bool ended(std::uint32_t item) {
    const std::lock_guard lock(mutex_);
    return times_[item] > 0;
  }
  /// Returns, after all items have ended, whether each ended once.
  [[nodiscard]] bool all_once() {
    const std::lock_guard lock(mutex_);
    return std::all_of(times_.begin(), times_.end(), [](int times) { return times == 1; });
  }
  [[nodiscard]] bool ok(std::uint32_t item) {
    const std::lock_guard lock(mutex_);
    return times_[item] > 0 && !how_[item];
  }
  [[nodiscard]] bool cancelled(std::uint32_t item) {
    const std::lock_guard lock(mutex_);
    return times_[item] > 0 && how_[item] == ErrorCode::kCancelled;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::optional<ErrorCode>> how_;
  std::vector<int> times_;
  std::size_t count_ = 0;
};

struct Submitted {
  Shared<Ends> ends;
  Shared<const BulkWork> work;
};

Submitted submit(Pool& pool, const std::string& task, const std::vector<tenon::Buffer>& arguments,
                 const tenon::CallOptions& options = {}) {
  const auto count = static_cast<std::uint32_t>(arguments.size());
  BulkBuilder builder;
  for (const tenon::Buffer& argument : arguments) {
    builder.add(argument);
  }
  tenon::Buffer block;
  builder.finish(block);
  Submitted submitted{make_shared_object<Ends>(count), nullptr};
  auto work = pool.calls().make_bulk(submitted.ends, task, options.params, block, count, 0);
  REQUIRE(work);
  submitted.work = *work;
  REQUIRE(pool.submit_bulk(*work, options));
  return submitted;
}

}  // namespace

TEST_CASE("bulk cancel: items that have not begun end at once, the others run") {
  auto runtime = start_with_grace(1);
  const auto pool = RuntimeAccess::pool(runtime);
  // One call before them that is prefetched with them, or so many calls that they stay in the
  // queue.
  const int before = GENERATE(1, 100);
  const auto long_one = sleep_argument(runtime, before == 1 ? 1000 : 20);
  std::vector<tenon::Future<tenon::Reply>> others;
  for (int i = 0; i < before; ++i) {
    others.push_back(runtime.submit("tenon.sleep", long_one));
  }
  const auto bulk = submit(*pool, "tenon.sleep", std::vector(100, sleep_argument(runtime, 0)));
  pool->cancel_items(*bulk.work, 10, 20);
  pool->cancel_items(*bulk.work, 25, 10);
  pool->cancel_items(*bulk.work, 0, 1);
  pool->cancel_items(*bulk.work, 99, 1);
  REQUIRE(bulk.ends->wait_for(27));
  REQUIRE_FALSE(others.back().ready());
  REQUIRE_FALSE(bulk.ends->ended(1));
  REQUIRE(bulk.ends->wait_for(100));
  REQUIRE(bulk.ends->all_once());
  for (std::uint32_t i = 0; i < 100; ++i) {
    CAPTURE(i);
    const bool expected = i == 0 || i == 99 || (i >= 10 && i < 35);
    REQUIRE(bulk.ends->cancelled(i) == expected);
    REQUIRE(bulk.ends->ok(i) == !expected);
  }
  const auto stats = runtime.stats();
  REQUIRE(stats.submitted == 100u + static_cast<unsigned>(before));
  REQUIRE(stats.failed == 27);
}

TEST_CASE("bulk cancel: the item that runs is asked to stop, and no other") {
  auto runtime = start_with_grace(1);
  const auto pool = RuntimeAccess::pool(runtime);
  std::vector arguments(50, sleep_argument(runtime, 0));
  arguments[20] = sleep_argument(runtime, 600'000);
  const auto bulk = submit(*pool, "tenon.sleep", arguments);
  REQUIRE(bulk.ends->wait_for(20));  // Items are taken while item 20 runs.
  pool->cancel_items(*bulk.work, 40, 1);
  REQUIRE(bulk.ends->wait_for(21));
  REQUIRE(bulk.ends->cancelled(40));
  REQUIRE_FALSE(bulk.ends->ended(20));
  pool->cancel_items(*bulk.work, 20, 1);
  REQUIRE(bulk.ends->wait_for(50));
  REQUIRE(bulk.ends->all_once());
  for (std::uint32_t i = 0; i < 50; ++i) {
    CAPTURE(i);
    REQUIRE(bulk.ends->cancelled(i) == (i == 20 || i == 40));
    REQUIRE(bulk.ends->ok(i) == (i != 20 && i != 40));
  }
  REQUIRE(runtime.stats().crashed_workers == 0);
  pool->cancel_items(*bulk.work, 0, 50);  // These items have ended, so this has no effect.
  REQUIRE(bulk.ends->all_once());
}

TEST_CASE("bulk cancel: an item that does not stop is ended with its worker, after cancel_grace") {
  auto runtime = start_with_grace(1, 50ms);
  const auto pool = RuntimeAccess::pool(runtime);
  flatbuffers::FlatBufferBuilder builder;
  builder.Finish(tenon::CreateEmpty(builder));
  const tenon::Buffer empty(builder.GetBufferPointer(), builder.GetBufferPointer() + builder.GetSize());
  const auto hanging = *tenon::test::params_from_json(runtime, "tenon.fail", R"({"mode": "hang"})");
  const auto bulk = submit(*pool, "tenon.fail", std::vector(2, empty), {.params = hanging});
  for (std::uint32_t i = 0; i < 2; ++i) {
    for (int tries = 0; tries < 6000 && runtime.stats().running == 0; ++tries) {
      std::this_thread::sleep_for(10ms);
    }
    pool->cancel_items(*bulk.work, i, 1);
    REQUIRE(bulk.ends->wait_for(i + 1));
    REQUIRE(bulk.ends->cancelled(i));
  }
  REQUIRE(bulk.ends->all_once());
  REQUIRE(runtime.stats().crashed_workers <= 2);
}

TEST_CASE("bulk cancel: at any moment, with workers that are killed, each item ends once") {
  auto runtime = start_with_grace(2);
  const auto pool = RuntimeAccess::pool(runtime);
  std::atomic<bool> done{false};
  std::thread killer([&] {
    std::uint64_t succeeded = 0;
    // Bounded: an item that has not ended by then is lost, not merely late.
    const auto end = std::chrono::steady_clock::now() + kKilling;
    for (int i = 0; !done.load() && std::chrono::steady_clock::now() < end; ++i) {
      std::this_thread::sleep_for(5ms + std::chrono::microseconds(137 * (i % 23)));
      // With a sanitizer on a busy machine, workers may start more slowly than the next kill comes,
      // so that hardly any item would run. So no worker is killed before a few more items have
      // succeeded.
      const std::uint64_t now = runtime.stats().succeeded;
      if (now < succeeded + 40) {
        continue;
      }
      succeeded = now;
      const auto workers = runtime.stats().workers;
      if (!workers.empty() && workers[static_cast<std::size_t>(i) % workers.size()].pid > 0) {
        ::kill(static_cast<pid_t>(workers[static_cast<std::size_t>(i) % workers.size()].pid), SIGKILL);
      }
    }
  });
  std::mt19937 random(7);  // NOLINT(cert-msc51-cpp): the same each time.
  const auto quick = sleep_argument(runtime, 0);
  const auto slow = sleep_argument(runtime, 2);
  std::vector<Submitted> bulks;
  std::vector<std::vector<bool>> asked;
  for (int round = 0; round < 150; ++round) {
    std::vector arguments(1 + random() % 200, quick);
    arguments[random() % arguments.size()] = slow;
    bulks.push_back(submit(*pool, "tenon.sleep", arguments, {.max_attempts = 250}));
    asked.emplace_back(arguments.size(), false);
    for (int i = 0; i < 4; ++i) {
      const std::size_t which = bulks.size() - 1 - random() % std::min<std::size_t>(bulks.size(), 8);
      const auto from = static_cast<std::uint32_t>(random() % asked[which].size());
      const auto count =
          static_cast<std::uint32_t>(1 + random() % std::min<std::size_t>(asked[which].size() - from, 9));
      pool->cancel_items(*bulks[which].work, from, count);
      std::fill_n(asked[which].begin() + from, count, true);
    }
    std::this_thread::sleep_for(std::chrono::microseconds(random() % 1500));
  }
  bool in_time = true;
  for (std::size_t i = 0; i < bulks.size(); ++i) {
    in_time = in_time && bulks[i].ends->wait_for(asked[i].size());
  }
  done = true;
  killer.join();
  REQUIRE(in_time);
  for (std::size_t i = 0; i < bulks.size(); ++i) {
    REQUIRE(bulks[i].ends->all_once());
    for (std::uint32_t item = 0; item < asked[i].size(); ++item) {
      CAPTURE(i, item);
      REQUIRE((bulks[i].ends->ok(item) || (asked[i][item] && bulks[i].ends->cancelled(item))));
    }
  }
  REQUIRE(runtime.stats().queued == 0);
  CHECK(runtime.stats().crashed_workers >= 5);  // With fewer crashes the test would prove little.
}
