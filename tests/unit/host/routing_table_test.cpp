#include "host/routing_table.hpp"

#include <chrono>
#include <cstring>
#include <memory>
#include <string>
#include <utility>

#include <tenon/catalog.hpp>

#include "tenon_test/catch.hpp"
#include "tenon_test/paths.hpp"

using namespace tenon;
using namespace tenon::internal;

namespace {

EventBell test_bell() {
  auto bell = EventBell::create();
  REQUIRE(bell);
  return std::move(*bell);
}

/// A table over the plugin of this build, with routes that belong to no pool.
struct TableScene {
  TableScene() {
    CatalogOptions options;
    options.plugin_dirs = {test::build_dir() / "plugins"};
    options.use_environment = false;
    options.worker_executable = test::build_dir() / "bin" / "tenon-worker";
    options.cache_dir = test::build_dir() / "tests" / "cache";
    auto opened = Catalog::open(options);
    REQUIRE(opened);
    catalog = *opened;
    first = generation("1");
  }
  GenerationRef generation(const std::string& version) {
    const auto task = catalog.find_task("tenon.fail");
    REQUIRE(task);
    REQUIRE(task->plugin != nullptr);
    PluginInfo info = *task->plugin;
    info.version = version;
    return make_shared_object<const Generation>(++generations, std::make_shared<const PluginInfo>(std::move(info)),
                                                nullptr, std::chrono::milliseconds(1000));
  }
  void open() { table.open(catalog, {first}); }

  Catalog catalog;
  std::uint64_t generations = 0;
  std::uint32_t routes = 0;
  std::size_t stored = 0;
  GenerationRef first;
  std::shared_ptr<Retired> retired = std::make_shared<Retired>(test_bell());
  Shared<CallMemory> memory = make_shared_object<CallMemory>(retired);
  RoutingTable table{[this](const GenerationRef& of, const TaskInfo& task, StoredBytes params) {
                       return make_shared_object<const HostRoute>(++routes, of, TaskRef{of->plugin, &task},
                                                                  std::move(params), std::weak_ptr<Pool>(), memory,
                                                                  retired);
                     },
                     [this](BytesView) -> Result<StoredBytes> {
                       ++stored;
                       // This would never return if the lock were held.
                       static_cast<void>(table.catalog());
                       return StoredBytes();
                     }};
};

Buffer params(std::uint32_t number) {
  Buffer bytes(sizeof number);
  std::memcpy(bytes.data(), &number, sizeof number);
  return bytes;
}

}  // namespace

TEST_CASE("RoutingTable: a task with params has one route until its plugin changes") {
  TableScene scene;
  CHECK(scene.table.route("tenon.fail", {}).error().code == ErrorCode::kUnavailable);
  scene.open();
  const auto plain = scene.table.route("tenon.fail", {});
  REQUIRE(plain);
  CHECK((*plain)->generation.get() == scene.first.get());
  CHECK(scene.table.route("tenon.fail", {})->get() == plain->get());

  const auto with_params = scene.table.route("tenon.fail", params(1));
  REQUIRE(with_params);
  CHECK(with_params->get() != plain->get());
  CHECK(scene.table.route("tenon.fail", params(1))->get() == with_params->get());
  CHECK(scene.stored == 1);

  CHECK(scene.table.route("tenon.nothing", {}).error().code == ErrorCode::kNotFound);
  CHECK(scene.table.route("tenon.echo", params(1)).error().code == ErrorCode::kInvalidArgument);
}

TEST_CASE("RoutingTable: routes that no call uses do not pile up") {
  TableScene scene;
  scene.open();
  const auto kept = scene.table.route("tenon.fail", params(0));
  REQUIRE(kept);
  constexpr std::uint32_t kMany = 5000;
  for (std::uint32_t i = 1; i <= kMany; ++i) {
    REQUIRE(scene.table.route("tenon.fail", params(i)));
  }
  CHECK(scene.retired->take().routes.size() >= kMany - 1100);
  CHECK(scene.table.route("tenon.fail", params(0))->get() == kept->get());
}

TEST_CASE("RoutingTable: after a switch routes lead to the new generation, and old ones know their successor") {
  TableScene scene;
  scene.open();
  const auto before = scene.table.route("tenon.fail", params(7));
  REQUIRE(before);
  const GenerationRef second = scene.generation("2");
  auto replaced = scene.table.switch_to(second, false);
  CHECK(replaced.generation.get() == scene.first.get());
  CHECK(replaced.routes.size() == 1);
  CHECK(scene.table.current("tenon").get() == second.get());
  CHECK(scene.table.catalog().find_task("tenon.fail")->plugin->version == "2");
  const auto after = scene.table.route("tenon.fail", params(7));
  REQUIRE(after);
  CHECK((*after)->generation.get() == second.get());
  CHECK((*before)->successor.get() == after->get());
  CHECK((*scene.table.current_route(**before))->generation.get() == second.get());

  // A worker that is bound to the old version finds the tasks of that version.
  CHECK((*scene.table.bound_route("tenon.echo", scene.first))->generation.get() == scene.first.get());
  CHECK((*scene.table.bound_route("tenon.echo", second))->generation.get() == second.get());
  CHECK(scene.table.bound_route("tenon.nothing", scene.first).error().code == ErrorCode::kNotFound);

  // Queued calls stay with the old version, because the new one might not be able to read them.
  static_cast<void>(scene.table.switch_to(scene.generation("3"), true));
  CHECK((*after)->successor == nullptr);
}

TEST_CASE("RoutingTable: routes have a twin while a generation is on trial") {
  TableScene scene;
  scene.open();
  const auto early = scene.table.route("tenon.fail", {});
  const GenerationRef second = scene.generation("2");
  scene.table.begin_trial(second);
  const auto late = scene.table.route("tenon.echo", {});
  REQUIRE((early && late));
  for (const RouteRef& route : {*early, *late}) {
    REQUIRE(route->trial != nullptr);
    CHECK(route->trial->generation.get() == second.get());
    CHECK(route->generation.get() == scene.first.get());
  }
  scene.table.end_trial(*scene.first);  // That version is not on trial.
  CHECK((*early)->trial != nullptr);
  const RouteRef twin = (*early)->trial;
  static_cast<void>(scene.table.switch_to(second, false));
  CHECK(scene.table.route("tenon.fail", {})->get() == twin.get());
  CHECK((*early)->trial == nullptr);

  const GenerationRef third = scene.generation("3");
  scene.table.begin_trial(third);
  scene.table.end_trial(*third);
  CHECK((*scene.table.route("tenon.fail", {}))->trial == nullptr);
}
