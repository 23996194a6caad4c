// Files that are not plugins, or change while they are read.
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "scene.hpp"
#include "tenon_test/catch.hpp"
#include "tenon_test/temporary_directory.hpp"

namespace {

using namespace tenon;        // NOLINT(google-build-using-namespace): a test
using namespace tenon::test;  // NOLINT(google-build-using-namespace): a test
namespace fs = std::filesystem;

/// Tries to swap to a file with these bytes.
void check_refused(const char* name, const std::string& bytes, ErrorCode code, const char* why) {
  INFO(name);
  Scene scene;
  const fs::path file = scene.place_for(name);
  write_file(file, bytes);
  const auto swapped = scene.runtime.swap(file.string());
  REQUIRE_FALSE(swapped.has_value());
  scene.check_serves_on(swapped.error(), code, {why});
  CHECK(swapped.error().message.find(file.string()) != std::string::npos);
  scene.end();
}

/// Returns a program for another machine: changes the field e_machine of the ELF header.
std::string for_machine(std::string bytes, std::uint8_t machine) {
  bytes[18] = static_cast<char>(machine);
  bytes[19] = 0;
  return bytes;
}

}  // namespace

TEST_CASE("Swap: a file that is no plugin of this machine is refused, and why") {
  const std::string good = read_file(variant_file("probe_2"));
  check_refused("empty", "", ErrorCode::kCorrupt, "empty");
  check_refused("garbage", std::string(100'000, 'g'), ErrorCode::kCorrupt, "not a shared library");
  check_refused("truncated", good.substr(0, good.size() / 2), ErrorCode::kCorrupt, "truncated");
  check_refused("cut_header", good.substr(0, 20), ErrorCode::kCorrupt, "truncated");
  constexpr std::uint8_t kAArch64 = 183;
  constexpr std::uint8_t kX86_64 = 62;
  const bool here_x86 = static_cast<std::uint8_t>(good[18]) == kX86_64;
  check_refused("other_machine", for_machine(good, here_x86 ? kAArch64 : kX86_64), ErrorCode::kIncompatible,
                "this machine is");
}

TEST_CASE("Swap: a plugin of another ABI is refused, and both are named") {
  std::string bytes = read_file(variant_file("probe_2"));
  const auto manifest = bytes.find("TENON\r\n\x1a");
  REQUIRE(manifest != std::string::npos);
  bytes[manifest + 12] = 77;  // abi_major, which follows the magic and the size.
  check_refused("other_abi", bytes, ErrorCode::kIncompatible, "ABI 77");
}

TEST_CASE("Swap: a plugin that is called otherwise than its file is refused") {
  Scene scene;
  const fs::path file = scene.directory / "other.so";
  fs::copy_file(variant_file("probe_2"), file);
  const auto swapped = scene.runtime.swap(file.string());
  REQUIRE_FALSE(swapped.has_value());
  CHECK(swapped.error().code == ErrorCode::kIncompatible);
  CHECK(swapped.error().message.find("'probe'") != std::string::npos);
  CHECK(scene.callers.wait_for_answers(1, 20));
  scene.end();
}

TEST_CASE("Swap: a file that is overwritten in place while workers use it hurts nobody") {
  Scene scene;
  SECTION("by garbage") {
    write_file(scene.file(), std::string(10'000, 'g'));
    CHECK(scene.callers.wait_for_answers(1, 100));
    const auto swapped = scene.runtime.swap("probe");
    REQUIRE_FALSE(swapped.has_value());
    scene.check_serves_on(swapped.error(), ErrorCode::kCorrupt, {"not a shared library"});
  }
  SECTION("by nothing") {
    write_file(scene.file(), "");
    CHECK(scene.callers.wait_for_answers(1, 100));
    const auto swapped = scene.runtime.swap("probe");
    REQUIRE_FALSE(swapped.has_value());
    scene.check_serves_on(swapped.error(), ErrorCode::kCorrupt, {"empty"});
  }
  SECTION("by the next version") {
    write_file(scene.file(), read_file(variant_file("probe_2")));
    CHECK(scene.callers.wait_for_answers(1, 100));
    scene.callers.allow({1, 2});
    const auto swapped = scene.runtime.swap("probe");
    REQUIRE(swapped.has_value());
    CHECK(swapped->before.version == "1.0.0");
    CHECK(swapped->now.version == "1.1.0");
    CHECK(scene.callers.wait_for_answers(2, 100));
  }
  scene.end();
}

TEST_CASE("Swap: a deleted file changes nothing") {
  Scene scene;
  fs::remove(scene.file());
  CHECK(scene.callers.wait_for_answers(1, 50));
  const auto swapped = scene.runtime.swap("probe");
  REQUIRE_FALSE(swapped.has_value());
  INFO(swapped.error().to_string());
  CHECK(swapped.error().code == ErrorCode::kNotFound);
  CHECK(scene.current().version == "1.0.0");
  CHECK(scene.callers.wait_for_answers(1, 50));
  scene.end();
}

TEST_CASE("Swap: what a watch finds deleted goes on") {
  SceneOptions options;
  options.hot_swap.watch = true;
  options.hot_swap.rescan = std::chrono::milliseconds(100);
  Scene scene(options);
  fs::remove(scene.file());
  std::this_thread::sleep_for(std::chrono::milliseconds(400));
  CHECK(scene.current().version == "1.0.0");
  CHECK(scene.events.count(SwapEvent::Kind::kSwitched) == 0);
  scene.callers.allow({1, 2});
  replace_file(scene.file(), read_file(variant_file("probe_2")));
  CHECK(scene.callers.wait_for_answers(2, 20));
  scene.end();
}

TEST_CASE("Swap: a file that is still being written is not taken for whole") {
  Scene scene;
  const std::string good = read_file(variant_file("probe_2"));
  const fs::path file = scene.place_for("slow_writer");
  std::thread writer([&] {
    std::ofstream out(file, std::ios::binary);
    constexpr std::size_t kPieces = 40;
    for (std::size_t piece = 0; piece < kPieces; ++piece) {
      const std::size_t first = good.size() * piece / kPieces;
      const std::size_t last = good.size() * (piece + 1) / kPieces;
      out.write(good.data() + first, static_cast<std::streamsize>(last - first));
      out.flush();
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
  });
  std::string other_refusal;
  scene.callers.allow({1, 2});
  REQUIRE(eventually([&] { return fs::exists(file) && fs::file_size(file) > 0; }));
  const bool in_the_end = eventually([&] {
    const auto swapped = scene.runtime.swap(file.string());
    // The swap waits for the writer. If a busy machine delays the writer for long, it seems to have
    // finished: the file then is half a plugin, and no other error is acceptable.
    if (!swapped && swapped.error().code != ErrorCode::kCorrupt) {
      other_refusal = swapped.error().to_string();
    }
    return swapped.has_value();
  });
  writer.join();
  INFO(scene.events.text());
  CHECK(in_the_end);
  CHECK(other_refusal == "");
  CHECK(scene.current().version == "1.1.0");
  CHECK(eventually([&] { return scene.events.count(SwapEvent::Kind::kSwitched) == 1; }));
  CHECK(scene.callers.wait_for_answers(2, 20));
  scene.end();
}

TEST_CASE("Swap: of fifty updates in a second the newest wins") {
  SceneOptions options;
  options.hot_swap.watch = true;
  options.hot_swap.debounce = std::chrono::milliseconds(200);
  Scene scene(options);
  constexpr std::uint64_t kUpdates = 50;
  std::vector<std::string> contents;
  for (std::uint64_t update = 1; update <= kUpdates; ++update) {
    contents.push_back(stamped_probe(update));
  }
  // Pauses caused by a busy machine that are long enough to look like the end of writing.
  std::size_t pauses = 0;
  auto last = std::chrono::steady_clock::now();
  for (std::uint64_t update = 1; update <= kUpdates; ++update) {
    if (update % 2 == 0) {
      replace_file(scene.file(), contents[update - 1]);
    } else {
      write_file(scene.file(), contents[update - 1]);
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(18));
    const auto now = std::chrono::steady_clock::now();
    pauses += now - last > options.hot_swap.debounce / 2 ? 1 : 0;
    last = now;
  }
  // The stamp identifies the current one; all of them are version 1.
  const bool newest = eventually([&] {
    const auto stamp = stamp_of_answer(scene.runtime);
    return stamp && *stamp == kUpdates;
  });
  INFO(scene.events.text());
  CHECK(newest);
  CHECK(eventually([&] { return scene.events.count(SwapEvent::Kind::kSwitched) >= 1; }));
  CHECK(scene.events.count(SwapEvent::Kind::kSwitched) <= pauses + 2);
  scene.end();
}

TEST_CASE("Swap: what there is not is told, with what there is") {
  Scene scene;
  const auto check_unknown = [&](const std::string& what, const std::string& why) {
    const auto swapped = scene.runtime.swap(what);
    REQUIRE_FALSE(swapped.has_value());
    INFO(what << ": " << swapped.error().to_string());
    CHECK(swapped.error().code == ErrorCode::kNotFound);
    CHECK(swapped.error().message.find(why) != std::string::npos);
  };
  check_unknown("prob", "probe");
  check_unknown("probe@9.9.9", "9.9.9");
  check_unknown(missing_path("probe.so").string(), missing_path("probe.so").string());
  const auto back = scene.runtime.rollback("probe", "no reason");
  REQUIRE_FALSE(back.has_value());
  CHECK(back.error().code == ErrorCode::kNotFound);
  CHECK_FALSE(scene.runtime.rollback("prob").has_value());
  for (const char* nonsense : {"", "@", "probe@"}) {
    CHECK_FALSE(scene.runtime.swap(nonsense).has_value());
  }
  CHECK(scene.callers.wait_for_answers(1, 20));
  scene.end();
}
