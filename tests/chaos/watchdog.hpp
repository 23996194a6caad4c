/// Exits the program if there is no progress: a hang must be reported, not waited for.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <thread>

namespace tenon::chaos {

class Watchdog {
 public:
  /// `progress` increases while there is progress. After `patience` without progress, `report` is
  /// called on the watchdog's thread; it must not return.
  Watchdog(const std::atomic<std::uint64_t>& progress, std::chrono::seconds patience, std::function<void()> report)
      : thread_([this, &progress, patience, report = std::move(report)] {
          std::uint64_t last = progress;
          auto since = std::chrono::steady_clock::now();
          while (!over_) {
            std::this_thread::sleep_for(std::chrono::milliseconds(20));
            if (const std::uint64_t now = progress; now != last) {
              last = now;
              since = std::chrono::steady_clock::now();
            } else if (std::chrono::steady_clock::now() - since > patience) {
              report();
            }
          }
        }) {}
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;
  ~Watchdog() {
    over_ = true;
    thread_.join();
  }

 private:
  std::atomic<bool> over_ = false;
  std::thread thread_;
};

}  // namespace tenon::chaos
