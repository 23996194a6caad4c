/// host/route.hpp: a task with params, as calls and workers refer to it.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>

#include <tenon/catalog.hpp>
#include <tenon/error.hpp>

#include "host/call_memory.hpp"
#include "host/storage.hpp"
#include "swap/generation.hpp"

namespace tenon::internal {

class Pool;

class HostRoute;
using RouteRef = Shared<const HostRoute>;

/// A task of one generation with params, which workers know by number. Shared by its calls;
/// immutable except for `successor` and `trial`.
class HostRoute final : public SharedObject {
 public:
  HostRoute(std::uint32_t route_number, GenerationRef of_generation, TaskRef task_ref, StoredBytes stored_params,
            std::weak_ptr<Pool> owner, Shared<CallMemory> memory_of_calls, std::shared_ptr<Retired> retired_numbers)
      : number(route_number),
        generation(std::move(of_generation)),
        ref(std::move(task_ref)),
        params(std::move(stored_params)),
        pool(std::move(owner)),
        call_memory(std::move(memory_of_calls)),
        retired(std::move(retired_numbers)) {}

  const std::uint32_t number;
  const GenerationRef generation;
  const TaskRef ref;
  const StoredBytes params;
  /// Used by its calls, which may outlive the pool.
  const std::weak_ptr<Pool> pool;
  const Shared<CallMemory> call_memory;

  // -- guarded by the scheduler's lock once it is shared ----------------------------------------
  /// The same route in the generation that replaced this one: calls that have not started use it.
  /// Null while there is none, and if the new version might not understand them.
  mutable RouteRef successor;
  /// The same route in a generation on trial; null if there is none.
  mutable RouteRef trial;

 private:
  ~HostRoute() override { retired->add_route(number); }
  const std::shared_ptr<Retired> retired;
};
/// The task and its plugin, for the errors of a call.
[[nodiscard]] ErrorContext context_of(const HostRoute& route, std::uint64_t call_id, std::uint32_t attempt);

}  // namespace tenon::internal
