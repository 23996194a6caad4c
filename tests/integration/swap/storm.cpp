// Swaps a plugin many times while threads call it as fast as they can. Checks that each call gets
// exactly one result, from a version that was current, and that nothing is left behind. See
// README.md.
#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iostream>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <flatbuffers/flatbuffers.h>
#include <nlohmann/json.hpp>

#include <tenon/runtime.hpp>

#include "plugins/stamp.hpp"
#include "probe_generated.h"
#include "process_state.hpp"
#include "storm_ledger.hpp"
#include "storm_load.hpp"
#include "tenon_test/check.hpp"
#include "tenon_test/runtime.hpp"
#include "tenon_test/temporary_directory.hpp"

namespace {

namespace fs = std::filesystem;
using namespace tenon::test;  // NOLINT(google-build-using-namespace): one program
using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr std::uint64_t kWarmUpSwaps = 4;
/// How many versions the store may hold, so that many swaps with different contents sweep it.
constexpr std::size_t kStoreFiles = 12;
/// How much memory may grow: some windows of calls are deeper than in the warm-up. A sanitizer
/// keeps up to 256 MiB of freed memory.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr std::uint64_t kFlatKib = 512 << 10;
#else
constexpr std::uint64_t kFlatKib = 64 << 10;
#endif
/// If no call ends for this long, the program hangs.
constexpr std::chrono::seconds kHang{60};

struct Options {
  std::uint64_t swaps = 1000;
  unsigned threads = 4;
  fs::path json;
  bool stamped = false;
};

/// Resources that a swap may leave behind.
struct Remains {
  std::size_t processes = 0;
  std::size_t descriptors = 0;
  std::size_t threads = 0;
  std::size_t mappings = 0;
  std::size_t store_files = 0;
  std::size_t half_files = 0;
  std::size_t old_code = 0;  ///< Processes that map a version that is not current.

  static Remains count(const tenon::Runtime& runtime, const fs::path& store) {
    Remains found;
    const auto pids = children();
    found.processes = pids.size();
    found.descriptors = open_descriptors();
    found.threads = tenon::test::threads();
    found.mappings = file_mappings();
    found.store_files = files_below(store / "objects");
    found.half_files = files_below(store / "incoming");
    const std::string current = runtime.catalog().find_plugin("probe")->sha256;
    for (const std::int64_t pid : pids) {
      const auto lines = memory_map(pid);
      found.old_code += std::any_of(lines.begin(), lines.end(), [&](const std::string& line) {
        return line.find("/probe.so") != std::string::npos && line.find(current) == std::string::npos;
      });
    }
    return found;
  }

  /// Returns how much more there is than allowed.
  [[nodiscard]] std::uint64_t beyond(const Remains& before) const {
    const auto more = [](std::size_t now, std::size_t then) { return now > then ? now - then : 0; };
    return more(processes, before.processes) + more(descriptors, before.descriptors) + more(threads, before.threads) +
           more(mappings, before.mappings) + more(store_files, std::max(before.store_files, kStoreFiles)) + half_files +
           old_code;
  }

  [[nodiscard]] std::string text() const {
    return std::to_string(processes) + " processes, " + std::to_string(descriptors) + " descriptors, " +
           std::to_string(threads) + " threads, " + std::to_string(mappings) + " mappings, " +
           std::to_string(store_files) + " stored files, " + std::to_string(half_files) + " half ones, " +
           std::to_string(old_code) + " processes with old code";
  }
};

[[noreturn]] void usage(const std::string& why) {
  std::fprintf(stderr, "storm: error: %s\nusage: storm [--swaps N] [--threads T] [--stamped] [--json FILE]\n",
               why.c_str());
  std::exit(2);
}

std::uint64_t number(const char* option, const char* text, std::uint64_t least, std::uint64_t most) {
  std::uint64_t value = 0;
  const char* end = text + std::strlen(text);
  const auto [parsed, error] = std::from_chars(text, end, value);
  if (error != std::errc() || parsed != end || value < least || value > most) {
    usage(std::string(option) + " takes a number from " + std::to_string(least) + " to " + std::to_string(most) +
          ", not '" + text + "'");
  }
  return value;
}

Options parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument == "--stamped") {
      options.stamped = true;
      continue;
    }
    if (argument != "--swaps" && argument != "--threads" && argument != "--json") {
      usage("unknown argument '" + argument + "'");
    }
    if (++i == argc) {
      usage(argument + " takes a value");
    }
    if (argument == "--swaps") {
      options.swaps = number("--swaps", argv[i], 1, 10'000'000);
    } else if (argument == "--threads") {
      options.threads = static_cast<unsigned>(number("--threads", argv[i], 1, 256));
    } else {
      options.json = argv[i];
    }
  }
  return options;
}

