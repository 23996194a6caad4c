/// host/lock_order.hpp: the order in which the locks on the path of a call are taken. Checked in builds with
/// assertions.
#pragma once

#include <cstdint>

#include "base/ranked_mutex.hpp"

namespace tenon::internal {

/// A thread may take a lock while it holds locks that stand before it in this list.
enum class HostLock : std::uint8_t {
  kScheduler,  ///< Pool: the scheduler and all its parts.
  kRoutes,     ///< RoutingTable, which makes routes under it.
  kMemory,     ///< The argument arena, a transport's releaser, the chunks of calls, the cache of large segments, and
               ///< numbers to retire. None of them is taken under another one.
};

template <HostLock kRank>
using HostMutex = RankedMutex<kRank>;

}  // namespace tenon::internal
