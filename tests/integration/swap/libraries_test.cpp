// Plugins with their own libraries: a changed library makes another version, and each version keeps
// its own libraries.
#include <csignal>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>

#include <flatbuffers/flatbuffers.h>

#include "process_state.hpp"
#include "scene.hpp"
#include "singer_generated.h"
#include "speaker_generated.h"
#include "tenon_test/catch.hpp"
#include "tenon_test/runtime.hpp"

namespace {

using namespace tenon;        // NOLINT(google-build-using-namespace): a test
using namespace tenon::test;  // NOLINT(google-build-using-namespace): a test
namespace fs = std::filesystem;

fs::path words_file(const std::string& words) {
  return variant_file("words_" + words, "libwords");
}

/// A directory with a plugin, libspeech.so in lib/ beside it and libwords.so in lib/deep/.
struct Home {
  fs::path directory;
  fs::path plugin;
  fs::path words = directory / "lib" / "deep" / "libwords.so";

  Home(fs::path place, const std::string& name) : directory(std::move(place)), plugin(directory / (name + ".so")) {
    fs::create_directories(words.parent_path());
    fs::copy_file(variant_file(name, name), plugin);
    fs::copy_file(variant_file("speech", "libspeech"), directory / "lib" / "libspeech.so");
  }
  void put(const std::string& content) const { replace_file(words, read_file(words_file(content))); }
};

struct Answer {
  std::string text;
  std::int64_t pid = 0;
};

template <typename Words>
Answer answer_of(Result<Reply> reply) {
  const auto words = std::move(reply).and_then(TypedReply<Words>::verify);
  return words ? Answer{(*words)->text()->str(), (*words)->pid()} : Answer{words.error().to_string(), 0};
}

Buffer speaker_ask(std::uint32_t wait_ms = 0) {
  flatbuffers::FlatBufferBuilder builder;
  builder.Finish(speaker::CreateAsk(builder, wait_ms));
  return Buffer(builder.GetBufferPointer(), builder.GetBufferPointer() + builder.GetSize());
}

Answer speak(Runtime& runtime) {
  return answer_of<speaker::Words>(runtime.call("speaker.say", speaker_ask()));
}

Answer sing(Runtime& runtime) {
  flatbuffers::FlatBufferBuilder builder;
  builder.Finish(singer::CreateAsk(builder));
  return answer_of<singer::Words>(runtime.call("singer.say", BytesView(builder.GetBufferPointer(), builder.GetSize())));
}

RuntimeOptions options_of(const TemporaryDirectory& directory, unsigned workers = 2) {
  RuntimeOptions options = runtime_options(workers);
  options.plugin_dirs = {directory / "plugins"};
  options.cache_dir = directory / "cache";
  options.hot_swap = HotSwapOptions{};
  options.hot_swap->store_dir = directory / "store";
  options.hot_swap->swaps.probation = std::chrono::milliseconds(0);
  return options;
}

Runtime start(RuntimeOptions options) {
  auto runtime = Runtime::start(std::move(options));
  INFO((runtime ? "" : runtime.error().to_string()));
  REQUIRE(runtime);
  return *std::move(runtime);
}

/// Returns whether a new worker gives this text.
bool next_worker_says(Runtime& runtime, const std::string& text) {
  const Answer before = speak(runtime);
  if (before.pid == 0) {
    return false;
  }
  ::kill(static_cast<pid_t>(before.pid), SIGKILL);
  return eventually([&] {
    const Answer now = speak(runtime);
    return now.pid != 0 && now.pid != before.pid && now.text == text;
  });
}

}  // namespace

TEST_CASE("Swap: a changed library makes another version, and each version keeps its libraries") {
  const TemporaryDirectory directory;
  const Home home(directory / "plugins", "speaker");
  home.put("first");
  Runtime runtime = start(options_of(directory, 1));
  REQUIRE(speak(runtime).text == "first");

  // Without a swap nothing changes, whichever worker runs the call.
  SECTION("replaced by renaming") {
    home.put("second");
  }
  SECTION("written in place") {
    write_file(home.words, read_file(words_file("second")));
  }
  CHECK(next_worker_says(runtime, "first"));

  // A call that runs while the plugin is swapped completes on the version on which it started.
  auto slow = runtime.submit("speaker.say", speaker_ask(300));
  const auto swapped = runtime.swap("speaker");
  INFO((swapped ? "" : swapped.error().to_string()));
  REQUIRE(swapped);
  CHECK(speak(runtime).text == "second");
  CHECK(answer_of<speaker::Words>(slow.get()).text == "first");
  CHECK(next_worker_says(runtime, "second"));
  REQUIRE(runtime.rollback("speaker", "the first was better"));
  CHECK(speak(runtime).text == "first");
  CHECK(next_worker_says(runtime, "first"));
}

