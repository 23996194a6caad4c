#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>
#include <vector>

#include "integration/swap/plugins/stamp.hpp"
#include "probe_generated.h"
#include "tenon_test/temporary_directory.hpp"
#include "workloads/bench_runtime.hpp"
#include "workloads/workloads.hpp"

namespace tenon::bench {
namespace {

namespace fs = std::filesystem;

constexpr unsigned kCallers = 4;
constexpr std::chrono::milliseconds kBetweenSwaps{200};
constexpr std::chrono::milliseconds kBin{10};

struct Span {
  Clock::time_point begin;
  Clock::time_point end;
};

flatbuffers::FlatBufferBuilder ask(std::uint64_t sequence = 0) {
  flatbuffers::FlatBufferBuilder builder;
  builder.Finish(probe::CreateAsk(builder, sequence));
  return builder;
}

/// A runtime with a separate plugin directory, in which new versions of probe appear one after
/// another, as a build makes them, so that each is copied and inspected.
class Versions {
 public:
  explicit Versions(bool watch) : runtime_(start(watch)) { wait_for_all_workers(runtime_); }

  [[nodiscard]] Runtime& runtime() { return runtime_; }
  [[nodiscard]] const fs::path& file() const { return file_; }
  [[nodiscard]] std::uint64_t latest() const { return latest_; }

  /// Makes the next version beside the current one.
  void prepare() {
    TENON_CHECK(test::write_stamp(bytes_, ++latest_));
    std::ofstream out(next_, std::ios::binary | std::ios::trunc);
    out << bytes_;
    TENON_CHECK(out.flush().good());
  }
  /// Replaces the current version by it.
  void replace() const { fs::rename(next_, file_); }

 private:
  Runtime start(bool watch) {
    fs::create_directory(directory_ / "plugins");
    file_ = directory_ / "plugins" / "probe.so";
    next_ = directory_ / "next.so";
    std::ifstream in(test::build_dir() / "tests" / "swap_plugins" / "probe_1" / "probe.so", std::ios::binary);
    bytes_.assign(std::istreambuf_iterator<char>(in), {});
    prepare();
    replace();
    RuntimeOptions options = runtime_options(2);
    options.plugin_dirs = {directory_ / "plugins"};
    options.cache_dir = directory_ / "cache";
    options.hot_swap.emplace();
    options.hot_swap->store_dir = directory_ / "store";
    options.hot_swap->watch = watch;
    return TENON_VALUE(Runtime::start(std::move(options)));
  }

  test::TemporaryDirectory directory_;
  fs::path file_, next_;
  std::string bytes_;
  std::uint64_t latest_ = 0;
  Runtime runtime_;
};

/// Makes calls from several threads, each as fast as results come, while `beside` runs.
template <typename Beside>
std::vector<Span> load(Runtime& runtime, Beside beside) {
  std::atomic<bool> stop = false;
  std::vector<std::vector<Span>> calls(kCallers);
  std::vector<std::thread> threads;
  for (std::vector<Span>& own : calls) {
    own.reserve(std::size_t{1} << 23);  // Memory is allocated as it is used.
    threads.emplace_back([&] {
      const flatbuffers::FlatBufferBuilder argument = ask();
      while (!stop && own.size() < own.capacity()) {
        const Clock::time_point begin = Clock::now();
        TENON_CHECK(runtime.call("probe.tag", view(argument)).has_value());
        own.push_back({begin, Clock::now()});
      }
    });
  }
  beside();
  stop = true;
  for (std::thread& thread : threads) {
    thread.join();
  }
  std::vector<Span> all;
  for (const std::vector<Span>& own : calls) {
    all.insert(all.end(), own.begin(), own.end());
  }
  return all;
}

void wait_until_drained(const Runtime& runtime) {
  const auto drained = [&] {
    const auto generations = runtime.generations();
    return std::all_of(generations.begin(), generations.end(), [](const GenerationInfo& generation) {
      return generation.state == GenerationState::kCurrent || generation.workers == 0;
    });
  };
  while (!drained()) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

/// Swaps until `end`, with a pause between swaps. Each span lasts from the command until no worker
/// has the old version.
std::vector<Span> swap_until(Versions& versions, Clock::time_point end) {
  std::vector<Span> swaps;
  while (Clock::now() < end) {
    versions.prepare();
    versions.replace();
    const Clock::time_point begin = Clock::now();
    (void)TENON_VALUE(versions.runtime().swap("probe"));
    wait_until_drained(versions.runtime());
    swaps.push_back({begin, Clock::now()});
    std::this_thread::sleep_for(kBetweenSwaps);
  }
  return swaps;
}

/// Returns the latencies of calls that started in one of the time spans. (Of calls that only
/// overlap a short span, more would be slow.)
std::vector<double> during(const std::vector<Span>& calls, const std::vector<Span>& times) {
  std::vector<double> took;
  for (const Span& call : calls) {
    if (std::any_of(times.begin(), times.end(),
                    [&](const Span& time) { return time.begin <= call.begin && call.begin < time.end; })) {
      took.push_back(microseconds(call.end - call.begin));
    }
  }
  return took;
}

double quantile(std::vector<double>& values, double share) {
  TENON_CHECK(!values.empty());
  const auto at = std::min(values.size() - 1, static_cast<std::size_t>(share * static_cast<double>(values.size())));
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(at), values.end());
  return values[at];
}

constexpr struct {
  const char* name;
  double share;
} kQuantiles[] = {{"p50", 0.5}, {"p99", 0.99}, {"p999", 0.999}};

/// Quantiles of several runs, to be reported together.
class Runs {
 public:
  void add(std::vector<double> took) {
    for (std::size_t i = 0; i < std::size(kQuantiles); ++i) {
      values_[i].push_back(quantile(took, kQuantiles[i].share));
    }
  }
  void report_as(const std::string& name) const {
    for (std::size_t i = 0; i < std::size(kQuantiles); ++i) {
      report(name + kQuantiles[i].name, "us", values_[i]);
    }
  }

