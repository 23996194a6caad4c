// Calls a runtime in every form while tasks die, do damage and flood in every way, and keeps a
// ledger of the requested calls, the calls that ran and the reported outcomes. See README.md.
#include <sys/mount.h>
#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <optional>
#include <string>

#include <nlohmann/json.hpp>

#include "disk.hpp"
#include "options.hpp"
#include "phase.hpp"
#include "tenon_test/temporary_directory.hpp"

namespace {

namespace fs = std::filesystem;
using namespace tenon::chaos;  // NOLINT(google-build-using-namespace): one program
using nlohmann::ordered_json;

/// The largest number of calls in a phase: a phase is judged as a whole, in memory.
constexpr std::uint64_t kCallsOfPhase = 25'000;

ordered_json to_json(const Verdict& verdict) {
  ordered_json json = {{"calls", verdict.calls}};
  for (std::size_t i = 1; i < kKindNames.size(); ++i) {
    json["by_kind"][std::string(kKindNames[i])] = verdict.by_kind[i];
  }
  for (std::size_t i = 0; i < kOutcomeNames.size(); ++i) {
    json["by_outcome"][std::string(kOutcomeNames[i])] = verdict.by_outcome[i];
  }
  json["misbehaved"] = verdict.ways_taken;
  json["excused"] = verdict.excused;
  json["lost"] = verdict.lost;
  json["doubled"] = verdict.doubled;
  json["wrong"] = verdict.wrong;
  json["blamed"] = verdict.blamed;
  json["leaked"] = verdict.leaked;
  json["hanging"] = verdict.hanging;
  return json;
}

/// Runs phases one after another.
class Run {
 public:
  explicit Run(Options options) : options_(std::move(options)) {}

  int go() {
    temporary_ = directory_ / "tmp";
    fs::create_directory(temporary_);
    ::setenv("TMPDIR", temporary_.c_str(), 1);
    const fs::path disk = directory_ / "disk";
    fs::create_directory(disk);
    if (!options_.in_process && mount_small_disk(disk)) {
      disk_ = disk;
    } else if (!options_.in_process) {
      std::cerr << "chaos: no file system can be mounted here (not root?); the disk is not filled\n";
    }
    std::cerr << "chaos: seed " << options_.seed << ", " << options_.calls << " calls\n";

    // Makes allocations that a process makes once: locale, allocator, libraries.
    run_phase_of(Mix{"warm-up"}, 500);
    total_ = {};
    phases_ = ordered_json::array();
    std::uint64_t left = options_.calls;
    const std::uint64_t rounds = (options_.calls - 1) / (options_.mixes.size() * kCallsOfPhase) + 1;
    const std::uint64_t phases = rounds * options_.mixes.size();
    for (std::uint64_t i = 0; i < phases; ++i) {
      const std::uint64_t calls = left / (phases - i);
      left -= calls;
      if (calls != 0) {
        run_phase_of(options_.mixes[i % options_.mixes.size()], calls);
      }
    }
    write();
    if (disk_) {
      ::umount2(disk_->c_str(), MNT_DETACH);
    }
    return total_.faults() == 0 ? 0 : 1;
  }

 private:
  void run_phase_of(const Mix& mix, std::uint64_t calls) {
    PhaseOptions phase;
    phase.mix = mix;
    phase.calls = calls;
    phase.seed = scatter(options_.seed + ++number_) >> 4;  // Integers in TOML are signed.
    phase.in_process = options_.in_process;
    phase.forms = options_.forms;
    phase.patience = options_.patience;
    phase.directory = directory_ / std::to_string(number_);
    phase.temporary = temporary_;
    // Every second phase, so that the store is also tested with enough space.
    if (disk_ && (mix.attacks & kAttackDiskFull) != 0) {
      phase.disk = *disk_;
    }
    fs::create_directory(phase.directory);
    current_ = this;
    mix_ = mix;
    const PhaseReport report = run_phase(phase, [](const PhaseReport& hanging) {
      current_->add(hanging);
      current_->write();
      std::error_code ignored;
      fs::remove_all(current_->directory_.path(), ignored);
      std::_Exit(3);
    });
    add(report);
    std::error_code ignored;
    fs::remove_all(phase.directory, ignored);
    if (disk_) {
      for (const auto& entry : fs::directory_iterator(*disk_, ignored)) {
        fs::remove_all(entry.path(), ignored);
      }
    }
  }

  void add(const PhaseReport& report) {
    const Verdict& verdict = report.verdict;
    total_ += verdict;
    ordered_json json = to_json(verdict);
    json["phase"] = std::string(mix_.name);
    json["workers"] = report.workers;
    json["worker_deaths"] = report.worker_deaths;
    json["attacks"] = report.attacks;
    json["log_lines"] = report.log_lines;
    json["seconds"] = report.seconds;
    json["shutdown_seconds"] = report.shutdown_seconds;
    phases_.push_back(std::move(json));
    std::cerr << "chaos: " << mix_.name << ": " << verdict.calls << " calls, " << report.workers << " workers, "
              << report.worker_deaths << " deaths, " << verdict.excused << " excused, " << verdict.faults()
              << " faults, " << report.seconds << " s\n";
    for (const std::string& text : verdict.trouble) {
      std::cerr << "  " << text << "\n";
    }
  }

  void write() {
    ordered_json json = {{"seed", options_.seed}};
    json.update(to_json(total_));
    json["disk_filled"] = disk_.has_value();
    json["seconds"] = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count();
    json["phases"] = phases_;
    std::cout << json.dump(1) << std::endl;
    if (!options_.json.empty()) {
      std::ofstream(options_.json) << json.dump(1) << "\n";
    }
    if (total_.faults() != 0) {
      std::cerr << "chaos: faults; again: tests/chaos/run --calls " << options_.calls << " --seed " << options_.seed
                << (options_.in_process ? " --in-process" : "") << "\n";
    }
  }

  static inline Run* current_ = nullptr;
  const Options options_;
  const std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
  tenon::test::TemporaryDirectory directory_;
  fs::path temporary_;
  std::optional<fs::path> disk_;
  std::uint64_t number_ = 0;
  Mix mix_;
  Verdict total_;
  ordered_json phases_ = ordered_json::array();
};

}  // namespace

int main(int argc, char** argv) {
  // Thousands of processes die here; none needs a core file.
  const rlimit none = {0, 0};
  ::setrlimit(RLIMIT_CORE, &none);
  return Run(parse_options(argc, argv)).go();
}
