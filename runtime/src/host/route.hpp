/// host/route.hpp: a task with params, as calls and workers know it.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>

#include <tenon/catalog.hpp>
#include <tenon/error.hpp>

#include "host/storage.hpp"

namespace tenon::internal {

class Pool;

/// A task with params, as workers know it by number. Immutable; shared by its calls.
class HostRoute final : public SharedObject {
 public:
  HostRoute(std::uint32_t route_number, TaskRef task_ref, StoredBytes stored_params, std::weak_ptr<Pool> owner,
            std::shared_ptr<Retired> retired_numbers)
      : number(route_number),
        ref(std::move(task_ref)),
        params(std::move(stored_params)),
        pool(std::move(owner)),
        retired(std::move(retired_numbers)) {}

  const std::uint32_t number;
  const TaskRef ref;
  const StoredBytes params;
  /// For its calls, which may outlive the pool.
  const std::weak_ptr<Pool> pool;

 private:
  ~HostRoute() override { retired->add_route(number); }
  const std::shared_ptr<Retired> retired;
};
using RouteRef = Shared<const HostRoute>;

/// The task and its plugin, for the errors of a call.
[[nodiscard]] ErrorContext context_of(const HostRoute& route, std::uint64_t call_id, std::uint32_t attempt);

}  // namespace tenon::internal
