#include "host/routing_table.hpp"

#include "base/hot.hpp"
#include "base/text.hpp"

namespace tenon::internal {

namespace {

/// Number of unused routes kept for later calls of the same task and params.
constexpr std::size_t kMaxIdleRoutes = 1024;

/// Removes unused routes. The caller destroys them without the lock.
template <typename Routes>
std::vector<RouteRef> take_unused(Routes& routes) {
  std::vector<RouteRef> unused;
  for (auto it = routes.begin(); it != routes.end();) {
    if (it->second->unique()) {
      unused.push_back(std::move(it->second));
      it = routes.erase(it);
    } else {
      ++it;
    }
  }
  return unused;
}

}  // namespace

void RoutingTable::open(Catalog catalog, const std::vector<GenerationRef>& current) {
  auto state = state_.lock();
  for (const GenerationRef& generation : current) {
    state->current.emplace(generation->plugin->name, generation);
  }
  state->catalog = std::move(catalog);
}

Catalog RoutingTable::catalog() const {
  return state_.lock()->catalog.value_or(Catalog());
}

GenerationRef RoutingTable::current(std::string_view plugin) const {
  auto state = state_.lock();
  const auto found = state->current.find(plugin);
  return found == state->current.end() ? nullptr : found->second;
}

TENON_HOT Result<RouteRef> RoutingTable::route(std::string_view task, BytesView params) {
  std::string with_params;
  std::string_view key = task;
  if (!params.empty()) {
    with_params.reserve(task.size() + 1 + params.size());
    with_params.append(task).push_back('\0');
    with_params.append(reinterpret_cast<const char*>(params.data()), params.size());
    key = with_params;
  }
  {
    auto state = state_.lock();
    if (const auto found = state->routes.find(key); found != state->routes.end()) {
      return found->second;
    }
  }
  StoredBytes stored;
  if (!params.empty()) {
    auto copied = store_(params);
    if (!copied) {
      return fail(std::move(copied.error()));
    }
    stored = std::move(*copied);
  }
  std::vector<RouteRef> unused;  // Destroyed after the lock.
  auto state = state_.lock();
  if (const auto found = state->routes.find(key); found != state->routes.end()) {
    return found->second;  // Created meanwhile by another thread.
  }
  if (!state->catalog) {
    return fail(ErrorCode::kUnavailable, "the runtime is still starting");
  }
  auto ref = state->catalog->find_task(task);
  if (!ref) {
    return fail(std::move(ref.error()));
  }
  if (!params.empty() && ref->task->params_type.empty()) {
    return fail(ErrorCode::kInvalidArgument, ref->task->full_name + " takes no params");
  }
  if (state->routes.size() >= kMaxIdleRoutes) {
    // Params that differ from call to call must not accumulate, here and in the workers.
    unused = take_unused(state->routes);
  }
  const RouteRef made = make_(state->current.find(ref->plugin->name)->second, *ref->task, stored);
  if (const auto trial = state->trials.find(ref->plugin->name); trial != state->trials.end()) {
    if (const TaskInfo* twin = trial->second->plugin->schema->find_task(ref->task->name)) {
      made->trial = make_(trial->second, *twin, std::move(stored));
    }
  }
  state->routes.emplace(std::string(key), made);
  return made;
}

Result<RouteRef> RoutingTable::bound_route(std::string_view task, const GenerationRef& bound) {
  if (bound == nullptr) {
    return route(task, {});
  }
  {
    auto state = state_.lock();
    const auto current = state->current.find(bound->plugin->name);
    if (current == state->current.end() || current->second.get() != bound.get()) {
      const std::string key = std::to_string(bound->number) + '/' + std::string(task);
      if (const auto found = state->others.find(key); found != state->others.end()) {
        return found->second;
      }
      const TaskInfo* found = bound->plugin->schema->find_task(task.substr(task.find('.') + 1));
      if (found == nullptr) {
        return fail(ErrorCode::kNotFound, "no task '" + printable(task, 128) + "' in " + bound->plugin->name + " " +
                                              bound->plugin->version + ", the version that this worker has");
      }
      return state->others.emplace(key, make_(bound, *found, {})).first->second;
    }
  }
  return route(task, {});
}

Result<RouteRef> RoutingTable::current_route(const HostRoute& route) const {
  auto state = state_.lock();
  const auto current = state->current.find(route.ref.plugin->name);
  const TaskInfo* task =
      current == state->current.end() ? nullptr : current->second->plugin->schema->find_task(route.ref.task->name);
  if (task == nullptr) {
    return fail(ErrorCode::kNotFound, "the current version has no task '" + route.ref.task->full_name + "'");
  }
  return make_(current->second, *task, route.params);
}

void RoutingTable::begin_trial(const GenerationRef& generation) {
  auto state = state_.lock();
  state->trials[generation->plugin->name] = generation;
  for (const auto& [key, route] : state->routes) {
    if (route->ref.plugin->name != generation->plugin->name) {
      continue;
    }
    if (const TaskInfo* twin = generation->plugin->schema->find_task(route->ref.task->name)) {
      route->trial = make_(generation, *twin, route->params);
    }
  }
}

void RoutingTable::end_trial(const Generation& generation) {
  auto state = state_.lock();
  const auto trial = state->trials.find(generation.plugin->name);
  if (trial != state->trials.end() && trial->second.get() == &generation) {
    forget_trial(*state, generation.plugin->name);
  }
}

void RoutingTable::forget_trial(State& state, std::string_view plugin) {
  if (const auto trial = state.trials.find(plugin); trial != state.trials.end()) {
    state.trials.erase(trial);
  }
  for (const auto& [key, route] : state.routes) {
    if (route->ref.plugin->name == plugin) {
      route->trial = nullptr;
    }
  }
}

RoutingTable::Replaced RoutingTable::switch_to(const GenerationRef& generation, bool keeps_queued) {
  const std::string& plugin = generation->plugin->name;
  Replaced gone;
  auto state = state_.lock();
  Routes replaced;
  for (auto it = state->routes.begin(); it != state->routes.end();) {
    it = it->second->ref.plugin->name == plugin ? (replaced.insert(state->routes.extract(it++)), it) : ++it;
  }
  for (auto& [key, route] : replaced) {
    const TaskInfo* task = generation->plugin->schema->find_task(route->ref.task->name);
    if (task != nullptr && route->generation.get() != generation.get()) {
      const bool tried = route->trial != nullptr && route->trial->generation.get() == generation.get();
      RouteRef successor = tried ? route->trial : make_(generation, *task, route->params);
      state->routes.emplace(key, successor);
      if (!keeps_queued) {
        route->successor = std::move(successor);
      }
    }
    route->trial = nullptr;
    gone.routes.push_back(std::move(route));
  }
  forget_trial(*state, plugin);
  for (RouteRef& route : take_unused(state->others)) {
    gone.routes.push_back(std::move(route));
  }
  GenerationRef& current = state->current[plugin];
  gone.generation = std::exchange(current, generation);
  state->catalog = state->catalog->with(generation->plugin);
  return gone;
}

}  // namespace tenon::internal
