#include <nlohmann/json.hpp>

#include "base/text.hpp"
#include "base/try.hpp"
#include "tools/tenon/command.hpp"
#include "tools/tenon/command_line.hpp"
#include "tools/tenon/daemon_client.hpp"
#include "tools/tenon/daemon_text.hpp"
#include "tools/tenon/json_output.hpp"

namespace tenon::cli {
namespace {

/// Writes one line for each event, also as JSON: the reader of an endless stream reads lines.
/// Returns false if the reader has gone away.
bool write_events(Context& context, const serve::EventsT& events) {
  if (events.missed > 0) {
    context.world.write_error("tenon: " + internal::count_of(events.missed, "event is", "events are") +
                              " no longer kept by the daemon\n");
  }
  bool read = true;
  for (const auto& event : events.events) {
    read = read && context.output.write(context.json ? dump_line(to_json(*event)) : to_text(*event));
  }
  return read;
}

}  // namespace

Outcome<ExitCode> events_command(Context& context, const std::vector<std::string>& arguments) {
  CommandLine line("Shows what has happened to the plugins of a daemon.", "tenon events");
  std::string socket;
  serve::GetEventsT request;
  line.add_flag("--follow", request.follow, "Keep showing new events, until Ctrl-C or the daemon's end");
  line.add("--after", request.after, "Only events with a higher number").type_name("NUMBER");
  add_socket_option(line, socket);
  line.footer("With --json each event is one line.\n\nExample:\n  tenon events --follow --json | jq .message");
  if (auto proceed = line.parse(context, arguments); !proceed || !*proceed) {
    return proceed.map([](bool) { return ExitCode::kDone; });
  }
  const bool follow = request.follow;
  TENON_ASSIGN(auto daemon, DaemonClient::connect(context.world, socket));
  TENON_ASSIGN(const auto answer, daemon.ask(request, kDaemonPatience));
  const serve::EventsT* events = answer.AsEvents();
  serve::AnswerT next;
  for (;;) {
    if (events == nullptr) {
      return unexpected_answer();
    }
    if (!write_events(context, *events) || !follow) {
      return ExitCode::kDone;
    }
    auto more = daemon.receive_or_interrupt(std::nullopt);
    if (!more) {
      // The daemon has ended, and so have its events.
      return more.error().error.code == ErrorCode::kUnavailable
                 ? Outcome<ExitCode>(ExitCode::kDone)
                 : Outcome<ExitCode>(tl::unexpected<Failure>(std::move(more.error())));
    }
    if (!*more) {
      return ExitCode::kDone;  // Ctrl-C is the normal way to end it.
    }
    next = std::move(**more);
    if (const serve::FailureT* const failed = next.body.AsFailure()) {
      return tl::unexpected<Failure>(answered_failure(*failed));
    }
    events = next.body.AsEvents();
  }
}

}  // namespace tenon::cli
