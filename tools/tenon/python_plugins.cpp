#include "tools/tenon/python_plugins.hpp"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <iterator>
#include <map>
#include <optional>
#include <set>
#include <sstream>
#include <string>
#include <system_error>
#include <thread>
#include <utility>

#include "base/clock.hpp"
#include "base/text.hpp"
#include "platform/file_watch.hpp"
#include "platform/process.hpp"
#include "platform/reactor/poller.hpp"
#include "platform/thread.hpp"

namespace tenon::cli {
namespace {

namespace fs = std::filesystem;

/// Packing imports the modules, and each import may take two minutes.
constexpr std::chrono::minutes kLongestPacking{30};
/// Packing starts this long after the last change of a source, so that a package that is being copied is complete.
/// Sources that change all the time are packed after kLongestChange.
constexpr std::chrono::milliseconds kQuiet{100};
constexpr std::chrono::nanoseconds kLongestChange{std::chrono::seconds(2)};
/// The watch does not report new directories.
constexpr std::chrono::seconds kRescan{5};
constexpr std::size_t kMaxOutputBytes = std::size_t{1} << 20;
constexpr const char* kMissing = "this tenon has no Python package, which plugins in Python need";
constexpr const char* kInstall = "install python3-tenon, or build tenon with -DTENON_PYTHON=ON";

/// Where the Python package is: in the prefix, or beside a build.
std::optional<fs::path> find_package(const World& world) {
  const fs::path prefix = world.executable.parent_path().parent_path();
  for (const fs::path& place : {prefix / "python", prefix / TENON_PYTHON_INSTALL_DIR}) {
    std::error_code failed;
    if (fs::is_regular_file(place / "tenon" / "_plugin_sources.py", failed)) {
      return place;
    }
  }
  return std::nullopt;
}

/// `cancel`: ends it when readable; may be null.
Result<internal::CapturedRun> run_packing(const fs::path& package, std::vector<std::string> arguments,
                                          const internal::FileDescriptor* cancel = nullptr) {
  // -P: packing must not import modules of the current directory. The package is inserted at the front of the path,
  // because plugins may need the directories of PYTHONPATH.
  std::vector<std::string> all = {"-P", "-c",
                                  "import sys; sys.path.insert(0, sys.argv[1]); from tenon import _plugin_sources; "
                                  "sys.exit(_plugin_sources._main(sys.argv[2:]))",
                                  package.string()};
  all.insert(all.end(), arguments.begin(), arguments.end());
  return internal::run_captured({.executable = TENON_PYTHON_EXECUTABLE, .arguments = std::move(all)},
                                internal::deadline_after(kLongestPacking), kMaxOutputBytes, cancel);
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) {
    lines.push_back(line);
  }
  return lines;
}

bool holds_python(const fs::path& directory) {
  std::error_code failed;
  for (fs::directory_iterator it(directory, failed), end; !failed && it != end; it.increment(failed)) {
    if (is_python_plugin(it->path())) {
      return true;
    }
  }
  return false;
}

}  // namespace

bool is_python_plugin(const fs::path& path) {
  std::error_code failed;
  return path.extension() == ".py" ? fs::is_regular_file(path, failed)
                                   : fs::is_regular_file(path / "__init__.py", failed);
}

void add_python_plugins(const World& world, std::vector<fs::path>& places) {
  std::vector<fs::path> all;
  for (const fs::path& place : places) {
    all.push_back(place);
    if (!holds_python(place)) {
      continue;
    }
    const auto package = find_package(world);
    if (!package) {
      world.write_error("tenon: warning: '" + internal::printable(place.string()) + "' has plugins in Python, and " +
                        kMissing + "; " + kInstall + '\n');
      continue;
    }
    const auto run = run_packing(*package, {place.string()});
    if (!run) {
      world.write_error("tenon: warning: plugins in Python cannot be packed: " + run.error().message + '\n');
      continue;
    }
    for (const std::string& line : lines_of(run->standard_error)) {
      world.write_error("tenon: warning: " + internal::printable(line, 1000) + '\n');
    }
    for (const std::string& line : lines_of(run->standard_output)) {
      all.emplace_back(line);
    }
  }
  places = std::move(all);
}

Outcome<fs::path> pack_python_plugin(const World& world, const fs::path& source) {
  const auto package = find_package(world);
  if (!package) {
    return failure(ExitCode::kBadConfiguration, Error{ErrorCode::kUnavailable, kMissing, {}}, kInstall);
  }
  auto run = run_packing(*package, {"--one", source.string()});
  if (!run) {
    return failure(ExitCode::kFailed, std::move(run.error()));
  }
  const std::vector<std::string> lines = lines_of(run->standard_output);
  if (!run->status || !run->status->success() || lines.empty()) {
    std::string why = run->standard_error;
    while (why.ends_with('\n')) {
      why.pop_back();
    }
    return failure(ExitCode::kBadConfiguration,
                   Error{ErrorCode::kInvalidArgument, why.empty() ? "the plugin cannot be packed" : why, {}});
  }
  return fs::path(lines.back());
}

