#include "phase.hpp"

#include <chrono>
#include <fstream>
#include <iostream>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>

#include "attacker.hpp"
#include "book.hpp"
#include "chaos_generated.h"
#include "host/runtime_access.hpp"
#include "load.hpp"
#include "processes.hpp"
#include "tenon_test/in_process_launcher.hpp"
#include "tenon_test/runtime.hpp"
#include "watchdog.hpp"

namespace tenon::chaos {
namespace {

namespace fs = std::filesystem;
using std::chrono::steady_clock;

constexpr std::uint64_t kMostWorkers = 1 << 18;
constexpr std::chrono::seconds kSettle{10};

double seconds_since(steady_clock::time_point then) {
  return std::chrono::duration<double>(steady_clock::now() - then).count();
}

class Phase {
 public:
  Phase(const PhaseOptions& options, void (*on_hang)(const PhaseReport&))
      : options_(options),
        on_hang_(on_hang),
        random_(scatter(options.seed)),
        book_(options.directory / "ledger", Load::sequences_for(options.calls), kMostWorkers) {}

  PhaseReport run() {
    const auto begin = steady_clock::now();
    before_ = Remains::count();
    auto runtime = start();
    if (!runtime) {
      book_.find("the runtime cannot start: " + runtime.error().to_string(), false);
    } else {
      const Watchdog watchdog(book_.progress, options_.patience, [&] { report_hang(*runtime); });
      Attacker attacker(*runtime, book_, where_, {.attacks = options_.mix.attacks, .seed = options_.seed});
      Load(*runtime, book_,
           {.calls = options_.calls, .seed = options_.seed, .mix = options_.mix, .forms = options_.forms})
          .wait();
      attacker.stop();
      report_.attacks = attacker.attacks();
      report_.worker_deaths = runtime->stats().crashed_workers;
      shut_down(*runtime);
    }
    runtime = fail(ErrorCode::kCancelled, "over");
    report_.seconds = seconds_since(begin);
    const std::uint64_t left = look_for_remains();
    Verdict verdict = judge(book_);
    verdict.leaked += left;
    for (std::string& text : trouble_) {
      verdict.note(std::move(text));
    }
    report_.verdict = std::move(verdict);
    return report_;
  }

 private:
  Result<Runtime> start() {
    where_.original = test::build_dir() / "tests" / "chaos_plugins" / "chaos.so";
    fs::create_directory(options_.directory / "plugins");
    where_.plugin = options_.directory / "plugins" / "chaos.so";
    fs::copy_file(where_.original, where_.plugin);
    where_.disk = options_.disk;
    const fs::path files = options_.disk.empty() ? options_.directory : options_.disk;
    where_.cache = files / "cache";
    where_.store = files / "store";

    RuntimeOptions runtime;
    runtime.workers = report_.workers = static_cast<unsigned>(random_() % 4 + 1);
    runtime.plugin_dirs = {options_.directory / "plugins"};
    runtime.worker_executable = test::build_dir() / "bin" / "tenon-worker";
    runtime.cache_dir = where_.cache;
    runtime.copy_results = random_() % 2 == 0;
    runtime.cancel_grace = std::chrono::milliseconds(50);
    runtime.hot_swap.emplace();
    runtime.hot_swap->store_dir = where_.store;
    runtime.hot_swap->max_store_files = 8;
    runtime.log = [this](const LogRecord& record) { log(record); };
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    if (!options_.in_process) {
      runtime.worker_memory_limit_bytes = std::uint64_t{512} << 20;
    }
#endif
    flatbuffers::FlatBufferBuilder settings;
    settings.Finish(::chaos::CreateSettingsDirect(settings, book_.file().c_str()));
    runtime.plugin_settings["chaos"] =
        Buffer(settings.GetBufferPointer(), settings.GetBufferPointer() + settings.GetSize());
    return options_.in_process ? internal::RuntimeAccess::start(std::move(runtime), test::make_in_process_launcher())
                               : Runtime::start(std::move(runtime));
  }

