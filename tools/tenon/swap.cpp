// swap, rollback, generations: commands for the plugins of a daemon.
#include <cctype>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <system_error>

#include <nlohmann/json.hpp>

#include "base/text.hpp"
#include "base/try.hpp"
#include "pipeline/quantity.hpp"
#include "plugin/plugin_directories.hpp"
#include "tools/tenon/command.hpp"
#include "tools/tenon/command_line.hpp"
#include "tools/tenon/daemon_client.hpp"
#include "tools/tenon/daemon_text.hpp"
#include "tools/tenon/json_output.hpp"
#include "tools/tenon/python_plugins.hpp"

namespace tenon::cli {
namespace {

/// Parses "5%" or "0.05" as 0.05.
Outcome<double> parse_share(const std::string& text) {
  double number = 0;
  const char* const end = text.data() + text.size();
  const auto [stopped, problem] = std::from_chars(text.data(), end, number);
  const bool percent = stopped != end && *stopped == '%';
  if (percent) {
    number /= 100;
  }
  // Written so that NaN is refused.
  if (problem != std::errc() || stopped + (percent ? 1 : 0) != end || !(number > 0 && number <= 1)) {
    return usage_failure(
        "--canary takes a share of the calls, more than 0 and at most 100%, not '" + internal::printable(text) + "'",
        "as in --canary 5%");
  }
  return number;
}

/// The limits of a swap as they are written; empty for the daemon's defaults.
struct Limits {
  std::string canary_time;
  std::optional<std::uint64_t> canary_calls;
  std::string probation;
  std::string start_timeout;
};

void add_limits(CommandLine& line, Limits& limits) {
  line.add("--start-timeout", limits.start_timeout,
           "How long the new version may take to load in each step, as in 2m; default: the daemon's limit")
      .type_name("TIME");
  line.add("--canary-calls", limits.canary_calls, "End the canary or shadow after this many calls; default: 200")
      .type_name("N")
      .positive();
  line.add("--canary-time", limits.canary_time,
           "... or after this time, even with fewer calls, as in 30s; default: 10s")
      .type_name("TIME");
  line.add("--probation", limits.probation,
           "Monitor the new version for this long once it is current, and roll back if it fails or crashes, as in "
           "5m; default: 30s, 0s to disable")
      .type_name("TIME");
}

Outcome<void> read_time(const char* option, const std::string& text, flatbuffers::Optional<std::int64_t>& time_ms) {
  if (text.empty()) {
    return {};
  }
  const auto time = internal::parse_duration(text);
  if (!time) {
    return usage_failure(std::string(option) + ": " + time.error().message);
  }
  time_ms = std::chrono::ceil<std::chrono::milliseconds>(*time).count();
  return {};
}

Outcome<void> read_limits(const Limits& limits, serve::SwapT& request) {
  if ((limits.canary_calls || !limits.canary_time.empty()) && !request.canary_share && !request.shadow) {
    return usage_failure("--canary-calls and --canary-time end a canary or shadow, but neither is requested",
                         "add --canary 5%, or --shadow");
  }
  if (limits.canary_calls) {
    request.canary_calls = *limits.canary_calls;
  }
  return read_time("--canary-time", limits.canary_time, request.canary_time_ms).and_then([&] {
    return read_time("--probation", limits.probation, request.probation_ms).and_then([&] {
      return read_time("--start-timeout", limits.start_timeout, request.step_timeout_ms);
    });
  });
}

/// Returns a path that the daemon, with another working directory, resolves to the same file.
/// find_swap_target decides what counts as a path.
Outcome<std::string> settled(const std::string& what) {
  const std::filesystem::path path(what);
  if (what.find('/') == std::string::npos && path.extension() != internal::kPluginExtension) {
    return what;
  }
  std::error_code failed;
  const auto absolute = std::filesystem::absolute(path, failed);
  if (failed) {
    return failure(ExitCode::kFailed, os_error(failed.value(), "cannot determine the working directory"),
                   "name the file by its absolute path");
  }
  return absolute.lexically_normal().string();
}

Outcome<ExitCode> show_swapped(Context& context, Outcome<serve::AnswerBodyUnion> answer, bool shadow = false) {
  if (!answer) {
    return tl::unexpected<Failure>(std::move(answer.error()));
  }
  const serve::SwappedT* const swapped = answer->AsSwapped();
  if (swapped == nullptr) {
    return unexpected_answer();
  }
  context.output.write(context.json ? dump(to_json(*swapped)) : to_text(*swapped, shadow));
  return ExitCode::kDone;
}

}  // namespace

Outcome<ExitCode> swap_command(Context& context, const std::vector<std::string>& arguments) {
  CommandLine line("Switches a daemon to another version of a plugin.", "tenon swap");
  std::string socket;
  std::string canary;
  Limits limits;
  serve::SwapT request;
  line.add(
          "PLUGIN", request.what,
          "A name, for the present content of its file; name@version, from plugin directories and earlier versions; or "
          "a file, which may be a .py")
      .required();
  line.add("--canary", canary, "Let the new version run this share of the calls first, as in 5%").type_name("SHARE");
  line.add_flag("--shadow", request.shadow, "Run calls on both versions first and compare the results");
  add_limits(line, limits);
  line.add_flag("--force", request.force, "Swap even if the new schema breaks the old one");
  add_socket_option(line, socket);
  line.footer(
      "The old version serves until the new one is current, and keeps serving if the new one is refused. Canary and\n"
      "shadow only use calls of idempotent tasks; the result says if there were none.\n\n"
      "Examples:\n  tenon swap image\n  tenon swap image@1.3.0 --canary 5% --canary-time 1m\n  tenon swap "
      "build/plugins/image.so");
  if (auto proceed = line.parse(context, arguments); !proceed || !*proceed) {
    return proceed.map([](bool) { return ExitCode::kDone; });
  }
  if (!canary.empty()) {
    TENON_ASSIGN(request.canary_share, parse_share(canary));
  }
  TENON_TRY(read_limits(limits, request));
  if (is_python_plugin(request.what)) {
    TENON_ASSIGN(const auto packed, pack_python_plugin(context.world, request.what));
    request.what = packed.string();
  }
  TENON_ASSIGN(request.what, settled(request.what));
  TENON_ASSIGN(auto daemon, DaemonClient::connect(context.world, socket));
  const bool shadow = request.shadow;
  return show_swapped(context, daemon.ask(std::move(request), std::nullopt), shadow);
}

Outcome<ExitCode> rollback_command(Context& context, const std::vector<std::string>& arguments) {
  CommandLine line("Rolls back to the previous version and quarantines the current one.", "tenon rollback");
  std::string socket;
  serve::RollbackT request;
  line.add("PLUGIN", request.plugin, "Name of the plugin").required();
  line.add("--reason", request.reason, "The reason, for the events and for later attempts to load that version")
      .type_name("TEXT");
  add_socket_option(line, socket);
  line.footer("Example:\n  tenon rollback image --reason \"thumbnails are too dark\"");
  if (auto proceed = line.parse(context, arguments); !proceed || !*proceed) {
    return proceed.map([](bool) { return ExitCode::kDone; });
  }
  if (request.plugin.find('@') != std::string::npos) {
    return usage_failure("a rollback takes only the name of a plugin, and returns to the previous version",
                         "to choose a version: tenon swap " + internal::printable(request.plugin));
  }
  TENON_ASSIGN(auto daemon, DaemonClient::connect(context.world, socket));
  return show_swapped(context, daemon.ask(std::move(request), std::nullopt));
}

Outcome<ExitCode> generations_command(Context& context, const std::vector<std::string>& arguments) {
  CommandLine line("Lists the current and earlier versions of a daemon's plugins, newest first.", "tenon generations");
  std::string socket;
  add_socket_option(line, socket);
  line.footer("Example:\n  tenon generations --json");
  if (auto proceed = line.parse(context, arguments); !proceed || !*proceed) {
    return proceed.map([](bool) { return ExitCode::kDone; });
  }
  TENON_ASSIGN(auto daemon, DaemonClient::connect(context.world, socket));
  TENON_ASSIGN(const auto answer, daemon.ask(serve::GetGenerationsT(), kDaemonPatience));
  const serve::GenerationsT* const all = answer.AsGenerations();
  if (all == nullptr) {
    return unexpected_answer();
  }
  Json document;
  document["generations"] = Json::array();
  std::string text;
  for (const auto& generation : all->generations) {
    document["generations"].push_back(to_json(*generation));
    text += to_text(*generation);
  }
  context.output.write(context.json ? dump(document) : text);
  return ExitCode::kDone;
}

}  // namespace tenon::cli
