/// swap/request.hpp: a requested change of a plugin, from the caller to the plugin's lane.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include <tenon/error.hpp>
#include <tenon/swap.hpp>

#include "swap/target.hpp"

namespace tenon::internal {

/// A requested change. A person's request comes through SwapCoordinator, which finds its target;
/// the watch and a lane's probation make requests too.
struct SwapRequest {
  enum class Kind : std::uint8_t { kSwap, kRollBack };
  Kind kind = Kind::kSwap;
  /// What a person asked for, as Runtime::swap takes it; for a roll-back, the plugin.
  std::string what = {};
  SwapOptions options = {};
  /// The reason, such as "the file has changed"; for a roll-back, the reason that the event shows.
  std::string reason = {};
  /// The request comes from a person, not from the watch or the probation.
  bool by_person = false;
  /// The file to stage. Empty for a roll-back: the lane finds the version.
  SwapTarget target = {};
  /// Called once, with the outcome.
  std::function<void(Result<SwapReport>)> done = {};
};

}  // namespace tenon::internal