std::string read_file(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  TENON_CHECK(in.good());
  return std::string((std::istreambuf_iterator<char>(in)), {});
}

class Storm {
 public:
  explicit Storm(const Options& options)
      : options_(options), ledger_(directory_ / "ledger"), runtime_(start()), watchdog_([this] { watch(); }) {}
  ~Storm() {
    over_ = true;
    watchdog_.join();
  }

  /// Returns whether all checks passed.
  bool run() {
    storm(kWarmUpSwaps);
    before_ = settled(std::nullopt);
    sample_memory();
    const bool swapped = storm(options_.swaps);
    after_ = settled(before_);
    sample_memory();
    return report() && swapped;
  }

 private:
  tenon::Runtime start() {
    fs::create_directory(directory_ / "plugins");
    for (const char* version : {"probe_1_again", "probe_2"}) {
      originals_.push_back(build_dir() / "tests" / "swap_plugins" / version / "probe.so");
    }
    fs::copy_file(originals_[0], directory_ / "plugins" / "probe.so");
    tenon::RuntimeOptions options = runtime_options(2);
    options.plugin_dirs = {directory_ / "plugins"};
    options.cache_dir = directory_ / "cache";
    options.hot_swap.emplace();
    options.hot_swap->store_dir = directory_ / "store";
    options.hot_swap->max_store_files = kStoreFiles;
    flatbuffers::FlatBufferBuilder settings;
    settings.Finish(probe::CreateSettingsDirect(settings, ledger_.path().c_str()));
    options.plugin_settings["probe"] =
        tenon::Buffer(settings.GetBufferPointer(), settings.GetBufferPointer() + settings.GetSize());
    return TENON_VALUE(tenon::Runtime::start(std::move(options)));
  }

  /// Returns the file for swap `number`.
  fs::path version_for(std::uint64_t swap) {
    const fs::path& original = originals_[SwapCount::version_after(swap) - 1];
    if (!options_.stamped) {
      return original;
    }
    std::string bytes = read_file(original);
    TENON_CHECK(write_stamp(bytes, swap));
    const fs::path file = directory_ / "plugins" / "probe.so";
    std::ofstream out(file, std::ios::binary | std::ios::trunc);
    out << bytes;
    TENON_CHECK(out.flush().good());
    return file;
  }

  /// Runs `swaps` swaps under load. Returns false if one failed.
  bool storm(std::uint64_t swaps) {
    StormLoad load(runtime_, swaps_, {options_.threads, options_.stamped}, progress_);
    under_load_ = true;
    bool good = true;
    for (std::uint64_t i = 0; i < swaps && good; ++i) {
      std::this_thread::sleep_for(milliseconds(5));
      const fs::path file = version_for(swaps_.done() + 1);
      swaps_.begin();
      const auto swapped = runtime_.swap(file.string());
      good = swapped.has_value();
      if (good) {
        swaps_.end();
      } else {
        std::fprintf(stderr, "storm: swap %llu failed: %s\n", static_cast<unsigned long long>(swaps_.begun()),
                     swapped.error().to_string().c_str());
      }
      if (i % std::max<std::uint64_t>(1, swaps / 20) == 0) {
        sample_memory();
      }
    }
    counts_ += load.stop();
    under_load_ = false;
    if (!load.trouble().empty()) {
      std::fprintf(stderr, "storm: %s\n", load.trouble().c_str());
    }
    return good;
  }

