#include <atomic>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/text.hpp"
#include "base/try.hpp"
#include "host/runtime_access.hpp"
#include "pipeline/quantity.hpp"
#include "platform/debugger.hpp"
#include "platform/file.hpp"
#include "serve/plugin_labels.hpp"
#include "tools/tenon/bytes_field.hpp"
#include "tools/tenon/call_task.hpp"
#include "tools/tenon/command.hpp"
#include "tools/tenon/command_line.hpp"
#include "tools/tenon/daemon_client.hpp"
#include "tools/tenon/debugger_run.hpp"
#include "tools/tenon/in_process_launcher.hpp"
#include "tools/tenon/json_input.hpp"
#include "tools/tenon/json_output.hpp"
#include "tools/tenon/log_lines.hpp"
#include "tools/tenon/plugin_places.hpp"
#include "tools/tenon/remote_call.hpp"

namespace tenon::cli {
namespace {

struct Arguments {
  std::string task;
  std::vector<std::string> json;
  std::string params;
  std::string out;
  std::string socket;
  std::string settings;
  std::string timeout;
  std::vector<std::string> plugin_dirs;
  std::string debugger;
  bool in_process = false;
  LimitOptions limits;
  bool verbose = false;
};

void add_options(CommandLine& line, Arguments& arguments) {
  line.add("TASK", arguments.task, "Full name of the task, as in text.count").required();
  line.add("JSON", arguments.json, "The argument: JSON, @file, or - for standard input; default: {}");
  line.add("--params", arguments.params, "The task's params: JSON, @file or -").type_name("JSON");
  line.add("--out", arguments.out, "Write the result to this file, or to standard output with -").type_name("FILE");
  line.add("--settings", arguments.settings, "The settings of the task's plugin: JSON, @file or -; not with a daemon")
      .type_name("JSON");
  line.add("--timeout", arguments.timeout, "Cancel the call after this time, as in 30s").type_name("TIME");
  line.add("--socket", arguments.socket, "Make the call in the daemon on this socket; default: $TENON_SOCKET")
      .type_name("PATH");
  line.add("--plugin-dir", arguments.plugin_dirs, "Search this directory for plugins first").type_name("DIR");
  line.add("--debug", arguments.debugger, "Attach this debugger to the worker before the task runs, as in gdb")
      .type_name("COMMAND_LINE");
  line.add_flag("--in-process", arguments.in_process,
                "Run the task in this process, for valgrind, sanitizers and debuggers");
  add_limit_options(line, arguments.limits);
  line.add_flag("--verbose", arguments.verbose,
                "Show all log lines, not only warnings and errors, and the version that ran the call");
  line.footer(
      "A source prints each result on a separate line. A reduce takes several JSON arguments, or one on each line of\n"
      "@file or standard input. JSON contains bytes as base64. --out writes only the bytes if the result has a single\n"
      "field of bytes, or one named 'data'; otherwise it writes the JSON. A regular file is replaced as a whole when\n"
      "the call is done; a fifo or a device is written directly. With --socket or $TENON_SOCKET the call uses the\n"
      "plugins of a daemon, which 'tenon serve' starts, and the daemon writes the log lines. --plugin-dir and "
      "--settings\n"
      "make the call in this process, even if $TENON_SOCKET is set. While a debugger is attached to a worker, no\n"
      "deadline passes and no watchdog replaces the worker.\n\n"
      "Examples:\n"
      "  tenon call text.count '{\"path\": \"README.md\"}'\n"
      "  echo '{\"path\": \"README.md\"}' | tenon call text.count -\n"
      "  tenon call image.thumbnail '{\"path\": \"a.jpg\"}' --params '{\"edge\": 64}' --out a.thumbnail.jpg\n"
      "  tenon call --debug gdb text.count '{\"path\": \"README.md\"}'\n"
      "  valgrind tenon call --in-process text.count '{\"path\": \"README.md\"}'");
}

/// The arguments of a reduce: each JSON word is one; a file or standard input has one on each line.
class ArgumentSequence {
 public:
  ArgumentSequence(const World& world, const TaskRef& task, const std::vector<std::string>& words)
      : world_(world), task_(task), words_(words) {}

  Outcome<std::optional<Buffer>> next() {
    for (;;) {
      if (!lines_) {
        if (at_ == words_.size()) {
          return std::optional<Buffer>();
        }
        const std::string& word = words_[at_++];
        if (word == "-" || word.starts_with('@')) {
          TENON_TRY(open(word));
          continue;
        }
        return encode_one({word, "argument " + std::to_string(at_)});
      }
      auto line = lines_->next();
      if (!line) {
        const bool stopped = line.error().code == ErrorCode::kCancelled;
        return failure(stopped ? ExitCode::kInterrupted : ExitCode::kUsage, std::move(line.error()));
      }
      if (!*line) {
        lines_.reset();
        continue;
      }
      ++line_number_;
      if (line->value().find_first_not_of(" \t\r") != std::string::npos) {
        return encode_one({std::move(**line), origin_, line_number_});
      }
    }
  }

