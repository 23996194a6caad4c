#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <tenon/plugin.hpp>

#include "common/content.hpp"
#include "common/file_name.hpp"
#include "common/utf8.hpp"
#include "exec/item.hpp"
#include "exec/program.hpp"
#include "exec/template.hpp"
#include "exec_generated.h"

namespace {

using exec::ProgramEnd;
using exec::ProgramRequest;
using exec::RunParams;
using tenon::TaskError;
using tenon::plugins::Content;
using tenon::plugins::FileDescriptor;
using tenon::plugins::quote;
using tenon::plugins::view;

/// Started by the first call, so that a worker that only loads the plugin starts no process.
struct State {
  exec::ProgramRunner& runner() {
    if (!made) {
      made = std::make_unique<exec::ProgramRunner>();
    }
    return *made;
  }
  std::unique_ptr<exec::ProgramRunner> made;
};

/// The names of an item, and those of the params, which come first.
template <typename Item>
exec::Lookup lookup_of(const Item& item, const RunParams& params) {
  return [&](std::string_view name) -> std::optional<std::string> {
    if (params.values() != nullptr) {
      for (const exec::Value* value : *params.values()) {
        if (view(value->name()) == name) {
          return std::string(view(value->value()));
        }
      }
    }
    return exec::value_of(item, name);
  };
}

ProgramRequest request_of(const RunParams& params, const exec::Lookup& lookup) {
  ProgramRequest request;
  const bool listed = params.argv() != nullptr && params.argv()->size() != 0;
  const bool shell = !view(params.shell()).empty();
  if (listed == shell) {
    throw TaskError(TENON_INVALID_ARGUMENT,
                    listed
                        ? "both `argv` and `shell` are set; set only one of them"
                        : "no program is named; set `argv`, for example to [\"gzip\", \"-t\", \"{path}\"], or `shell`");
  }
  if (shell) {
    request.argv = {"/bin/sh", "-c", exec::expand(view(params.shell()), lookup, exec::Quoting::kShell, "`shell`")};
  } else {
    for (const auto* argument : *params.argv()) {
      request.argv.push_back(exec::expand(view(argument), lookup, exec::Quoting::kNone, "`argv`"));
    }
  }
  request.directory = exec::expand(view(params.directory()), lookup, exec::Quoting::kNone, "`directory`");
  if (params.environment() != nullptr) {
    for (const auto* entry : *params.environment()) {
      std::string text = exec::expand(view(entry), lookup, exec::Quoting::kNone, "`environment`");
      if (text.find('=') == std::string::npos || text.front() == '=') {
        throw TaskError(TENON_INVALID_ARGUMENT, "`environment` " + quote(text) + ": is not of the form NAME=value");
      }
      request.environment.push_back(std::move(text));
    }
  }
  request.clear_environment = params.clear_environment();
  request.timeout = std::chrono::milliseconds(params.timeout_ms());
  request.kill_after = std::chrono::milliseconds(params.kill_after_ms());
  request.max_memory_bytes = params.max_memory_bytes();
  // A block of transport memory holds less than 2 GiB, including the table around the output.
  constexpr std::uint64_t kLargest = 0x7FE00000;
  request.max_output_bytes = std::min(params.max_stdout_bytes(), kLargest);
  request.stop_at_long_output = params.long_output() == exec::LongOutput::fail;
  request.error_tail_bytes = std::min<std::uint32_t>(params.stderr_tail_bytes(), 1u << 20);
  return request;
}

bool contains(const flatbuffers::Vector<std::int32_t>* codes, int code) {
  return codes != nullptr && std::find(codes->begin(), codes->end(), code) != codes->end();
}

/// "'a.png': convert" for messages.
std::string subject(const std::string& item, const ProgramRequest& request, const RunParams& params) {
  const std::string program =
      view(params.shell()).empty() ? quote(request.argv.front()) : "the shell command " + quote(request.argv.back());
  return item.empty() ? program : quote(item) + ": " + program;
}

std::string after(const ProgramEnd& end) {
  char text[48];
  std::snprintf(text, sizeof(text), " after %.3f s", end.time.count());
  return text;
}

std::string last_words(const ProgramEnd& end) {
  std::string_view tail = end.error_tail;
  while (!tail.empty() && (tail.back() == '\n' || tail.back() == '\r' || tail.back() == ' ')) {
    tail.remove_suffix(1);
  }
  constexpr std::size_t kShown = 400;
  if (tail.size() > kShown) {
    tail.remove_prefix(tail.size() - kShown);
  }
  return tail.empty() ? "; it wrote nothing to stderr" : "; stderr ends with " + quote(tail);
}

/// Decides what the end of a program means. Throws TaskError for a failure.
exec::Outcome judge(const tenon::Call& call, const ProgramEnd& end, const std::string& who, const RunParams& params) {
  switch (end.reason) {
    case ProgramEnd::Reason::kCallEnded:
      call.check();
      throw TaskError(TENON_CANCELLED, who + " was stopped because the call has ended");
    case ProgramEnd::Reason::kTimeout:
      throw TaskError(TENON_DEADLINE, who + " ran longer than " + std::to_string(params.timeout_ms()) +
                                          " ms and was ended" + last_words(end) + "; raise `timeout_ms`");
    case ProgramEnd::Reason::kTooLong:
      throw TaskError(TENON_TOO_LARGE, who + " wrote more than " + std::to_string(params.max_stdout_bytes()) +
                                           " bytes to stdout and was ended; raise `max_stdout_bytes`, or set "
                                           "`long_output` to cut");
    case ProgramEnd::Reason::kSelf:
      break;
  }
  if (end.signal != 0) {
    const char* name = ::sigabbrev_np(end.signal);
    throw TaskError(TENON_FAILED, who + " was killed by signal " + std::to_string(end.signal) +
                                      (name != nullptr ? std::string(" (SIG") + name + ")" : std::string()) +
                                      after(end) + last_words(end) +
                                      (end.signal == SIGKILL ? "; the system kills when memory is short" : ""));
  }
  if (end.exit_code < 0) {
    throw TaskError(TENON_FAILED, who + " ended, but its exit code is unknown, because other code of this process " +
                                      "collects the exit codes of all children");
  }
  if (contains(params.skip_codes(), end.exit_code)) {
    return exec::Outcome::skipped;
  }
  const bool ok = params.ok_codes() == nullptr ? end.exit_code == 0 : contains(params.ok_codes(), end.exit_code);
  if (ok || params.any_code()) {
    return exec::Outcome::done;
  }
  const bool lists = params.retry_codes() != nullptr && params.retry_codes()->size() != 0;
  const tenon_status_t code = !lists                                          ? TENON_FAILED
                              : contains(params.retry_codes(), end.exit_code) ? TENON_UNAVAILABLE
                                                                              : TENON_UNSUPPORTED;
  throw TaskError(code, who + " ended with exit code " + std::to_string(end.exit_code) + after(end) + last_words(end) +
                            "; if this code is expected, add it to `ok_codes`, `skip_codes` or `retry_codes`");
}

/// The content of a file as a descriptor: the file itself if the item does not carry it.
FileDescriptor input_of(const tenon::File& file) {
  if (file.data() != nullptr) {
    return exec::memory_file({reinterpret_cast<const char*>(file.data()->data()), file.data()->size()});
  }
  struct stat status {};
  return tenon::plugins::open_regular(std::string(view(file.path())), status);
}

template <typename Item>
FileDescriptor input_of(const Item& item) {
  return exec::memory_file(exec::input_of(item));
}

ProgramEnd run_program(tenon::Call& call, const ProgramRequest& request) {
  return call.state<State>().runner().run(request, [&call] { return call.poll(); });
}

template <typename Item>
tenon::Offset<exec::Output> run(tenon::Call& call, const Item& item, const RunParams& params) {
  ProgramRequest request = request_of(params, lookup_of(item, params));
  if (params.input() == exec::Input::item) {
    request.input = input_of(item);
  }
  const std::string name = exec::name_of(item);
  const ProgramEnd end = run_program(call, request);
  const exec::Outcome outcome = judge(call, end, subject(name, request, params), params);
  auto& builder = call.builder(end.output.size() + end.error_tail.size() + name.size() + 256);
  const auto output = builder.CreateVector(reinterpret_cast<const std::uint8_t*>(end.output.data()), end.output.size());
  const auto tail = builder.CreateString(tenon::plugins::to_utf8(end.error_tail));
  const auto item_name = builder.CreateString(name);
  return exec::CreateOutput(builder, item_name, outcome, end.exit_code, output, end.output_cut, tail, end.time.count());
}

tenon::Offset<tenon::File> filter(tenon::Call& call, const tenon::File& item, const RunParams& params) {
  ProgramRequest request = request_of(params, lookup_of(item, params));
  request.input = input_of(item);
  const std::string name = exec::name_of(item);
  const ProgramEnd end = run_program(call, request);
  const std::string who = subject(name, request, params);
  if (judge(call, end, who, params) == exec::Outcome::skipped) {
    call.fail(TENON_UNSUPPORTED, who + " ended with exit code " + std::to_string(end.exit_code) +
                                     ", one of `skip_codes`, but exec.filter has no result that says so; use "
                                     "`ok_codes`, or exec.run");
  }
  auto& builder = call.builder(end.output.size() + name.size() + 512);
  const auto output = builder.CreateVector(reinterpret_cast<const std::uint8_t*>(end.output.data()), end.output.size());
  const auto path = builder.CreateString(name);
  const auto relative_path = builder.CreateString(view(item.relative_path()).data(), view(item.relative_path()).size());
  const auto extension = builder.CreateString(tenon::plugins::extension_of(name));
  return tenon::CreateFile(builder, path, relative_path, end.output.size(), item.mtime_ns(), item.mode(), item.kind(),
                           extension, output);
}

}  // namespace

TENON_PLUGIN(exec) {
  plugin.state<State>();
  plugin.task<run<tenon::File>>("run");
  plugin.task<run<tenon::Line>>("run_line");
  plugin.task<run<tenon::Record>>("run_record");
  plugin.task<filter>("filter");
}
