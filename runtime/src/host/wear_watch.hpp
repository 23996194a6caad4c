/// host/wear_watch.hpp: finds workers that must be replaced because of what they have run.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "base/clock.hpp"
#include "host/effects.hpp"
#include "host/slot_table.hpp"

namespace tenon::internal {

/// See RuntimeOptions::recycle_after_calls and recycle_above_bytes. Not thread-safe: guarded by the scheduler's lock.
class WearWatch {
 public:
  struct Options {
    std::uint64_t recycle_after_calls = 0;  ///< 0: never.
    bool measures_memory = false;           ///< If false, take_to_measure() returns no workers.
  };
  struct Measured {
    std::uint64_t link_id = 0;
    std::int64_t pid = 0;
  };

  /// `effects` outlives it.
  WearWatch(const Options& options, EffectsBox& effects) noexcept : options_(options), effects_(effects) {}

  /// Counts calls that a worker has run.
  void note_calls(WorkerLink& link, std::uint64_t calls) {
    link.calls_worn += calls;
    if (options_.recycle_after_calls != 0 && link.calls_worn >= options_.recycle_after_calls) {
      wear_out(link);
    }
  }
  /// Whether the worker already has as many calls as it may run before it is replaced.
  [[nodiscard]] bool is_worn(const WorkerLink& link) const noexcept {
    return link.worn || (options_.recycle_after_calls != 0 &&
                         link.calls_worn + link.in_flight.size() >= options_.recycle_after_calls);
  }
  /// Requests a fresh worker in place of this one: it finishes what it has begun, and its other calls go elsewhere.
  void wear_out(WorkerLink& link);
  /// Ids of the links to replace. The reactor replaces them, because a worn worker is found while its completions are
  /// being read.
  [[nodiscard]] std::vector<std::uint64_t> take_worn() noexcept { return std::exchange(worn_, {}); }
  /// Workers whose memory should be measured, outside the lock: those that have run something since the last
  /// measurement.
  [[nodiscard]] std::vector<Measured> take_to_measure(const SlotTable& slots, MonotonicNs now_ns);

 private:
  const Options options_;
  EffectsBox& effects_;
  std::vector<std::uint64_t> worn_;
  MonotonicNs next_measure_ns_ = 0;
};

}  // namespace tenon::internal
