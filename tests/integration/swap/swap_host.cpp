// A host that swaps, for tests that kill it or fill its disk. `swap_host MODE DIRECTORY`: plugins,
// store and cache are in the directory, and version 1 of probe is in plugins. MODE is one of:
//   churn  swaps back and forth between versions 1 and 2, with a caller, until it is killed; prints
//          "going" after the first swap
//   full   has a store on a separate small disk, and a version that does not fit; exits with 77 if
//          that cannot be tested here
#include <sched.h>
#include <sys/mount.h>

#include <atomic>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

#include <flatbuffers/flatbuffers.h>

#include <tenon/runtime.hpp>

#include "probe_generated.h"
#include "tenon_test/check.hpp"
#include "tenon_test/runtime.hpp"

namespace {

namespace fs = std::filesystem;
using namespace tenon::test;  // NOLINT(google-build-using-namespace): one program

constexpr int kCannotTry = 77;

fs::path variant(const char* name) {
  return build_dir() / "tests" / "swap_plugins" / name / "probe.so";
}

tenon::Runtime start(const fs::path& directory) {
  tenon::RuntimeOptions options = runtime_options(2);
  options.plugin_dirs = {directory / "plugins"};
  options.cache_dir = directory / "cache";
  options.hot_swap.emplace();
  options.hot_swap->store_dir = directory / "store";
  return TENON_VALUE(tenon::Runtime::start(std::move(options)));
}

std::uint32_t version_of_call(tenon::Runtime& runtime) {
  flatbuffers::FlatBufferBuilder builder;
  builder.Finish(probe::CreateAsk(builder));
  return TENON_VALUE(runtime.call<probe::Answer>("probe.tag", builder))->version();
}

int churn(const fs::path& directory) {
  tenon::Runtime runtime = start(directory);
  std::thread caller([&] {
    for (;;) {
      (void)version_of_call(runtime);
    }
  });
  for (bool first = true;; first = false) {
    for (const char* name : {"probe_2", "probe_1_again"}) {
      (void)TENON_VALUE(runtime.swap(variant(name).string()));
    }
    if (first) {
      std::puts("going");
      std::fflush(stdout);
    }
  }
}

int full(const fs::path& directory) {
  fs::create_directory(directory / "store");
  const auto plugin_kib = fs::file_size(variant("probe_1")) >> 10;
  const std::string options = "mode=700,size=" + std::to_string(plugin_kib * 3) + "k";
  if (::unshare(CLONE_NEWNS) != 0 || ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
      ::mount("none", (directory / "store").c_str(), "tmpfs", 0, options.c_str()) != 0) {
    return kCannotTry;
  }
  tenon::Runtime runtime = start(directory);
  std::atomic<bool> stop = false;
  std::atomic<std::uint64_t> calls = 0;
  std::thread caller([&] {
    while (!stop) {
      TENON_CHECK(version_of_call(runtime) == 1);
      ++calls;
    }
  });
  // Version 2 with a tail that the loader ignores.
  const fs::path large = directory / "large" / "probe.so";
  fs::create_directory(large.parent_path());
  fs::copy_file(variant("probe_2"), large);
  fs::resize_file(large, (plugin_kib << 10) * 4);
  const auto swapped = runtime.swap(large.string());
  TENON_CHECK(!swapped);
  std::puts(swapped.error().to_string().c_str());
  TENON_CHECK(fs::is_empty(directory / "store" / "incoming"));
  const std::uint64_t before = calls;
  for (int i = 0; i < 6000 && calls < before + 50; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  TENON_CHECK(calls >= before + 50);
  stop = true;
  caller.join();
  // It continues as soon as there is space.
  (void)TENON_VALUE(runtime.swap(variant("probe_2").string()));
  TENON_CHECK(version_of_call(runtime) == 2);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  TENON_CHECK(argc == 3);
  const std::string mode = argv[1];
  return mode == "churn" ? churn(argv[2]) : mode == "full" ? full(argv[2]) : 2;
}
