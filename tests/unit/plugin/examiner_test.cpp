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

/// A separate cache for each test.
struct ExaminerPlace {
  TemporaryDirectory directory;
  std::filesystem::path worker = inspector();
  Examiner examiner(std::chrono::milliseconds timeout = std::chrono::seconds(60)) const {
    CatalogOptions options;
    options.cache_dir = directory / "cache";
    options.worker_executable = worker;
    options.limits.start_timeout = timeout;
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
  const ExaminerPlace place;
  PluginInfo good = place.plugin("good");
  place.examiner().examine(good);
  INFO((good.problem ? good.problem->to_string() : ""));
  CHECK(good.usable());
  CHECK(good.version == "1.2.3");
  CHECK(good.sha256.size() == 64);
}

TEST_CASE("Examiner: a hash that came with its state is not made again") {
  const ExaminerPlace place;
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
  ExaminerPlace place;
  // An inspector that hangs while a file exists; a valid plugin in it hangs too.
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
  place.examiner(std::chrono::milliseconds(100)).examine(good);
  CHECK_FALSE(good.usable());
  CHECK(has(good.problem->message, "tried again after"));

  SECTION("whoever asks for this file") {
    place.examiner().examine(good, {.believe_problems = false});
  }
  SECTION("with a longer limit") {
    place.examiner().examine(good);
  }
  SECTION("in another environment") {
    const EnvironmentValue changed("TENON_TEST_MODEL_SERVER", "up");
    place.examiner(std::chrono::seconds(50)).examine(good);
  }
  CHECK(good.usable());
  // The verdict then applies to all.
  place.examiner().examine(good);
  CHECK(good.usable());
}

TEST_CASE("Examiner: what may lie outside the file is not remembered") {
  ExaminerPlace place;
  // A worker in which a library is missing, and one whose process crashes, while a file exists.
  const std::filesystem::path broken = place.directory / "broken";
  place.worker = place.directory / "tenon-worker";
  std::ofstream(broken) << "";
  const auto write_worker = [&](const std::string& what) {
    std::ofstream(place.worker) << "#!/bin/sh\nif [ -e '" << broken.string() << "' ]; then " << what << "; fi\nexec '"
                                << inspector().string() << "' \"$@\"\n";
    std::filesystem::permissions(place.worker, std::filesystem::perms(0755));
  };
  SECTION("the loader refuses: it misses a library") {
    write_worker(
        "printf '%s stage 2\\n%s problem 9 libspeech.so: cannot open shared object file\\n' \"$4\" \"$4\"; exit 3");
  }
  SECTION("a crash") {
    write_worker("printf '%s stage 5\\n' \"$4\"; kill -SEGV $$");
  }
  SECTION("the plugin's entry says that it cannot work here") {
    write_worker("printf '%s stage 4\\n%s problem 13 no device\\n' \"$4\" \"$4\"; exit 3");
  }
  PluginInfo plugin = place.plugin("good");
  place.examiner().examine(plugin);
  REQUIRE(plugin.problem.has_value());
  std::filesystem::remove(broken);
  place.examiner().examine(plugin);
  INFO((plugin.problem ? plugin.problem->to_string() : ""));
  CHECK(plugin.usable());
}

TEST_CASE("Examiner: a plugin that is not admitted does not run") {
  const ExaminerPlace place;
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
  const ExaminerPlace place;
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
  const ExaminerPlace place;
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
