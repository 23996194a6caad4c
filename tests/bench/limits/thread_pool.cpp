#include <atomic>
#include <cstdint>
#include <future>

#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>

#include "limits/limits.hpp"

namespace tenon::bench {

void thread_pool(const Settings& settings) {
  boost::asio::thread_pool pool(1);
  report("limit.thread_pool.call", "us", time_each(settings.time(), 100, 20'000, [&] {
           std::promise<void> done;
           boost::asio::post(pool, [&] { done.set_value(); });
           done.get_future().wait();
         }));

  const int count = settings.pick(100'000, 50'000);
  std::vector<double> rates;
  for (int sample = 0; sample < settings.pick(5, 2); ++sample) {
    const double took = time_once([&] {
      std::promise<void> all_done;
      std::atomic<int> left = count;
      for (int i = 0; i < count; ++i) {
        boost::asio::post(pool, [&] {
          if (left.fetch_sub(1, std::memory_order_acq_rel) == 1) {
            all_done.set_value();
          }
        });
      }
      all_done.get_future().wait();
    });
    rates.push_back(count / took * 1e6);
  }
  report("limit.thread_pool.futures", "calls/s", rates);
  pool.join();
}

}  // namespace tenon::bench
