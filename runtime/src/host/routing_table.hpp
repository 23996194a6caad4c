/// host/routing_table.hpp: where the names of tasks lead now.
///
///   RoutingTable table(make_route, store);
///   table.open(catalog, generations);
///   auto route = table.route("image.thumbnail", params);    // the same one each time
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
#include "host/route.hpp"
#include "host/storage.hpp"
#include "swap/generation.hpp"

namespace tenon::internal {

/// The current generation of each plugin, those on trial, and the routes that lead to them. Owns its lock, under which
/// it calls `make` and nothing else; the scheduler's lock may be held by the caller, and guards HostRoute::successor
/// and HostRoute::trial, which begin_trial, end_trial and switch_to write. [any-thread]
class RoutingTable {
 public:
  /// Makes a route. Must neither block nor call the table.
  using Make = std::function<RouteRef(const GenerationRef& generation, const TaskInfo& task, StoredBytes params)>;
  /// Puts params where workers can read them. Called without the table's lock.
  using Store = std::function<Result<StoredBytes>(BytesView params)>;

  RoutingTable(Make make, Store store) : make_(std::move(make)), store_(std::move(store)) {}

  /// Sets what is current at the start. Before that, route() is kUnavailable. Once.
  void open(Catalog catalog, const std::vector<GenerationRef>& current);

  /// As calls are routed now; empty before open().
  [[nodiscard]] Catalog catalog() const;
  /// Null when the plugin has none.
  [[nodiscard]] GenerationRef current(std::string_view plugin) const;

  /// The route of a task with params in the current generation. Errors: kUnavailable, kNotFound; kInvalidArgument
  /// params for a task that has none; those of Store.
  [[nodiscard]] Result<RouteRef> route(std::string_view task, BytesView params);
  /// The route of a task in a generation that a worker is bound to; in the current one when that is null.
  [[nodiscard]] Result<RouteRef> bound_route(std::string_view task, const GenerationRef& bound);
  /// A new route of the same task with the same params in the current generation. Errors: kNotFound.
  [[nodiscard]] Result<RouteRef> current_route(const HostRoute& route) const;

  /// Gives each route of the plugin a twin in `generation`: HostRoute::trial.
  void begin_trial(const GenerationRef& generation);
  /// Takes the twins away, if it is this generation that is on trial.
  void end_trial(const Generation& generation);

  struct Replaced {
    GenerationRef generation;      ///< What was current before; null for a new plugin.
    std::vector<RouteRef> routes;  ///< That led to it. Destroy them without locks.
  };
  /// Makes `generation` current. Routes to the one before it get a successor, unless `keeps_queued`.
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
    Routes routes;  ///< Of the current generations, by task and params.
    Routes others;  ///< Of others, for workers that are bound to them: by generation and task.
  };

  static void forget_trial(State& state, std::string_view plugin);

  const Make make_;
  const Store store_;
  mutable Guarded<State> state_;
};

}  // namespace tenon::internal
