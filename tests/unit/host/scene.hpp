/// scene.hpp: what a call needs around it in tests of the host's parts.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <utility>

#include "host/call.hpp"
#include "platform/doorbell.hpp"
#include "swap/generation.hpp"
#include "tenon_test/catch.hpp"

namespace tenon::test {

using namespace tenon::internal;

/// Calls of one idempotent task, and generations that they can be tried on.
struct Scene {
  Scene() {
    auto bell = EventBell::create();
    REQUIRE(bell);
    retired = std::make_shared<Retired>(std::move(*bell));
    memory = make_shared_object<CallMemory>(retired);
    task.name = "work";
    task.full_name = "test.work";
    task.idempotent = true;
    generation = make_generation();
    route = make_route(generation);
  }
  GenerationRef make_generation() {
    return make_shared_object<const Generation>(++numbers, std::make_shared<const PluginInfo>(), nullptr,
                                                std::chrono::milliseconds(1000));
  }
  Shared<const HostRoute> make_route(const GenerationRef& of) {
    return make_shared_object<const HostRoute>(static_cast<std::uint32_t>(++numbers), of, TaskRef{of->plugin, &task},
                                               StoredBytes(), std::weak_ptr<Pool>(), memory, retired);
  }
  CallRef call(std::int32_t pinned_slot = -1) {
    CallRef made = Call::create(route, ++numbers, BytesView());
    if (pinned_slot >= 0) {
      made->make_details().pinned_slot = pinned_slot;
    }
    return made;
  }

  std::uint64_t numbers = 0;
  TaskInfo task;
  std::shared_ptr<Retired> retired;
  Shared<CallMemory> memory;
  GenerationRef generation;
  RouteRef route;
};

}  // namespace tenon::test
