/// The ways in which a task misbehaves, and the possible outcomes of such a call.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace tenon::chaos {

/// The outcome of a call that misbehaves in a given way, if nothing else happens to its worker.
enum class Expect : std::uint8_t {
  kOk,              ///< Ok: the call is not harmed.
  kFails,           ///< An error of the task, kFailed or kOutOfMemory.
  kDies,            ///< Crashed, in each attempt that misbehaves.
  kDeadline,        ///< Its run_timeout passes.
  kDiesOrDeadline,  ///< Crashed or past its deadline.
  kAny,             ///< Ok, an error or crashed: the worker is damaged and may keep running for a
                    ///< while.
};

enum class Way : std::uint8_t {
  kNone,
  kSegfault,
  kAbort,
  kExitZero,
  kExitThree,
  kQuickExit,
  kKillSelf,
  kTerminateSelf,
  kStackOverflow,
  kBusError,
  kIllegalInstruction,
  kDoubleFree,
  kThrow,
  kThrowNoexcept,
  kPthreadExit,
  kThreadExit,
  kExhaustMemory,
  kStopSelf,
  kBusy,
  kExecTrue,
  kExecSleep,
  kDaemon,
  kForkFallsThrough,
  kForkKept,
  kCloseAll,
  kCloseOne,
  kCloseStandard,
  kNullOverOne,
  kBlockingFlags,
  kGarbageMessages,
  kFillBells,
  kScribble,
  kScribbleDie,
  kUnmap,
  kLateDeath,
  kLateStop,
  kLateClose,
  kFloodStderr,
  kFloodStdout,
  kFloodLog,
};

struct WayInfo {
  Way way;
  std::string_view name;
  Expect expect;
  /// Also works if workers are threads of the program.
  bool in_process = false;
};

inline constexpr std::array kWays = {
    WayInfo{Way::kNone, "none", Expect::kOk, true},
    WayInfo{Way::kSegfault, "segfault", Expect::kDies},
    WayInfo{Way::kAbort, "abort", Expect::kDies},
    WayInfo{Way::kExitZero, "exit-0", Expect::kDies},
    WayInfo{Way::kExitThree, "exit-3", Expect::kDies},
    WayInfo{Way::kQuickExit, "quick-exit", Expect::kDies},
    WayInfo{Way::kKillSelf, "kill-self", Expect::kDies},
    WayInfo{Way::kTerminateSelf, "terminate-self", Expect::kDies},
    WayInfo{Way::kStackOverflow, "stack-overflow", Expect::kDies},
    WayInfo{Way::kBusError, "bus-error", Expect::kDies},
    WayInfo{Way::kIllegalInstruction, "illegal-instruction", Expect::kDies},
    WayInfo{Way::kDoubleFree, "double-free", Expect::kDies},
    WayInfo{Way::kThrow, "throw", Expect::kFails, true},
    WayInfo{Way::kThrowNoexcept, "throw-noexcept", Expect::kDies},
    WayInfo{Way::kPthreadExit, "pthread-exit", Expect::kDies},
    WayInfo{Way::kThreadExit, "thread-exit", Expect::kDiesOrDeadline},
    WayInfo{Way::kExhaustMemory, "exhaust-memory", Expect::kFails},
    WayInfo{Way::kStopSelf, "stop-self", Expect::kDeadline},
    WayInfo{Way::kBusy, "busy", Expect::kDeadline},
    WayInfo{Way::kExecTrue, "exec-true", Expect::kDies},
    WayInfo{Way::kExecSleep, "exec-sleep", Expect::kDiesOrDeadline},
    WayInfo{Way::kDaemon, "daemon", Expect::kDies},
    WayInfo{Way::kForkFallsThrough, "fork-falls-through", Expect::kOk},
    WayInfo{Way::kForkKept, "fork-kept", Expect::kOk},
    WayInfo{Way::kCloseAll, "close-all", Expect::kAny},
    WayInfo{Way::kCloseOne, "close-one", Expect::kAny},
    WayInfo{Way::kCloseStandard, "close-standard", Expect::kOk},
    WayInfo{Way::kNullOverOne, "null-over-one", Expect::kAny},
    WayInfo{Way::kBlockingFlags, "blocking-flags", Expect::kAny},
    WayInfo{Way::kGarbageMessages, "garbage-messages", Expect::kAny},
    WayInfo{Way::kFillBells, "fill-bells", Expect::kAny},
    WayInfo{Way::kScribble, "scribble", Expect::kAny},
    WayInfo{Way::kScribbleDie, "scribble-die", Expect::kAny},
    WayInfo{Way::kUnmap, "unmap", Expect::kAny},
    WayInfo{Way::kLateDeath, "late-death", Expect::kAny},
    WayInfo{Way::kLateStop, "late-stop", Expect::kAny},
    WayInfo{Way::kLateClose, "late-close", Expect::kAny},
    WayInfo{Way::kFloodStderr, "flood-stderr", Expect::kOk},
    WayInfo{Way::kFloodStdout, "flood-stdout", Expect::kOk},
    WayInfo{Way::kFloodLog, "flood-log", Expect::kOk, true},
};
static_assert([] {
  for (std::size_t i = 0; i < kWays.size(); ++i) {
    if (kWays[i].way != Way(i)) {
      return false;
    }
  }
  return kWays.size() <= 64;
}());

[[nodiscard]] constexpr const WayInfo& info(Way way) {
  return kWays[static_cast<std::size_t>(way)];
}
[[nodiscard]] constexpr std::uint64_t bit(Way way) {
  return std::uint64_t{1} << static_cast<unsigned>(way);
}

/// Scatters the bits of a number (the finaliser of splitmix64, by Sebastiano Vigna).
[[nodiscard]] constexpr std::uint64_t scatter(std::uint64_t x) {
  x += 0x9e3779b97f4a7c15u;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

/// Returns the way of call `sequence`: program and plugin compute the same.
[[nodiscard]] constexpr Way planned_way(std::uint64_t seed, std::uint64_t density, std::uint64_t ways,
                                        std::uint64_t sequence) {
  const std::uint64_t random = scatter(seed ^ scatter(sequence));
  if (density == 0 || ways == 0 || random % density != 0) {
    return Way::kNone;
  }
  auto left = static_cast<int>((random >> 32) % static_cast<std::uint64_t>(std::popcount(ways)));
  for (; left > 0; --left) {
    ways &= ways - 1;
  }
  return Way(std::countr_zero(ways));
}

}  // namespace tenon::chaos
