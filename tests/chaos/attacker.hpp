/// Attacks on workers and files from outside while a load runs.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include <tenon/runtime.hpp>

#include "book.hpp"
#include "load.hpp"
#include "mix.hpp"

namespace tenon::chaos {

/// The locations of the files that are attacked.
struct Surroundings {
  std::filesystem::path cache;
  std::filesystem::path store;
  std::filesystem::path plugin;    ///< The file in the directory of the catalog.
  std::filesystem::path original;  ///< The file that it was copied from.
  std::filesystem::path disk;      ///< A separate small file system with cache and store; empty if
                                   ///< there is none.
};

/// Attacks from construction to `stop`. Until destruction it also looks after stopped workers.
class Attacker {
 public:
  struct Options {
    std::uint32_t attacks = 0;
    std::uint64_t seed = 1;
    /// A worker that has been stopped for this long is continued or killed. A call that a stopped
    /// worker has started cannot end otherwise.
    std::chrono::milliseconds thaw_after{700};
  };
  Attacker(Runtime& runtime, Book& book, Surroundings surroundings, const Options& options);
  Attacker(const Attacker&) = delete;
  Attacker& operator=(const Attacker&) = delete;
  ~Attacker();

  /// Ends the attacks and restores the attacked files.
  void stop();
  [[nodiscard]] std::uint64_t attacks() const { return count_; }

 private:
  void run();
  void await_progress();
  void look_after();
  void attack(std::uint32_t what);
  void attack_worker(std::uint32_t what);
  void write_over_plugin();
  void fill_disk();
  void swap();
  void restore_files();
  void look_after_stopped_workers();

  Runtime& runtime_;
  Book& book_;
  const Surroundings surroundings_;
  const Options options_;
  Random random_;
  std::atomic<bool> stopping_ = false;
  std::atomic<bool> over_ = false;
  std::atomic<std::uint64_t> count_ = 0;
  struct Stopped {
    std::uint64_t worker_id = 0;
    std::chrono::steady_clock::time_point due;
  };
  std::vector<Stopped> stopped_;  // Used by the second thread.
  std::thread thread_;
  std::thread carer_;
};

}  // namespace tenon::chaos
