/// What lies between a RunControl and the engine it steers.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>

#include <tenon/pipeline.hpp>

#include "pipeline/executor.hpp"

namespace tenon::internal {

/// Wishes for the engine, and what it tells. [any-thread]
class Steering {
 public:
  struct Wishes {
    bool paused = false;
    int stop = 0;  ///< As RunOptions::stop.
  };

  // What RunControl does.
  void set_paused(bool paused);
  /// `stop` as RunOptions::stop; the higher one stays. Ends a pause.
  void stop(int stop);
  [[nodiscard]] RunControl::State state() const;
  [[nodiscard]] RunReport report() const;

  // What the engine does.
  /// False: there was a run before. The executor is woken by every wish until `detach`.
  [[nodiscard]] bool attach(Executor& executor);
  void detach();
  [[nodiscard]] Wishes wishes() const noexcept;
  /// Takes the counts of `report` over. `quiet`: paused, and nothing runs any more.
  void publish(const RunReport& report, bool quiet);
  void end(const RunReport& report);

 private:
  void change(std::uint32_t set, std::uint32_t clear);

  // One word, so that the engine reads all wishes at each round without a lock. Relaxed is enough: nothing else is
  // handed over by it, and the wake that follows a change brings it to a sleeping engine.
  std::atomic<std::uint32_t> wishes_{0};
  mutable std::mutex mutex_;
  Executor* executor_ = nullptr;  // Guarded by mutex_, as are the others.
  bool begun_ = false;
  bool ended_ = false;
  bool quiet_ = false;
  RunReport report_;
};

/// Attaches an engine to a control, which may be null, for the time of a run.
class Steered {
 public:
  Steered(const RunControl* control, Executor& executor)
      : steering_(control == nullptr ? nullptr : &control->steering()),
        admitted_(steering_ == nullptr || steering_->attach(executor)) {}
  Steered(const Steered&) = delete;
  Steered& operator=(const Steered&) = delete;
  ~Steered() {
    if (steering_ != nullptr && admitted_) {
      steering_->detach();
    }
  }
  [[nodiscard]] bool admitted() const noexcept { return admitted_; }

 private:
  Steering* steering_;
  bool admitted_;
};

}  // namespace tenon::internal