class PythonSourceWatch::Worker {
 public:
  Worker(fs::path package, std::vector<fs::path> places, internal::FileWatch watch, internal::Poller poller,
         internal::EventBell stop, Log log)
      : package_(std::move(package)),
        places_(std::move(places)),
        watch_(std::move(watch)),
        poller_(std::move(poller)),
        stop_(std::move(stop)),
        log_(std::move(log)) {}
  ~Worker() {
    stop_.ring();
    thread_.join();
  }
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  Result<void> start() {
    for (const internal::FileDescriptor* descriptor : {&watch_.descriptor(), &stop_.descriptor()}) {
      if (auto added = poller_.add(*descriptor, 0); !added) {
        return added;
      }
    }
    auto thread = internal::Thread::start("tenon-python", [this] { work(); });
    if (!thread) {
      return tl::unexpected<Error>(std::move(thread.error()));
    }
    thread_ = std::move(*thread);
    return {};
  }

 private:
  /// The files that plugins in Python consist of, by the time of their last write and their size.
  using State = std::map<fs::path, std::pair<fs::file_time_type, std::uintmax_t>>;

  /// Checks all sources, and watches their directories.
  State look() {
    State state;
    for (const fs::path& place : places_) {
      add(place);
      std::error_code failed;
      for (fs::recursive_directory_iterator it(place, failed), end; !failed && it != end; it.increment(failed)) {
        std::error_code ignored;
        const std::string name = it->path().filename().string();
        if (it->is_directory(ignored)) {
          const bool in_package = it.depth() > 0 || is_python_plugin(it->path());
          if (name.starts_with('.') || name == "__pycache__" || !in_package) {
            it.disable_recursion_pending();
          } else {
            add(it->path());
          }
        } else if (!name.starts_with('.') && (it.depth() > 0 || it->path().extension() == ".py")) {
          const auto written = it->last_write_time(ignored);
          state.emplace(it->path(), std::pair(written, it->file_size(ignored)));
        }
      }
    }
    return state;
  }
  void add(const fs::path& directory) {
    if (!watched_.insert(directory).second) {
      return;
    }
    if (auto added = watch_.add(directory); !added) {
      log_(LogLevel::kWarning, "plugins in Python: '" + internal::printable(directory.string()) +
                                   "' is only looked at every few seconds: " + added.error().message);
    }
  }

  void work() {
    // Sources that were saved since the last packing are packed first.
    State packed;
    State seen;
    internal::MonotonicNs changed_ns = internal::monotonic_now_ns();
    internal::MonotonicNs quiet_ns = changed_ns;
    while (!stop_.drain()) {
      const internal::MonotonicNs now_ns = internal::monotonic_now_ns();
      State state = look();
      if (state != seen) {
        changed_ns = seen == packed ? now_ns : changed_ns;
        quiet_ns = internal::deadline_after(kQuiet);
        seen = std::move(state);
      }
      const bool pending = seen != packed;
      if (pending && (now_ns >= quiet_ns || now_ns - changed_ns >= kLongestChange.count())) {
        packed = seen;
        for (const fs::path& place : places_) {
          pack(place);
        }
        continue;
      }
      const auto events = poller_.wait(pending ? quiet_ns : internal::deadline_after(kRescan));
      const auto changes = watch_.drain();
      if (!changes) {
        watched_.clear();  // The watch may have dropped some of them.
      }
      if (!events || !changes) {
        std::this_thread::sleep_for(kQuiet);
      }
    }
  }
  void pack(const fs::path& place) {
    const auto run = run_packing(package_, {"--keep", place.string()}, &stop_.descriptor());
    if (!run) {
      if (run.error().code != ErrorCode::kCancelled) {
        log_(LogLevel::kError, "plugins in Python cannot be packed: " + run.error().message);
      }
      return;
    }
    const std::vector<std::string> lines = lines_of(run->standard_error);
    for (const std::string& line : lines) {
      log_(LogLevel::kError, internal::printable(line, 1000));
    }
    if (lines.empty() && !(run->status && run->status->success())) {
      log_(LogLevel::kError, "plugins in Python were not packed: the Python program " +
                                 (run->status ? run->status->to_string() : std::string("did not end in time")));
    }
  }

  const fs::path package_;
  const std::vector<fs::path> places_;
  internal::FileWatch watch_;
  internal::Poller poller_;
  const internal::EventBell stop_;
  const Log log_;
  std::set<fs::path> watched_;
  internal::Thread thread_;
};

PythonSourceWatch::PythonSourceWatch(const World& world, const std::vector<fs::path>& places, Log log) {
  std::vector<fs::path> with_python;
  std::copy_if(places.begin(), places.end(), std::back_inserter(with_python), holds_python);
  const auto package = with_python.empty() ? std::nullopt : find_package(world);
  if (!package) {
    return;
  }
  auto watch = internal::FileWatch::create();
  auto poller = internal::Poller::create();
  auto stop = internal::EventBell::create();
  Result<void> started;
  if (!watch || !poller || !stop) {
    started = tl::unexpected<Error>(!watch ? watch.error() : !poller ? poller.error() : stop.error());
  } else {
    worker_ = std::make_unique<Worker>(*package, std::move(with_python), std::move(*watch), std::move(*poller),
                                       std::move(*stop), log);
    started = worker_->start();
  }
  if (!started) {
    worker_.reset();
    log(LogLevel::kWarning, "plugins in Python are not watched: " + started.error().message);
  }
}

PythonSourceWatch::~PythonSourceWatch() = default;

}  // namespace tenon::cli
