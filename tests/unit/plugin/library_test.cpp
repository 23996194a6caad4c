#include "plugin/library.hpp"

#include <string>
#include <vector>

#include <tenon_test/catch.hpp>

#include "support.hpp"

using tenon::internal::LoadedPlugin;
using tenon::internal::LoadStage;
using namespace tenon::test;

namespace {

void no_log(const tenon_worker_t*, tenon_log_level_t, const char*) {}

const tenon_worker_t* worker() {
  static const tenon_worker_t kWorker{
      sizeof(tenon_worker_t), TENON_ABI_MAJOR, TENON_ABI_MINOR, 1, no_log, nullptr, nullptr};
  return &kWorker;
}

std::string refusal(std::string_view name) {
  return message_of(LoadedPlugin::load(variant(name), {.worker = worker(), .on_stage = {}}));
}

}  // namespace

TEST_CASE("LoadedPlugin: loads, starts and winds up, stage by stage") {
  std::vector<LoadStage> stages;
  auto plugin = LoadedPlugin::load(variant("good"),
                                   {.worker = worker(), .on_stage = [&](LoadStage stage) { stages.push_back(stage); }});
  REQUIRE(message_of(plugin) == "");
  CHECK((*plugin)->name() == "good");
  CHECK((*plugin)->version() == "1.2.3");
  REQUIRE((*plugin)->tasks().size() == 3);
  CHECK((*plugin)->tasks()[0].info->name == "count");
  CHECK((*plugin)->tasks()[1].run != nullptr);
  CHECK((*plugin)->tasks()[1].open == nullptr);
  CHECK((*plugin)->find_task("sum")->step != nullptr);
  CHECK((*plugin)->find_task("sum")->checkpoint == nullptr);
  CHECK((*plugin)->find_task("none") == nullptr);
  CHECK((*plugin)->extension("sample/1") != nullptr);
  CHECK((*plugin)->extension("sample/2") == nullptr);
  CHECK((*plugin)->state() == nullptr);
  REQUIRE((*plugin)->init({}).has_value());
  const char* state = static_cast<const char*>((*plugin)->state());
  CHECK(std::string(state) == "state");
  CHECK_FALSE((*plugin)->init({}).has_value());
  (*plugin)->finish();
  (*plugin)->finish();
  CHECK(std::string(state) == "State");
  CHECK(stages == std::vector{LoadStage::kReadManifest, LoadStage::kLoadLibrary, LoadStage::kEntry,
                              LoadStage::kCheckDescriptor, LoadStage::kInit, LoadStage::kQuiesce, LoadStage::kFini});
}

TEST_CASE("LoadedPlugin: larger structs of a newer plugin load") {
  auto plugin = LoadedPlugin::load(variant("larger"), {.worker = worker(), .on_stage = {}});
  REQUIRE(message_of(plugin) == "");
  CHECK((*plugin)->find_task("sum")->close != nullptr);
}

TEST_CASE("LoadedPlugin: an init that fails is told with its code, and fini is not called") {
  auto plugin = LoadedPlugin::load(variant("init_error"), {.worker = worker(), .on_stage = {}});
  REQUIRE(message_of(plugin) == "");
  const auto started = (*plugin)->init({});
  REQUIRE_FALSE(started.has_value());
  CHECK(started.error().code == tenon::ErrorCode::kInvalidArgument);
  (*plugin)->finish();
}

TEST_CASE("LoadedPlugin: every lie of a descriptor is named") {
  CHECK(has(refusal("no_entry"), "does not export tenon_plugin_entry"));
  CHECK(has(refusal("no_descriptor"), "gave no descriptor"));
  CHECK(has(refusal("small_descriptor"), "the descriptor says that it has"));
  CHECK(has(refusal("small_task"), "the first task says that it has 16 bytes"));
  CHECK(has(refusal("uneven_tasks"), "task number 1 says that it has"));
  CHECK(has(refusal("wrong_kind"), "task 'echo' is a source in the descriptor, plain in the schema"));
  CHECK(has(refusal("wrong_type"), "task 'echo' has the result type 'sample.Leaf' in the descriptor, 'sample.All'"));
  CHECK(has(refusal("wrong_params"), "task 'echo' has the params type none in the descriptor"));
  CHECK(has(refusal("no_run"), "task 'echo' is plain and has no function 'run'"));
  CHECK(has(refusal("no_step"), "task 'count' is a source and has no function 'step'"));
  CHECK(has(refusal("unknown_task"), "a task 'ecko', which the schema does not declare"));
  CHECK(has(refusal("task_twice"), "has task 'sum' twice"));
  CHECK(has(refusal("fewer_tasks"), "has 2 tasks, the schema declares 3"));
  CHECK(has(refusal("other_manifest"), "manifest is not the one in the file"));
  CHECK(has(refusal("wrong_kind"), variant("wrong_kind").string()));
}