 private:
  std::vector<double> values_[std::size(kQuantiles)];
};

std::string numbers(const std::vector<double>& values) {
  std::string text;
  char number[32];
  for (const double value : values) {
    std::snprintf(number, sizeof number, "%s%.6g", text.empty() ? "" : ",", value);
    text += number;
  }
  return "[" + text + "]";
}

/// Prints latencies over time for a chart: for each bin, the median and the worst of the calls that
/// ended in it, and when swaps were under way.
void report_timeline(const std::vector<Span>& calls, const std::vector<Span>& swaps) {
  const Clock::time_point zero = std::min_element(calls.begin(), calls.end(), [](const Span& a, const Span& b) {
                                   return a.begin < b.begin;
                                 })->begin;
  std::vector<std::vector<double>> bins;
  for (const Span& call : calls) {
    const auto bin = static_cast<std::size_t>((call.end - zero) / kBin);
    bins.resize(std::max(bins.size(), bin + 1));
    bins[bin].push_back(microseconds(call.end - call.begin));
  }
  std::vector<double> at, median, worst, begins, ends;
  for (std::size_t bin = 0; bin < bins.size(); ++bin) {
    if (!bins[bin].empty()) {
      at.push_back((static_cast<double>(bin) + 0.5) * seconds(kBin));
      median.push_back(quantile(bins[bin], 0.5));
      worst.push_back(*std::max_element(bins[bin].begin(), bins[bin].end()));
    }
  }
  for (const Span& swap : swaps) {
    begins.push_back(seconds(swap.begin - zero));
    ends.push_back(seconds(swap.end - zero));
  }
  std::printf(
      "{\"timeline\": \"tenon.swap\", \"unit\": \"us\", \"at_s\": %s, \"median\": %s, \"worst\": %s, "
      "\"event_begin_s\": %s, \"event_end_s\": %s}\n",
      numbers(at).c_str(), numbers(median).c_str(), numbers(worst).c_str(), numbers(begins).c_str(),
      numbers(ends).c_str());
  std::fflush(stdout);
}

void latencies(const Settings& settings) {
  Versions versions(false);
  const Clock::duration time = settings.pick(std::chrono::milliseconds(1200), std::chrono::milliseconds(600));
  const int pairs = settings.pick(4, 2);
  std::vector<Span> still;
  std::vector<std::vector<Span>> swaps;
  // One load for all measurements: threads settle into different patterns of taking turns, which
  // last for long.
  const std::vector<Span> calls = load(versions.runtime(), [&] {
    std::this_thread::sleep_for(time / 4);
    for (int pair = 0; pair < pairs; ++pair) {
      const Clock::time_point begin = Clock::now();
      std::this_thread::sleep_for(time);
      still.push_back({begin, Clock::now()});
      swaps.push_back(swap_until(versions, Clock::now() + time));
    }
  });
  Runs with_swaps, without;
  for (std::size_t pair = 0; pair < swaps.size(); ++pair) {
    with_swaps.add(during(calls, swaps[pair]));
    without.add(during(calls, {still[pair]}));
  }
  with_swaps.report_as("tenon.swap.");
  without.report_as("tenon.swap.still.");
  // The course of the first pair.
  std::vector<Span> shown;
  std::copy_if(calls.begin(), calls.end(), std::back_inserter(shown), [&](const Span& call) {
    return call.begin >= still[0].begin && call.end < swaps[0].back().end + kBetweenSwaps;
  });
  report_timeline(shown, swaps[0]);
}

/// Measures the time from the moment a file is in its place to the first result of its version,
/// minus the debounce time.
void visible(const Settings& settings) {
  Versions versions(true);
  const double debounce_us = microseconds(HotSwapOptions().debounce);
  const flatbuffers::FlatBufferBuilder argument = ask();
  std::vector<double> beyond;
  for (int change = 0; change < settings.pick(15, 5); ++change) {
    versions.prepare();
    std::this_thread::sleep_for(std::chrono::milliseconds(150));  // Lets the watch become idle.
    const Clock::time_point begin = Clock::now();
    versions.replace();
    Clock::time_point asked;
    std::uint64_t stamp = 0;
    do {
      TENON_CHECK(Clock::now() - begin < std::chrono::seconds(30));
      asked = Clock::now();
      stamp = TENON_VALUE(versions.runtime().call<probe::Answer>("probe.tag", argument))->stamp();
      std::this_thread::sleep_for(std::chrono::microseconds(200));
    } while (stamp != versions.latest());
    beyond.push_back(microseconds(asked - begin) - debounce_us);
  }
  report("tenon.swap.visible", "us", beyond);
}

}  // namespace

void swap(const Settings& settings) {
  latencies(settings);
  visible(settings);
}

}  // namespace tenon::bench
