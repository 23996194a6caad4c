/// host/worker_messages.hpp: handles the messages that workers send through their control channels.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>

#include <tenon/bytes.hpp>
#include <tenon/error.hpp>

#include "host/effects.hpp"
#include "host/roster.hpp"
#include "host/route.hpp"
#include "host/slot_table.hpp"
#include "host/storage.hpp"

namespace tenon::control {
struct Ready;
struct Log;
struct Resolve;
struct NeedFile;
}  // namespace tenon::control

namespace tenon::internal {

/// Not thread-safe: guarded by the scheduler's lock.
class WorkerMessages {
 public:
  /// Finds the route of a task for a nested call: in the generation to which the worker is bound, or in the current one
  /// if that is null.
  using Resolve = std::function<Result<RouteRef>(std::string_view task, const GenerationRef& bound)>;
  using Settings = std::map<std::string, StoredBytes>;

  /// The arguments must outlive this object; `settings` are by plugin.
  WorkerMessages(const Settings& settings, SlotTable& slots, Roster& roster, EffectsBox& effects) noexcept
      : settings_(settings), slots_(slots), roster_(roster), effects_(effects) {}

  /// Returns whether the worker has become ready with this message.
  [[nodiscard]] bool take(WorkerLink& link, BytesView message, const Resolve& resolve);
  /// Announces to the worker what a route's number means, unless it knows.
  void introduce(WorkerLink& link, const RouteRef& route);

 private:
  [[nodiscard]] bool take_ready(WorkerLink& link, const control::Ready& ready);
  void take_log(WorkerLink& link, const control::Log& log);
  void take_resolve(WorkerLink& link, const control::Resolve& wanted, const Resolve& resolve);
  void take_need_file(WorkerLink& link, const control::NeedFile& need);

  const Settings& settings_;
  SlotTable& slots_;
  Roster& roster_;
  EffectsBox& effects_;
};

}  // namespace tenon::internal