 private:
  Outcome<void> open(const std::string& word) {
    line_number_ = 0;
    if (word == "-") {
      origin_ = "standard input";
      lines_.emplace(world_.read_input);
      return {};
    }
    TENON_ASSIGN(auto text, read_text(world_, word, {}));
    origin_ = text.name;
    lines_.emplace([content = std::move(text.text), given = std::size_t{0}](MutableBytesView buffer) mutable {
      const std::size_t size = content.copy(reinterpret_cast<char*>(buffer.data()), buffer.size(), given);
      given += size;
      return Result<std::size_t>(size);
    });
    return {};
  }

  Outcome<std::optional<Buffer>> encode_one(const NamedText& text) const {
    return encode(*task_.plugin->schema, task_.task->argument_type, text).map([](Buffer buffer) {
      return std::optional(std::move(buffer));
    });
  }

  const World& world_;
  const TaskRef& task_;
  const std::vector<std::string>& words_;
  std::size_t at_ = 0;
  std::optional<LineReader> lines_;
  std::string origin_;
  std::uint32_t line_number_ = 0;
};

/// The destination of results: standard output, or the file that --out names.
class ResultOutput {
 public:
  static Outcome<ResultOutput> open(Context& context, const std::string& out) {
    ResultOutput made(context, out);
    if (!out.empty() && out != "-") {
      auto file = internal::NamedOutput::open(out, {.sync = false});
      if (!file) {
        return file_failure(std::move(file.error()));
      }
      made.file_.emplace(std::move(*file));
    }
    return made;
  }

  /// Returns false if the reader of standard output has gone away.
  Outcome<bool> write(std::string_view text) {
    if (!file_) {
      return context_.output.write(text);
    }
    size_bytes_ += text.size();
    pending_ += text;
    // Small writes are collected if no reader sees them before the end.
    return file_->direct() || pending_.size() >= kGatherBytes ? flush() : Outcome<bool>(true);
  }

  Outcome<ExitCode> finish() {
    if (!file_) {
      return ExitCode::kDone;
    }
    TENON_TRY(flush());
    if (auto finished = file_->finish(); !finished) {
      return file_failure(std::move(finished.error()));
    }
    if (context_.json) {
      Json document;
      document["out"] = out_;
      document["size_bytes"] = size_bytes_;
      context_.output.write(dump(document));
    }
    return ExitCode::kDone;
  }

 private:
  static constexpr std::size_t kGatherBytes = 64 * 1024;

  ResultOutput(Context& context, const std::string& out) : context_(context), out_(out) {}

  static tl::unexpected<Failure> file_failure(Error error) {
    const bool stopped = error.code == ErrorCode::kCancelled;
    return failure(stopped ? ExitCode::kInterrupted : ExitCode::kFailed, std::move(error));
  }

  Outcome<bool> flush() {
    const BytesView bytes(reinterpret_cast<const std::uint8_t*>(pending_.data()), pending_.size());
    if (auto written = file_->write(bytes); !written) {
      return file_failure(std::move(written.error()));
    }
    pending_.clear();
    return true;
  }

  Context& context_;
  const std::string& out_;
  std::optional<internal::NamedOutput> file_;
  std::string pending_;
  std::uint64_t size_bytes_ = 0;
};

/// Reports on standard error which version ran the call, once for consecutive results of the same
/// version.
class MakerLines {
 public:
  MakerLines(const World& world, bool verbose) : world_(world), verbose_(verbose) {}
  void take(const Reply& reply) {
    const PluginInfo* const maker = reply.plugin();
    if (!verbose_ || maker == nullptr || maker->sha256 == last_) {
      return;
    }
    last_ = maker->sha256;
    world_.write_error("tenon: result from " +
                       internal::printable(internal::plugin_label(maker->name, maker->version, maker->sha256)) + '\n');
  }

