#include "plugin/inspector.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <tenon/plugin.h>

#include "base/clock.hpp"
#include "base/text.hpp"
#include "base/try.hpp"
#include "base/unique_id.hpp"
#include "platform/environment.hpp"
#include "platform/process.hpp"
#include "platform/sandbox.hpp"
#include "platform/standard_streams.hpp"
#include "platform/thread.hpp"
#include "plugin/library.hpp"

namespace tenon::internal {
namespace {

/// The signal with which other processes kill a process: it proves nothing about the plugin, which is inspected again.
constexpr int kKillSignal = 9;
constexpr int kMaxAttempts = 5;
constexpr int kAbortSignal = 6;

// The report goes over standard output, one line each:
//   <token> stage <number>         before a stage begins
//   <token> problem <code> <text>  what the checks found, instead of continuing
//   <token> sound                  all stages are through
// Each inspection has a new token, so that the report can be distinguished from the plugin's own output.
constexpr int kExitSound = 0;
constexpr int kExitProblem = 3;
constexpr int kExitUsage = 2;
constexpr std::size_t kMaxOutputBytes = std::size_t{1} << 20;
constexpr std::size_t kStderrTailBytes = 2048;

/// Reports over a separate descriptor, because a plugin may close its standard output.
class Reporter {
 public:
  explicit Reporter(std::string token) : token_(std::move(token)) {
    if (auto own = duplicate(StandardStream::kOutput)) {
      own->move_out_of_reach();
      output_ = std::move(*own);
    }
  }
  void report(std::string_view text) const {
    const std::string line = "\n" + token_ + " " + std::string(text) + "\n";
    // A report that cannot be written means that no one waits for it.
    static_cast<void>(write_all(output_, {reinterpret_cast<const std::uint8_t*>(line.data()), line.size()}));
  }