TEST_CASE("Swap: the libraries of a served version are restored when the store is gone") {
  const TemporaryDirectory directory;
  const Home home(directory / "plugins", "speaker");
  home.put("first");
  RuntimeOptions options = options_of(directory, 1);
  SECTION("of a runtime that swaps") {}
  SECTION("of one that does not") {
    options.hot_swap.reset();
  }
  Runtime runtime = start(std::move(options));
  REQUIRE(speak(runtime).text == "first");
  home.put("second");
  fs::remove_all(directory / "store");
  fs::remove_all(directory / "cache");
  CHECK(next_worker_says(runtime, "first"));
  fs::remove_all(directory / "plugins");
  CHECK(next_worker_says(runtime, "first"));
}

TEST_CASE("Swap: the watch sees that a library of a plugin changes") {
  const TemporaryDirectory directory;
  const Home home(directory / "plugins", "speaker");
  home.put("first");
  RuntimeOptions options = options_of(directory, 1);
  options.hot_swap->watch = true;
  options.hot_swap->rescan = std::chrono::hours(1);  // Only the watch may detect the change.
  Runtime runtime = start(std::move(options));
  REQUIRE(speak(runtime).text == "first");
  const auto says = [&](const std::string& text) { return eventually([&] { return speak(runtime).text == text; }); };
  home.put("second");
  CHECK(says("second"));
  write_file(home.words, read_file(words_file("first")));
  CHECK(says("first"));
  // Without it the plugin cannot be loaded, so the served version stays.
  fs::remove(home.words);
  CHECK(next_worker_says(runtime, "first"));
  home.put("second");
  CHECK(says("second"));
}

TEST_CASE("Swap: the watch sees that a missing library of a plugin appears") {
  const TemporaryDirectory directory;
  const Home home(directory / "plugins", "speaker");
  RuntimeOptions options = options_of(directory, 1);
  options.hot_swap->watch = true;
  options.hot_swap->rescan = std::chrono::hours(1);
  SECTION("in a directory that is there") {}
  SECTION("in a directory that is made for it") {
    fs::remove(home.words.parent_path());
  }
  Runtime runtime = start(std::move(options));
  CHECK(speak(runtime).pid == 0);
  fs::create_directories(home.words.parent_path());
  home.put("first");
  CHECK(eventually([&] { return speak(runtime).text == "first"; }));
}

TEST_CASE("Swap: plugins whose libraries have one name and different contents keep their own") {
  const TemporaryDirectory directory;
  const Home speaker(directory / "plugins", "speaker");
  const Home singer(directory / "others", "singer");
  speaker.put("first");
  singer.put("second");
  const auto check = [&](RuntimeOptions options) {
    const bool swaps = options.hot_swap.has_value();
    options.plugin_dirs.push_back(directory / "others");
    Runtime runtime = start(std::move(options));
    for (int i = 0; i < 20; ++i) {
      REQUIRE(speak(runtime).text == "first");
      REQUIRE(sing(runtime).text == "second");
    }
    if (swaps) {
      speaker.put("second");
      REQUIRE(runtime.swap("speaker"));
      singer.put("first");
      REQUIRE(runtime.swap("singer"));
      for (int i = 0; i < 20; ++i) {
        REQUIRE(speak(runtime).text == "second");
        REQUIRE(sing(runtime).text == "first");
      }
    }
  };
  SECTION("with one worker") {
    check(options_of(directory, 1));
  }
  SECTION("with several") {
    check(options_of(directory, 3));
  }
  SECTION("without a store") {
    RuntimeOptions options = options_of(directory, 2);
    options.hot_swap.reset();
    write_file(directory / "cache", "no directory can be made here");
    check(std::move(options));
  }
}
