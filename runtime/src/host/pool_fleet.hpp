/// host/pool_fleet.hpp: the pool as the interface that a swap works on.
#pragma once

#include <memory>

#include "swap/fleet.hpp"

namespace tenon::internal {

class Pool;

/// The result keeps the pool alive.
[[nodiscard]] std::shared_ptr<Fleet> make_fleet(const std::shared_ptr<Pool>& pool);

}  // namespace tenon::internal