 private:
  const World& world_;
  const bool verbose_;
  std::string last_;
};

/// Returns the text or bytes of the single result of a plain task or a reduce.
Outcome<std::string> result_text(const TaskRef& task, const Arguments& asked, const Reply& reply) {
  const Schema& schema = *task.plugin->schema;
  const std::string& type = task.task->result_type;
  if (!asked.out.empty()) {
    if (const auto field = bytes_field(schema, type)) {
      if (auto verified = schema.verify(type, reply.bytes()); !verified) {
        return failure(ExitCode::kFailed, std::move(verified.error()));
      }
      const BytesView bytes = read_bytes_field(schema, type, *field, reply.bytes());
      return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    }
  }
  auto json = schema.to_json(type, reply.bytes(), {.defaults = true});
  if (!json) {
    const bool too_large = json.error().code == ErrorCode::kTooLarge;
    return failure(
        ExitCode::kFailed, std::move(json.error()),
        too_large ? "have the task write to a file, or give a result of bytes and use --out FILE" : std::string());
  }
  if (!json->ends_with('\n')) {
    *json += '\n';
  }
  return std::move(*json);
}

Outcome<ExitCode> deliver(Context& context, const TaskRef& task, const Arguments& asked, const Reply& reply) {
  TENON_ASSIGN(const auto text, result_text(task, asked, reply));
  TENON_ASSIGN(auto output, ResultOutput::open(context, asked.out));
  TENON_TRY(output.write(text));
  return output.finish();
}

/// Writes the results of a source, as one JSON line each.
Outcome<ExitCode> stream(Context& context, TaskCaller& caller, const TaskRef& task, const Arguments& asked,
                         BytesView params, BytesView argument) {
  const Schema& schema = *task.plugin->schema;
  TENON_ASSIGN(auto output, ResultOutput::open(context, asked.out));
  MakerLines makers(context.world, asked.verbose);
  auto done = caller.source(task, params, argument, [&](const Reply& result) -> Outcome<bool> {
    makers.take(result);
    auto json = schema.to_json(task.task->result_type, result.bytes(), {.indent = -1, .defaults = true});
    if (!json) {
      return failure(ExitCode::kFailed, std::move(json.error()));
    }
    while (json->ends_with('\n')) {
      json->pop_back();
    }
    *json += '\n';
    return output.write(*json);
  });
  if (!done) {
    return tl::unexpected<Failure>(std::move(done.error()));
  }
  return output.finish();
}

/// The encoded parts of a call.
struct Encoded {
  Buffer params;
  Buffer argument;  ///< Empty for a reduce, which takes several arguments.
};

Outcome<Buffer> encode_word(const World& world, const Schema& schema, const std::string& type, const std::string& word,
                            std::string name) {
  auto text = read_text(world, word, std::move(name));
  return text ? encode(schema, type, *text) : Outcome<Buffer>(tl::unexpected<Failure>(std::move(text.error())));
}

Outcome<Encoded> encode_all(const World& world, const TaskRef& task, const Arguments& asked) {
  const Schema& schema = *task.plugin->schema;
  const bool reduce = task.task->kind == TaskKind::kReduce;
  if (!reduce && asked.json.size() > 1) {
    return usage_failure("'" + asked.task + "' takes one argument, not " + std::to_string(asked.json.size()),
                         "only a reduce takes several");
  }
  Encoded encoded;
  if (!asked.params.empty()) {
    if (task.task->params_type.empty()) {
      return usage_failure("'" + asked.task + "' has no params",
                           "'tenon inspect " + asked.task + "' shows what it takes");
    }
    TENON_ASSIGN(encoded.params, encode_word(world, schema, task.task->params_type, asked.params, "params"));
  }
  if (!reduce) {
    TENON_ASSIGN(encoded.argument, encode_word(world, schema, task.task->argument_type,
                                               asked.json.empty() ? "{}" : asked.json.front(), "argument"));
  }
  return encoded;
}

Outcome<ExitCode> make_call(Context& context, TaskCaller& caller, const TaskRef& task, const Arguments& asked,
                            const Encoded& encoded) {
  if (!asked.timeout.empty()) {
    const auto timeout = internal::parse_duration(asked.timeout);
    if (!timeout || timeout->count() == 0) {
      return usage_failure("--timeout: " + (timeout ? "it must be longer than 0" : timeout.error().message));
    }
    caller.end_after(*timeout, asked.timeout);
  }
  if (task.task->kind == TaskKind::kSource) {
    auto streamed = stream(context, caller, task, asked, encoded.params, encoded.argument);
    if (streamed) {
      caller.finish();  // Waits until the session is closed.
    }
    return streamed;
  }
  ArgumentSequence sequence(context.world, task, asked.json);
  TENON_ASSIGN(const auto reply, task.task->kind == TaskKind::kReduce
                                     ? caller.reduce(task, encoded.params, [&sequence] { return sequence.next(); })
                                     : caller.plain(task, encoded.params, encoded.argument));
  caller.finish();
  MakerLines(context.world, asked.verbose).take(reply);
  return deliver(context, task, asked, reply);
}

Outcome<ExitCode> call_in_daemon(Context& context, const Arguments& asked) {
  if (!asked.debugger.empty() || asked.in_process) {
    return usage_failure(
        std::string(asked.in_process ? "--in-process" : "--debug") + " and --socket cannot be combined",
        "to debug a worker of a daemon: 'gdb -p PID' with a process number from 'tenon status'");
  }
  if (!asked.plugin_dirs.empty()) {
    return usage_failure("--plugin-dir and --socket cannot be combined: a daemon uses its own plugins");
  }
  if (!asked.settings.empty()) {
    return usage_failure("--settings and --socket cannot be combined: a daemon uses its own settings");
  }
  TENON_ASSIGN(auto daemon, DaemonClient::connect(context.world, asked.socket));
  RemoteCaller caller(context.world, std::move(daemon));
  TENON_ASSIGN(const auto task, caller.find(asked.task));
  TENON_ASSIGN(const auto encoded, encode_all(context.world, task, asked));
  return make_call(context, caller, task, asked, encoded);
}

/// The call runs after a debugger has attached to the worker and the user lets it continue.
Outcome<ExitCode> call_debugged(Context& context, RuntimeOptions options, StatusLine& status, const TaskRef& task,
                                const Arguments& asked, const Encoded& encoded) {
  internal::want_debuggers();
  auto runtime = Runtime::start(std::move(options));
  if (!runtime) {
    return failure(ExitCode::kBadConfiguration, std::move(runtime.error()));
  }
  const auto workers = runtime->stats().workers;
  if (workers.empty()) {
    return failure(ExitCode::kFailed, Error{ErrorCode::kUnavailable, "there is no worker to debug", {}});
  }
  context.world.write_error("tenon: worker process " + std::to_string(workers.front().pid) + " runs " +
                            task.task->full_name +
                            " when you let it continue; the plugin is loaded then, so breakpoints in it are pending\n");
  TENON_ASSIGN(auto debugger, DebuggerRun::start(asked.debugger, workers.front().pid));
  // Ctrl-C goes to the debugger.
  static const std::atomic<int> kNone{0};
  World world = context.world;
  world.interrupts = &kNone;
  LocalCaller caller(world, std::move(*runtime), status, {.max_attempts = 1});
  auto outcome = make_call(context, caller, task, asked, encoded);
  caller.finish();  // The worker exits, so the debugger has no process left to hold.
  debugger.reset();
  return outcome;
}

Outcome<ExitCode> call_here(Context& context, const Arguments& asked) {
  TENON_ASSIGN(auto limits, read_limits(asked.limits));
  TENON_ASSIGN(const auto catalog, open_catalog(context.world, asked.plugin_dirs, limits));
  TENON_ASSIGN(auto task, find_task(catalog, asked.task));
  TENON_ASSIGN(const auto encoded, encode_all(context.world, task, asked));
  StatusLine status(context.world, true);
  LogLines log(status, asked.verbose ? LogLevel::kDebug : LogLevel::kWarning, context.color_error);
  RuntimeOptions options;
  options.workers = 1;
  options.catalog = catalog;
  limits.set(options);
  options.log = log.sink();
  if (!asked.settings.empty()) {
    const std::string& type = task.plugin->schema->settings_type();
    if (type.empty()) {
      return usage_failure("plugin '" + task.plugin->name + "' has no settings");
    }
    TENON_ASSIGN(options.plugin_settings[task.plugin->name],
                 encode_word(context.world, *task.plugin->schema, type, asked.settings, "settings"));
  }
  if (!asked.debugger.empty()) {
    return call_debugged(context, std::move(options), status, task, asked, encoded);
  }
  auto runtime = asked.in_process ? internal::RuntimeAccess::start(options, internal::make_in_process_launcher())
                                  : Runtime::start(options);
  if (!runtime) {
    return failure(ExitCode::kBadConfiguration, std::move(runtime.error()));
  }
  LocalCaller caller(context.world, std::move(*runtime), status);
  return make_call(context, caller, task, asked, encoded);
}

}  // namespace

Outcome<ExitCode> call_command(Context& context, const std::vector<std::string>& arguments) {
  CommandLine line("Calls one task and prints its result as JSON.", "tenon call");
  Arguments asked;
  add_options(line, asked);
  if (auto proceed = line.parse(context, arguments); !proceed || !*proceed) {
    return proceed.map([](bool) { return ExitCode::kDone; });
  }
  if (!asked.debugger.empty() && asked.in_process) {
    return usage_failure(
        "--debug and --in-process cannot be combined",
        "to debug in one process: gdb --args tenon call --in-process " + internal::printable(asked.task));
  }
  const bool made_here =
      !asked.plugin_dirs.empty() || !asked.settings.empty() || !asked.debugger.empty() || asked.in_process;
  const bool has_socket = !asked.socket.empty() || !context.world.variable("TENON_SOCKET").value_or("").empty();
  return asked.socket.empty() && (made_here || !has_socket) ? call_here(context, asked)
                                                            : call_in_daemon(context, asked);
}

}  // namespace tenon::cli
