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
  CHECK(has(refusal("small_task"), "build the plugin again from its schema"));
  CHECK(has(refusal("no_run"), "task 'echo' is plain and has no function 'run'"));
  CHECK(has(refusal("no_step"), "task 'count' is a source and has no function 'step'"));
  CHECK(has(refusal("other_manifest"), "manifest is not the one in the file"));
  CHECK(has(refusal("wrong_kind"), variant("wrong_kind").string()));
}

TEST_CASE("LoadedPlugin: an author's mistake is told with what to change") {
  const auto says = [](std::string_view name, const std::string& what) {
    INFO(name);
    CHECK(refusal(name) == variant(name).string() + ": plugin '" + std::string(name) + "' 1.2.3: " + what);
  };
  says("wrong_kind",
       "the function registered as 'echo' is a source, but the schema's echo is plain; give the method "
       "(streaming: \"server\") in the schema, or make the function Offset<T> f(Call&, const Arg&)");
  says("wrong_argument",
       "the function registered as 'echo' takes sample.Leaf, but the schema's echo takes sample.All; change one of "
       "them");
  says("wrong_type",
       "the function registered as 'echo' gives sample.Leaf, but the schema's echo gives sample.All; change one of "
       "them");
  says("wrong_params",
       "the function registered as 'echo' takes no params, but the schema's echo takes the params sample.EchoParams; "
       "change one of them");
  says(
      "unneeded_params",
      "the function registered as 'count' takes the params sample.Leaf, but the schema's count takes no params; change "
      "one of them");
  says("unknown_task", "TENON_PLUGIN registers a task 'ecko', which the schema does not declare; did you mean 'echo'?");
  says(
      "strange_task",
      "TENON_PLUGIN registers a task 'paint', which the schema does not declare; add the method to its rpc_service, or "
      "remove the registration");
  says("task_twice", "TENON_PLUGIN registers the task 'sum' twice; remove one of the two");
  says("fewer_tasks",
       "the schema declares count, but TENON_PLUGIN does not register it; add plugin.task<...>(\"count\")");
  says("one_task",
       "the schema declares count and echo, but TENON_PLUGIN does not register them; add plugin.task<...>(\"count\"), "
       "plugin.task<...>(\"echo\")");
  says("no_tasks",
       "TENON_PLUGIN registers no task, but the schema declares count, echo and sum; add plugin.task<...>(\"count\"), "
       "plugin.task<...>(\"echo\"), plugin.task<...>(\"sum\")");
}
