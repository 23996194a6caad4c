/// host/trials.hpp: which calls go to a generation on trial.
///
///   trials.begin(generation, 0.1, false);
///   if (!trials.empty()) trials.divert(call);        // every tenth goes to one of its workers
///   Trials::undivert(call);                          // and back: the trial's worker failed it
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "host/call.hpp"
#include "host/slot_table.hpp"
#include "swap/generation.hpp"

namespace tenon::internal {

/// The trials under way. Only idempotent calls of plain tasks take part. Not thread-safe: guarded by the scheduler's
/// lock.
class Trials {
 public:
  /// `slots` outlives it.
  explicit Trials(SlotTable& slots) : slots_(slots) {}

  [[nodiscard]] bool empty() const noexcept { return trials_.empty(); }
  /// The generation's workers take a share of the calls, or the shadows of such a share.
  void begin(const GenerationRef& generation, double share, bool shadow);
  void end(const Generation& generation);

  /// Binds the call to a worker of the trial of its plugin, if it is this call's turn.
  void divert(Call& call);
  /// Returns the call to the route to which it was submitted, as if there had been no trial.
  static void undivert(Call& call);
  /// The slot for a shadow of a call; nullopt if the call gets none.
  [[nodiscard]] std::optional<std::uint32_t> slot_for_shadow(const Call& call);

 private:
  struct Trial {
    GenerationRef generation;
    double share = 0;
    bool shadow = false;
    double credit = 0;  ///< Number of calls that the trial is owed.
    std::size_t next_slot = 0;
  };
  [[nodiscard]] Trial* trial_of(const HostRoute& route) noexcept;
  [[nodiscard]] std::optional<std::uint32_t> next_slot(Trial& trial) const noexcept;

  SlotTable& slots_;
  std::vector<Trial> trials_;
};

}  // namespace tenon::internal
