/// host/routing_table.hpp: maps the names of tasks to their current routes.
///
///   RoutingTable table(make_route, store);
///   table.open(catalog, generations);
///   auto route = table.route("image.thumbnail", params);    // the same route each time
///   auto replaced = table.switch_to(next, false);           // later routes lead to `next`
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <tenon/bytes.hpp>
#include <tenon/catalog.hpp>
#include <tenon/error.hpp>

#include "base/guarded.hpp"
#include "host/lock_order.hpp"
#include "host/route.hpp"
#include "host/storage.hpp"
#include "swap/generation.hpp"

namespace tenon::internal {

/// The current generation of each plugin, generations on trial, and their routes. Has its own lock,
/// under which it calls only `make`. The caller may hold the scheduler's lock, which guards
/// HostRoute::successor and HostRoute::trial; begin_trial, end_trial and switch_to write them.
/// [any-thread]
class RoutingTable {
 public:
  /// Creates a route. Must neither block nor call the table.
  using Make = std::function<RouteRef(const GenerationRef& generation, const TaskInfo& task, StoredBytes params)>;
  /// Stores params where workers can read them. Called without the table's lock.
  using Store = std::function<Result<StoredBytes>(BytesView params)>;

  RoutingTable(Make make, Store store) : make_(std::move(make)), store_(std::move(store)) {}

  /// Sets the current generations at the start; called once. Before that, route() returns
  /// kUnavailable.
  void open(Catalog catalog, const std::vector<GenerationRef>& current);

  /// The catalog by which calls are routed now; empty before open().
  [[nodiscard]] Catalog catalog() const;
  /// The current generation of a plugin; null if there is none.
  [[nodiscard]] GenerationRef current(std::string_view plugin) const;

  /// The route of a task with params in the current generation. Errors: kUnavailable, kNotFound;
  /// kInvalidArgument: params for a task that has none; those of Store.
  [[nodiscard]] Result<RouteRef> route(std::string_view task, BytesView params);
  /// The route of a task in the generation that a worker is bound to; in the current one if that is
  /// null.
  [[nodiscard]] Result<RouteRef> bound_route(std::string_view task, const GenerationRef& bound);
  /// Creates a route for the same task and params in the current generation. Errors: kNotFound.
  [[nodiscard]] Result<RouteRef> current_route(const HostRoute& route) const;

  /// Creates a counterpart of each route of the plugin in `generation`: HostRoute::trial.
  void begin_trial(const GenerationRef& generation);
  /// Removes the counterparts if this generation is on trial.
  void end_trial(const Generation& generation);

  struct Replaced {
    GenerationRef generation;      ///< The previous generation; null for a new plugin.
    std::vector<RouteRef> routes;  ///< Its routes. Destroy them without locks.
  };
  /// Makes `generation` current. Routes to the previous one get a successor, unless `keeps_queued`.
  [[nodiscard]] Replaced switch_to(const GenerationRef& generation, bool keeps_queued);

 private:
  struct StringHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const noexcept { return std::hash<std::string_view>{}(text); }
  };
  using Routes = std::unordered_map<std::string, RouteRef, StringHash, std::equal_to<>>;
  using Generations = std::map<std::string, GenerationRef, std::less<>>;
  struct State {
    std::optional<Catalog> catalog;
    Generations current;
    Generations trials;
    Routes routes;  ///< Routes of current generations, by task and params.
    Routes others;  ///< Routes of other generations, for workers bound to them, by generation and task.
  };

  static void forget_trial(State& state, std::string_view plugin);

  const Make make_;
  const Store store_;
  mutable Guarded<State, HostMutex<HostLock::kRoutes>> state_;
};

}  // namespace tenon::internal