  /// Returns the resources after everything has settled: at most `allowed`, or whatever remains
  /// after some time.
  Remains settled(const std::optional<Remains>& allowed) {
    const auto end = steady_clock::now() + std::chrono::seconds(20);
    Remains found;
    do {
      std::this_thread::sleep_for(milliseconds(100));
      found = Remains::count(runtime_, directory_ / "store");
    } while (steady_clock::now() < end &&
             (allowed ? found.beyond(*allowed) != 0
                      : found.old_code + found.half_files != 0 || found.processes > runtime_.worker_count()));
    return found;
  }

  void sample_memory() {
    rss_kib_.push_back(memory_kib("VmRSS"));
    anonymous_kib_.push_back(memory_kib("RssAnon"));
  }

  bool report() {
    const auto ledger = ledger_.read();
    // Calls with a result that no worker ran, and calls without a result.
    const std::uint64_t well = counts_.answered - counts_.failed;
    const std::uint64_t lost = counts_.calls - counts_.answered + (well > ledger.ran ? well - ledger.ran : 0);
    const std::uint64_t doubled = counts_.doubled + ledger.doubled;
    TENON_CHECK(ledger.beyond == 0);
    const bool flat = anonymous_kib_.back() <= anonymous_kib_.front() + kFlatKib;
    const std::uint64_t leaked = after_.beyond(before_) + (flat ? 0 : 1);
    write_json({{"swaps", swaps_.done() - std::min(swaps_.done(), kWarmUpSwaps)},
                {"calls", counts_.calls},
                {"lost", lost},
                {"failed", counts_.failed},
                {"doubled", doubled},
                {"wrong_version", counts_.wrong_version},
                {"leaked", leaked},
                {"rss_kib_first", rss_kib_.front()},
                {"rss_kib_last", rss_kib_.back()},
                {"rss_kib", rss_kib_},
                {"anonymous_kib", anonymous_kib_},
                {"seconds", std::chrono::duration<double>(steady_clock::now() - begin_).count()}});
    if (leaked != 0) {
      std::fprintf(stderr, "storm: before: %s\nstorm: after:  %s%s\n", before_.text().c_str(), after_.text().c_str(),
                   flat ? "" : "; memory has grown");
    }
    return lost + counts_.failed + doubled + counts_.wrong_version + leaked == 0;
  }

  void write_json(const nlohmann::ordered_json& report) {
    std::cout << report.dump(1) << std::endl;
    if (!options_.json.empty()) {
      std::ofstream(options_.json) << report.dump(1) << "\n";
    }
  }

  /// Exits the program if there is no progress: a hang must be reported, not waited for.
  void watch() {
    std::uint64_t last = 0;
    auto since = steady_clock::now();
    while (!over_) {
      std::this_thread::sleep_for(milliseconds(50));
      const std::uint64_t now = swaps_.begun() + swaps_.done() + progress_.ended;
      if (now != last || !under_load_) {
        last = now;
        since = steady_clock::now();
      } else if (steady_clock::now() - since > kHang) {
        std::fprintf(stderr, "storm: no call and no swap has ended for %lld s, after %llu swaps; given up\n",
                     static_cast<long long>(kHang.count()), static_cast<unsigned long long>(swaps_.done()));
        write_json({{"swaps", swaps_.done() - std::min(swaps_.done(), kWarmUpSwaps)},
                    {"calls", progress_.submitted.load()},
                    {"lost", progress_.submitted - progress_.ended},
                    {"hung", true}});
        std::_Exit(3);
      }
    }
  }

  const Options options_;
  const steady_clock::time_point begin_ = steady_clock::now();
  TemporaryDirectory directory_;
  std::vector<fs::path> originals_;
  StormLedger ledger_;
  tenon::Runtime runtime_;
  SwapCount swaps_;
  StormProgress progress_;
  StormCounts counts_;
  Remains before_, after_;
  std::vector<std::uint64_t> rss_kib_, anonymous_kib_;
  std::atomic<bool> under_load_ = false;
  std::atomic<bool> over_ = false;
  std::thread watchdog_;
};

}  // namespace

int main(int argc, char** argv) {
  const Options options = parse(argc, argv);
  if (!options.json.empty() && !std::ofstream(options.json)) {
    usage("--json " + options.json.string() + " cannot be written");
  }
  Storm storm(options);
  return storm.run() ? 0 : 1;
}