 private:
  std::string token_;
  FileDescriptor output_;
};

void log_to_stderr(const tenon_worker_t* /*worker*/, tenon_log_level_t /*level*/, const char* message) {
  if (message != nullptr) {
    static_cast<void>(write_standard(StandardStream::kError, printable(message, 4096) + "\n"));
  }
}

const void* no_extension(const tenon_worker_t* /*worker*/, const char* /*id*/) {
  return nullptr;
}

/// Loads the plugin, initialises it and shuts it down again.
Result<void> load_and_finish(const std::filesystem::path& file, const LibraryOptions& options) {
  TENON_ASSIGN(auto plugin, LoadedPlugin::load(file, options));
  if (auto started = plugin->init({}); !started) {
    log_to_stderr(nullptr, TENON_LOG_WARNING, started.error().message.c_str());
  }
  plugin->finish();
  options.on_stage(LoadStage::kDone);
  return {};
}

/// Kills this process, and what the plugin started in it, once the inspecting process is gone.
void end_with_parent() {
  auto lifeline = take_standard_input();
  if (!lifeline) {
    return;  // The time limit of the inspection still holds.
  }
  lifeline->move_out_of_reach();
  continue_when_parent_ends();
  // Kept open as long as this process runs, because the thread reads it.
  const int number = lifeline->release();
  auto watcher = Thread::start("tenon-watch", [number] {
    wait_for_hang_up(FileDescriptor(number));
    end_with_descendants(kExitProblem);
  });
  if (watcher) {
    watcher->detach();
  }
}

/// The last lines of `text`, cut at the start of a line.
std::string tail_of(const std::string& text) {
  if (text.size() <= kStderrTailBytes) {
    return text;
  }
  const std::size_t line = text.find('\n', text.size() - kStderrTailBytes);
  return text.substr(line == std::string::npos ? text.size() - kStderrTailBytes : line + 1);
}

/// What the inspector process reported.
struct Report {
  std::optional<LoadStage> stage;
  std::optional<Error> problem;
  bool sound = false;
};

Report parse_report(std::string_view output, const std::string& token) {
  Report result;
  while (!output.empty()) {
    std::string_view line = output.substr(0, output.find('\n'));
    output.remove_prefix(std::min(line.size() + 1, output.size()));
    if (!line.starts_with(token + " ")) {
      continue;
    }
    line.remove_prefix(token.size() + 1);
    int number = 0;
    const auto number_after = [&](std::string_view word) {
      if (!line.starts_with(word)) {
        return false;
      }
      line.remove_prefix(word.size());
      const auto parsed = std::from_chars(line.data(), line.data() + line.size(), number);
      line.remove_prefix(static_cast<std::size_t>(parsed.ptr - line.data()));
      return parsed.ec == std::errc();
    };
    if (line == "sound") {
      result.sound = true;
    } else if (number_after("stage ")) {
      if (number >= static_cast<int>(LoadStage::kReadManifest) && number <= static_cast<int>(LoadStage::kDone)) {
        result.stage = static_cast<LoadStage>(number);
      }
    } else if (number_after("problem ") && number >= TENON_FAILED && number <= TENON_INTERNAL) {
      line.remove_prefix(line.empty() ? 0 : 1);
      result.problem = Error{static_cast<ErrorCode>(number), std::string(line), {}};
    }
  }
  return result;
}

using Cause = Inspection::Cause;

/// The advice for a plugin that takes longer than its limit.
std::string raise_time(const std::filesystem::path& file) {
  return ". If it needs longer, raise its start_timeout (--start-timeout, [plugins." + file.stem().string() +
         "] start_timeout in a pipeline, or PluginLimits)";
}

/// The advice for a plugin that may have run out of address space.
std::string raise_memory(const std::filesystem::path& file, const InspectOptions& options) {
  if (options.memory_limit_bytes == 0) {
    return {};
  }
  return ". If it needs more than " + format_size(options.memory_limit_bytes) +
         " of address space, raise its memory limit (--memory, [plugins." + file.stem().string() +
         "] memory in a pipeline, or PluginLimits)";
}

/// Whether the loader's message, or the plugin's output, mentions memory.
bool speaks_of_memory(std::string_view text) {
  constexpr std::array<std::string_view, 4> kWords{"annot allocate memory", "failed to map segment", "out of memory",
                                                   "bad_alloc"};
  return std::any_of(kWords.begin(), kWords.end(),
                     [text](std::string_view words) { return text.find(words) != std::string_view::npos; });
}

Inspection inspect_once(const std::filesystem::path& file, const InspectOptions& options) {
  const std::string token = "tenon-inspection-" + random_name();
  SpawnOptions spawn;
  spawn.executable = options.worker_executable;
  spawn.arguments = {"--inspect", file.string(),    "--report-token",
                     token,       "--memory-limit", std::to_string(options.memory_limit_bytes)};
  for (const std::filesystem::path& library : options.libraries) {
    spawn.arguments.insert(spawn.arguments.end(), {"--library", library.string()});
  }
  // Kept open until the inspector has exited: the inspector exits when this process is gone.
  spawn.standard_input = StreamMode::kPipe;
  spawn.standard_output = StreamMode::kPipe;
  spawn.standard_error = StreamMode::kPipe;
  if (TENON_ABI_SANITIZER == TENON_SANITIZER_ADDRESS) {
    // Memory that a plugin leaks at the exit of its process is not a reason to refuse it.
    const std::string given = get_environment("ASAN_OPTIONS").value_or("");
    spawn.environment.emplace_back("ASAN_OPTIONS", given + (given.empty() ? "" : ":") + "detect_leaks=0");
  }
  auto run = run_captured(std::move(spawn), deadline_after(options.timeout), kMaxOutputBytes, options.cancel);
  if (!run && run.error().code == ErrorCode::kCancelled) {
    return {Error{ErrorCode::kCancelled, file.string() + ": its inspection was cancelled", {}}, Cause::kSurroundings};
  }
  if (!run) {
    return {
        Error{ErrorCode::kUnavailable, "the inspector cannot be started: " + run.error().message, run.error().context},
        Cause::kSurroundings};
  }
  const Report found = parse_report(run->standard_output, token);
  if (run->status && run->status->success() && found.sound) {
    return {};
  }
  ErrorContext context;
  context.stderr_tail = tail_of(run->standard_error);
  if (found.problem) {
    // The loader may have refused a missing library, and an entry that returns nothing may depend on the environment.
    const bool of_file = found.problem->code != ErrorCode::kUnavailable &&
                         (found.stage == LoadStage::kReadManifest || found.stage == LoadStage::kCheckDescriptor);
    const std::string advice = speaks_of_memory(found.problem->message) ? raise_memory(file, options) : std::string();
    return {Error{found.problem->code, found.problem->message + advice, std::move(context)},
            of_file ? Cause::kFile : Cause::kSurroundings};
  }
  const std::string where = file.string() + ": the plugin ";
  const std::string place = found.stage ? " " + std::string(load_stage_text(*found.stage)) : "";
  if (!run->status) {
    return {Error{ErrorCode::kDeadline,
                  where + "hung" + place + "; it was ended after " + std::to_string(options.timeout.count()) + " ms" +
                      raise_time(file),
                  std::move(context)},
            Cause::kTime};
  }
  context.signal = run->status->signal;
  context.exit_code = run->status->exit_code;
  if (!found.stage) {
    return {Error{ErrorCode::kUnavailable,
                  options.worker_executable.string() + " does not inspect: it ended with " + run->status->to_string() +
                      " before it reported anything; is it a tenon-worker of this version?",
                  std::move(context)},
            Cause::kSurroundings};
  }
  const bool killed = run->status->signal != 0;
  if (!killed && run->cut && run->status->success()) {
    return {
        Error{ErrorCode::kFailed, where + "wrote more than " + format_size(kMaxOutputBytes) + " to its standard output",
              std::move(context)},
        Cause::kSurroundings};
  }
  // How a failed allocation usually ends, unless the plugin reports it itself.
  const bool may_lack_memory = run->status->signal == kAbortSignal || (!killed && !run->status->success()) ||
                               speaks_of_memory(context.stderr_tail);
  const std::string advice = may_lack_memory ? raise_memory(file, options) : std::string();
  return {Error{ErrorCode::kCrashed,
                where + (killed ? "crashed" : "ended its process") + place + ": " + run->status->to_string() +
                    (run->status->success() ? " (or it closed descriptors that it did not open)" : "") + advice,
                std::move(context)},
          Cause::kSurroundings};
}

}  // namespace

Inspection inspect_plugin(const std::filesystem::path& file, const InspectOptions& options) {
  for (int attempt = 1;; ++attempt) {
    Inspection found = inspect_once(file, options);
    const bool killed = found.problem && found.problem->context.signal == kKillSignal;
    if (!killed || attempt == kMaxAttempts) {
      return found;
    }
  }
}

std::optional<int> run_inspector_if_asked(int argc, const char* const* argv) {
  const std::vector<std::string_view> arguments(argv, argv + argc);
  if (arguments.size() < 2 || arguments[1] != "--inspect") {
    return std::nullopt;
  }
  std::uint64_t memory_limit_bytes = 0;
  constexpr std::size_t kFirstLibrary = 7;
  LibraryOptions options;
  bool well_formed = arguments.size() >= kFirstLibrary && arguments.size() % 2 == 1;
  for (std::size_t at = kFirstLibrary; well_formed && at < arguments.size(); at += 2) {
    well_formed = arguments[at] == "--library";
    options.libraries.emplace_back(arguments[at + 1]);
  }
  well_formed =
      well_formed && arguments[3] == "--report-token" && arguments[5] == "--memory-limit" &&
      std::from_chars(arguments[6].data(), arguments[6].data() + arguments[6].size(), memory_limit_bytes).ec ==
          std::errc();
  if (!well_formed) {
    static_cast<void>(write_standard(StandardStream::kError,
                                     "usage: tenon-worker --inspect FILE --report-token TOKEN --memory-limit BYTES "
                                     "[--library FILE]...\n"));
    return kExitUsage;
  }
  const Reporter reporter{std::string(arguments[4])};
  end_with_parent();
  SandboxOptions sandbox;
  sandbox.core_bytes = 0;
  // A sanitizer maps terabytes of address space that it never touches.
  if (memory_limit_bytes != 0 && TENON_ABI_SANITIZER == TENON_SANITIZER_NONE) {
    sandbox.address_space_bytes = memory_limit_bytes;
  }
  static tenon_worker_t worker{};  // Static, because the plugin's destructors may still log after main() has returned.
  worker.size_bytes = sizeof worker;
  worker.abi_major = TENON_ABI_MAJOR;
  worker.abi_minor = TENON_ABI_MINOR;
  worker.log = log_to_stderr;
  worker.extension = no_extension;
  options.worker = &worker;
  options.on_stage = [&reporter](LoadStage stage) {
    reporter.report("stage " + std::to_string(static_cast<int>(stage)));
  };
  auto done = apply_sandbox(sandbox);
  if (done) {
    done = load_and_finish(std::filesystem::path(arguments[2]), options);
  }
  if (!done) {
    std::string message = done.error().message;
    std::replace(message.begin(), message.end(), '\n', ' ');
    reporter.report("problem " + std::to_string(static_cast<int>(done.error().code)) + " " + message);
    return kExitProblem;
  }
  reporter.report("sound");
  // main() returns, so that the plugin's destructors and exit handlers run here too.
  return kExitSound;
}

}  // namespace tenon::internal
