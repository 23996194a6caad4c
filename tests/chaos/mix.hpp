/// What happens in one phase of a run: how tasks misbehave, and the attacks on workers and files
/// from outside.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

#include "ways.hpp"

namespace tenon::chaos {

/// Attacks from outside.
enum Attack : std::uint32_t {
  kAttackKill = 1,         ///< Signals that kill a worker.
  kAttackStop = 2,         ///< Stops a worker and continues or kills it later.
  kAttackFreeze = 4,       ///< Stops a worker; see Attacker::Options::thaw_after.
  kAttackStoreDelete = 8,  ///< Removes the cache and the store.
  kAttackPluginFile = 16,  ///< Overwrites the plugin's file, renames another over it, removes it;
                           ///< restores it.
  kAttackDiskFull = 32,    ///< Fills the file system that contains cache, store and temporary
                           ///< files.
  kAttackSwap = 64,        ///< Swaps to a copy of the plugin with another content.
};

struct Mix {
  std::string_view name;
  std::uint64_t ways = 0;
  std::uint32_t attacks = 0;
  /// One call in this many misbehaves.
  std::uint64_t density = 100;
};

inline constexpr std::uint64_t kWaysOfDying =
    bit(Way::kSegfault) | bit(Way::kAbort) | bit(Way::kExitZero) | bit(Way::kExitThree) | bit(Way::kQuickExit) |
    bit(Way::kKillSelf) | bit(Way::kTerminateSelf) | bit(Way::kStackOverflow) | bit(Way::kBusError) |
    bit(Way::kIllegalInstruction) | bit(Way::kDoubleFree) | bit(Way::kThrow) | bit(Way::kThrowNoexcept) |
    bit(Way::kExecTrue);
inline constexpr std::uint64_t kWaysOfForking = bit(Way::kForkFallsThrough) | bit(Way::kForkKept) | bit(Way::kDaemon);
inline constexpr std::uint64_t kWaysOfStanding = bit(Way::kPthreadExit) | bit(Way::kThreadExit) |
                                                 bit(Way::kExhaustMemory) | bit(Way::kStopSelf) | bit(Way::kBusy) |
                                                 bit(Way::kExecSleep);
inline constexpr std::uint64_t kWaysOfClosing =
    bit(Way::kCloseAll) | bit(Way::kCloseOne) | bit(Way::kCloseStandard) | bit(Way::kNullOverOne);
inline constexpr std::uint64_t kWaysOfMisusing =
    bit(Way::kBlockingFlags) | bit(Way::kGarbageMessages) | bit(Way::kFillBells);
inline constexpr std::uint64_t kWaysOfScribbling = bit(Way::kScribble) | bit(Way::kScribbleDie) | bit(Way::kUnmap);
inline constexpr std::uint64_t kWaysOfComingLate = bit(Way::kLateDeath) | bit(Way::kLateStop) | bit(Way::kLateClose);
inline constexpr std::uint64_t kWaysOfFlooding = bit(Way::kFloodStderr) | bit(Way::kFloodStdout) | bit(Way::kFloodLog);
inline constexpr std::uint64_t kAllWays = kWaysOfDying | kWaysOfForking | kWaysOfStanding | kWaysOfClosing |
                                          kWaysOfMisusing | kWaysOfScribbling | kWaysOfComingLate | kWaysOfFlooding;
static_assert(kAllWays == (std::uint64_t{1} << kWays.size()) - 1 - bit(Way::kNone));

/// The phases of a run, in order.
inline constexpr std::array kMixes = {
    Mix{"deaths", kWaysOfDying, 0, 60},
    Mix{"forks", kWaysOfForking | bit(Way::kSegfault), 0, 80},
    Mix{"limits", kWaysOfStanding, 0, 200},
    Mix{"descriptors", kWaysOfClosing, 0, 80},
    Mix{"misuse", kWaysOfMisusing | bit(Way::kAbort), 0, 80},
    Mix{"scribbles", kWaysOfScribbling, 0, 60},
    Mix{"late", kWaysOfComingLate, 0, 200},
    Mix{"floods", kWaysOfFlooding | bit(Way::kAbort) | bit(Way::kExitZero), 0, 80},
    Mix{"signals", kWaysOfDying, kAttackKill, 300},
    Mix{"stops", bit(Way::kStopSelf) | bit(Way::kBusy) | bit(Way::kKillSelf), kAttackStop | kAttackFreeze, 400},
    Mix{"storage", kWaysOfDying, kAttackStoreDelete | kAttackPluginFile | kAttackDiskFull, 100},
    Mix{"swaps", kWaysOfDying, kAttackSwap, 150},
    Mix{"everything", kAllWays,
        kAttackKill | kAttackStop | kAttackFreeze | kAttackStoreDelete | kAttackPluginFile | kAttackDiskFull |
            kAttackSwap,
        150},
};

}  // namespace tenon::chaos
