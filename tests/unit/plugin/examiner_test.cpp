#include "plugin/examiner.hpp"

#include <filesystem>
#include <fstream>
#include <string>

#include <tenon_test/catch.hpp>
#include <tenon_test/temporary_directory.hpp>

#include "platform/reactor/poller.hpp"
#include "plugin/plugin_file.hpp"
#include "support.hpp"

using namespace tenon;
using namespace tenon::internal;
using namespace tenon::test;

namespace {

/// A cache of its own for each test.
struct Place {
  TemporaryDirectory directory;
  std::filesystem::path worker = inspector();
  Examiner examiner(std::chrono::milliseconds timeout = std::chrono::seconds(60)) const {
    CatalogOptions options;
    options.cache_dir = directory / "cache";
    options.worker_executable = worker;
    options.inspect_timeout = timeout;
    auto made = Examiner::create(options);
    REQUIRE(made);
    return std::move(*made);
  }
  PluginInfo plugin(const std::string& name) const {
    PluginInfo info;
    info.name = name;
    info.file = directory / (name + ".so");
    std::filesystem::copy_file(variant(name), info.file, std::filesystem::copy_options::overwrite_existing);
    return info;
  }
};

}  // namespace

TEST_CASE("Examiner: a sound plugin has its schema, version and hash") {
  const Place place;
  PluginInfo good = place.plugin("good");
  place.examiner().examine(good);
  INFO((good.problem ? good.problem->to_string() : ""));
  CHECK(good.usable());
  CHECK(good.version == "1.2.3");
  CHECK(good.sha256.size() == 64);
}

TEST_CASE("Examiner: a hash that came with its state is not made again") {
  const Place place;
  PluginInfo good = place.plugin("good");
  good.sha256 = std::string(64, 'a');
  good.state = file_state(*file_identity(good.file));
  place.examiner().examine(good);
  CHECK(good.usable());
  CHECK(good.sha256 == std::string(64, 'a'));

  good.state->size_bytes += 1;
  place.examiner().examine(good);
  CHECK(good.usable());
  CHECK(good.sha256 != std::string(64, 'a'));
}

TEST_CASE("Examiner: a problem of an earlier inspection is believed, or looked at anew") {
  Place place;
  // An inspector that hangs as long as a file is there: so does a sound plugin in it.
  const std::filesystem::path hang = place.directory / "hang";
  place.worker = place.directory / "tenon-worker";
  std::ofstream(hang) << "";
  std::ofstream(place.worker) << "#!/bin/sh\nif [ -e '" << hang.string() << "' ]; then exec sleep 600; fi\nexec '"
                              << inspector().string() << "' \"$@\"\n";
  std::filesystem::permissions(place.worker, std::filesystem::perms(0755));
  PluginInfo hurried = place.plugin("good");
  place.examiner(std::chrono::milliseconds(100)).examine(hurried);
  std::filesystem::remove(hang);
  REQUIRE(hurried.problem.has_value());
  CHECK(hurried.problem->code == ErrorCode::kDeadline);

  PluginInfo good = hurried;
  place.examiner().examine(good);
  CHECK_FALSE(good.usable());
  place.examiner().examine(good, {.believe_problems = false});
  CHECK(good.usable());
  // What was found then holds for everybody.
  place.examiner().examine(good);
  CHECK(good.usable());
}

TEST_CASE("Examiner: a plugin that is not admitted does not run") {
  const Place place;
  PluginInfo hangs = place.plugin("hang_entry");
  ExamineOptions options;
  std::string seen;
  options.admit = [&](const PluginInfo& plugin) -> Result<void> {
    seen = plugin.name + " " + plugin.version;
    return fail(ErrorCode::kIncompatible, "version 1.2.3 is not wanted");
  };
  place.examiner().examine(hangs, options);
  CHECK(seen == "hang_entry 1.2.3");
  CHECK_FALSE(hangs.schema.has_value());
  REQUIRE(hangs.problem.has_value());
  CHECK(hangs.problem->message == "version 1.2.3 is not wanted");
}

TEST_CASE("Examiner: admission sees the schema of the manifest") {
  const Place place;
  PluginInfo good = place.plugin("good");
  std::size_t tasks = 0;
  ExamineOptions options;
  options.admit = [&](const PluginInfo& plugin) -> Result<void> {
    tasks = plugin.schema ? plugin.schema->tasks().size() : 0;
    return {};
  };
  place.examiner().examine(good, options);
  REQUIRE(good.usable());
  CHECK(tasks == good.schema->tasks().size());
  CHECK(tasks > 0);
}

TEST_CASE("Examiner: an inspection that is cancelled ends at once and is not remembered") {
  const Place place;
  auto bell = EventBell::create();
  REQUIRE(bell);
  bell->ring();
  PluginInfo good = place.plugin("good");
  place.examiner().examine(good, {.cancel = &bell->descriptor()});
  REQUIRE(good.problem.has_value());
  CHECK(good.problem->code == ErrorCode::kCancelled);
  place.examiner().examine(good);
  CHECK(good.usable());
}
