/// host/pool_fleet.hpp: the pool as what a swap works on.
#pragma once

#include <memory>

#include "swap/fleet.hpp"

namespace tenon::internal {

class Pool;

/// Keeps the pool.
[[nodiscard]] std::shared_ptr<Fleet> make_fleet(const std::shared_ptr<Pool>& pool);

}  // namespace tenon::internal
