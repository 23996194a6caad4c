// A host that uses a store, for tests that kill it or take away its space or its permissions. The
// first argument selects what it does.
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>

#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <unistd.h>

#include "plugin/file_hash.hpp"
#include "plugin/store.hpp"

using namespace tenon::internal;
namespace fs = std::filesystem;

namespace {

constexpr int kCannotTry = 77;

int report(const tenon::Error& error) {
  std::puts(error.to_string().c_str());
  return 1;
}

fs::path source(const fs::path& directory, int number) {
  return directory / (std::to_string(number) + ".so");
}

/// Stages the sources 0 to `count` - 1 of a directory in turn and checks each; forever if `turns`
/// is 0.
int churn(const fs::path& store_directory, const fs::path& sources, int count, int turns) {
  for (int turn = 0; turns == 0 || turn < turns; ++turn) {
    auto store = Store::open(store_directory, {});
    if (!store) {
      return report(store.error());
    }
    for (int i = 0; i < 3; ++i) {
      const auto staged = store->stage(source(sources, (turn * 7 + i + ::getpid()) % count));
      if (!staged) {
        return report(staged.error());
      }
      store->sweep();
      const auto hash = sha256_of_file(staged->file);
      if (!hash) {
        return report(hash.error());
      }
      if (*hash != staged->sha256) {
        std::puts("a stored file has another hash than its name");
        return 1;
      }
    }
    if (turn == 0) {
      std::puts("going");
      std::fflush(stdout);
    }
  }
  return 0;
}

int stage_one(const fs::path& store_directory, const fs::path& file) {
  const auto store = Store::open(store_directory, {});
  if (!store) {
    return report(store.error());
  }
  const auto staged = store->stage(file);
  if (staged) {
    return 0;
  }
  for (const char* part : {"objects", "incoming"}) {
    if (!fs::is_empty(store_directory / part)) {
      std::puts("something was left behind");
    }
  }
  return report(staged.error());
}

}  // namespace

int main(int argc, char** argv) {
  const std::string what = argc > 3 ? argv[1] : "";
  if (what == "churn" && argc == 6) {
    return churn(argv[2], argv[3], std::atoi(argv[4]), std::atoi(argv[5]));
  }
  if (what == "hold") {
    const auto store = Store::open(argv[2], {});
    const auto staged = store ? store->stage(argv[3]) : tenon::fail(store.error());
    if (!staged) {
      return report(staged.error());
    }
    std::puts("going");
    std::fflush(stdout);
    for (;;) {
      ::pause();
    }
  }
  if (what == "limited") {
    const rlimit limit{100'000, 100'000};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    return stage_one(argv[2], argv[3]);
  }
  if (what == "full") {
    // A small file system that only this process sees.
    if (::unshare(CLONE_NEWNS) != 0 || ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        ::mount("none", argv[2], "tmpfs", 0, argc > 4 ? argv[4] : "size=200k,mode=700") != 0) {
      return kCannotTry;
    }
    return stage_one(argv[2], argv[3]);
  }
  if (what == "noexec") {
    if (::unshare(CLONE_NEWNS) != 0 || ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        ::mount("none", argv[2], "tmpfs", MS_NOEXEC, "mode=700") != 0) {
      return kCannotTry;
    }
    return stage_one(argv[2], argv[3]);
  }
  if (what == "nobody") {
    if (::setgid(65534) != 0 || ::setuid(65534) != 0) {
      return kCannotTry;
    }
    return stage_one(argv[2], argv[3]);
  }
  return 100;
}
