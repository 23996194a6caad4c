/// The state that a RunControl and its engine share.
#pragma once

#include <atomic>
#include <cstdint>

#include <tenon/pipeline.hpp>

#include "base/guarded.hpp"
#include "pipeline/executor.hpp"

namespace tenon::internal {

/// Requests to the engine, and the state that the engine publishes. [any-thread]
class Steering {
 public:
  struct Requests {
    bool paused = false;
    int stop = 0;  ///< As in RunOptions::stop.
  };

  // For RunControl:
  void set_paused(bool paused);
  /// `stop` as in RunOptions::stop; the highest value stays. Ends a pause.
  void stop(int stop);
  [[nodiscard]] RunControl::State state() const;
  [[nodiscard]] RunReport report() const;

  // For the engine:
  /// Returns false if there was a run before. Until `detach`, every request wakes the executor.
  [[nodiscard]] bool attach(Executor& executor);
  void detach();
  [[nodiscard]] Requests requests() const noexcept;
  /// Copies the counts of `report`. `quiet`: the run is paused and nothing runs any more.
  void publish(const RunReport& report, bool quiet);
  void end(const RunReport& report);

 private:
  struct Run {
    Executor* executor = nullptr;  ///< Set while a run is attached.
    bool begun = false;
    bool ended = false;
    bool quiet = false;
    RunReport report;
  };

  void change(std::uint32_t set, std::uint32_t clear);

  // One word, so that the engine reads all requests in each round without a lock. Relaxed ordering
  // is enough: the word hands over no other data, and the wake after each change notifies a
  // sleeping engine.
  std::atomic<std::uint32_t> requests_{0};
  mutable Guarded<Run> run_;
};

/// Attaches an engine to a control, which may be null, for the duration of a run.
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