  void shut_down(Runtime& runtime) {
    const auto begin = steady_clock::now();
    runtime.shutdown(random_() % 2 == 0 ? Shutdown::kDrain : Shutdown::kCancel);
    report_.shutdown_seconds = seconds_since(begin);
  }

  /// Returns how much remains after it has had time to go.
  std::uint64_t look_for_remains() {
    const auto end = steady_clock::now() + kSettle;
    for (;;) {
      const auto processes = processes_of_run(book_.file());
      Remains now = Remains::count();
      if (options_.in_process) {
        now.mappings = 0;  // A plugin that this process has loaded stays mapped.
      }
      const auto files = leftover_files(options_.temporary, where_.store);
      const std::uint64_t left = processes.size() + now.beyond(before_) + files.size();
      if (left == 0) {
        return 0;
      }
      if (steady_clock::now() > end) {
        for (const std::int64_t pid : processes) {
          trouble_.push_back("left: " + describe_process(pid));
        }
        for (const std::string& file : files) {
          trouble_.push_back("left: " + file);
        }
        if (now.beyond(before_) != 0) {
          trouble_.push_back("before: " + before_.text() + "; after: " + now.text());
        }
        return left;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
  }

  void report_hang(const Runtime& runtime) {
    std::cerr << "chaos: nothing has ended for " << options_.patience.count() << " s; under way:\n";
    std::uint64_t shown = 0;
    for (std::uint64_t sequence = 1; sequence < book_.end(); ++sequence) {
      const Entry& entry = book_.entry(sequence);
      if (entry.kind == Kind::kUnused || entry.ends != 0) {
        continue;
      }
      ++report_.verdict.hanging;
      if (++shown <= 40) {
        std::cerr << "  " << describe(book_, sequence) << "\n";
      }
    }
    // A session, a pipeline or the shutdown itself hangs.
    report_.verdict.hanging = std::max<std::uint64_t>(report_.verdict.hanging, 1);
    report_.verdict.calls = book_.end() - 1;
    for (const std::int64_t pid : processes_of_run(book_.file())) {
      std::cerr << "  " << describe_process(pid) << "\n";
    }
    {
      const std::lock_guard lock(log_mutex_);
      for (const std::string& line : last_lines_) {
        std::cerr << "  log: " << line << "\n";
      }
    }
    std::cerr.flush();
    // The runtime itself may hang, so another thread, which is not joined, queries it.
    std::thread([&runtime] {
      const RuntimeStats stats = runtime.stats();
      std::cerr << "  queued " << stats.queued << ", running " << stats.running << "\n";
      for (const auto& worker : stats.workers) {
        std::cerr << "  worker " << worker.id << ", process " << worker.pid << ", " << worker.calls << " calls\n";
      }
      std::cerr.flush();
    }).detach();
    std::this_thread::sleep_for(std::chrono::seconds(1));
    on_hang_(report_);
  }

  void log(const LogRecord& record) {
    const std::lock_guard lock(log_mutex_);
    ++report_.log_lines;
    if (record.level >= LogLevel::kWarning) {
      last_lines_.push_back("worker " + std::to_string(record.worker_id) + ": " +
                            std::string(record.message.substr(0, 300)));
      if (last_lines_.size() > 30) {
        last_lines_.pop_front();
      }
    }
  }

  const PhaseOptions& options_;
  void (*const on_hang_)(const PhaseReport&);
  Random random_;
  Book book_;
  Surroundings where_;
  Remains before_;
  PhaseReport report_;
  std::vector<std::string> trouble_;
  std::mutex log_mutex_;  // Guards the members below, and report_.log_lines.
  std::deque<std::string> last_lines_;
};

}  // namespace

PhaseReport run_phase(const PhaseOptions& options, void (*on_hang)(const PhaseReport&)) {
  return Phase(options, on_hang).run();
}

}  // namespace tenon::chaos
