/// Code that the measuring programs share: it takes samples and prints them for tests/bench/run.
#pragma once

#include <chrono>
#include <cstddef>
#include <string_view>
#include <vector>

namespace tenon::bench {

using Clock = std::chrono::steady_clock;

inline constexpr std::chrono::milliseconds kPause{2};  ///< Between two calls: long enough that both
                                                       ///< sides sleep.

/// The amount of work.
struct Settings {
  bool quick = false;
  /// How long to take samples of one figure, if that gives enough of them.
  [[nodiscard]] Clock::duration time() const {
    return quick ? std::chrono::milliseconds(120) : std::chrono::milliseconds(600);
  }
  template <typename T>
  [[nodiscard]] T pick(T full, T quick_one) const {
    return quick ? quick_one : full;
  }
};

[[nodiscard]] inline double microseconds(Clock::duration duration) {
  return std::chrono::duration<double, std::micro>(duration).count();
}
[[nodiscard]] inline double seconds(Clock::duration duration) {
  return std::chrono::duration<double>(duration).count();
}

/// Prints the samples of one figure as a line of JSON. `unit` must be a unit that run knows.
/// `scale`: the fraction of the nominal size that was really measured.
void report(std::string_view name, std::string_view unit, const std::vector<double>& samples, double scale = 1);

/// Returns how long `run` took, in microseconds.
template <typename Run>
[[nodiscard]] double time_once(Run run) {
  const Clock::time_point start = Clock::now();
  run();
  return microseconds(Clock::now() - start);
}

/// Returns how long each of many runs took, in microseconds: for `time`, but at least `fewest` and
/// at most `most` runs. A tenth as many runs before them warm up. `before` runs before each,
/// outside the measured time.
template <typename Run, typename Before>
[[nodiscard]] std::vector<double> time_each(Clock::duration time, std::size_t fewest, std::size_t most, Run run,
                                            Before before) {
  std::vector<double> samples;
  samples.reserve(most);
  const Clock::time_point begin = Clock::now();
  for (std::size_t i = 0; i == 0 || (i < most / 10 && Clock::now() - begin < time / 10); ++i) {
    before();
    run();
  }
  const Clock::time_point end = Clock::now() + time;
  while (samples.size() < most && (samples.size() < fewest || Clock::now() < end)) {
    before();
    samples.push_back(time_once(run));
  }
  return samples;
}
template <typename Run>
[[nodiscard]] std::vector<double> time_each(Clock::duration time, std::size_t fewest, std::size_t most, Run run) {
  return time_each(time, fewest, most, run, [] {});
}

/// A step of a measuring program, which can be selected by name.
struct Step {
  const char* name;
  void (*run)(const Settings& settings);
};

/// `PROGRAM [--quick] STEP...`: runs the steps in order. Returns the exit code.
int run_steps(const std::vector<Step>& steps, int argc, char** argv);

}  // namespace tenon::bench
