#include <chrono>
#include <thread>

#include <nlohmann/json.hpp>

#include "base/clock.hpp"
#include "base/try.hpp"
#include "pipeline/quantity.hpp"
#include "tools/tenon/command.hpp"
#include "tools/tenon/command_line.hpp"
#include "tools/tenon/daemon_client.hpp"
#include "tools/tenon/daemon_text.hpp"
#include "tools/tenon/json_output.hpp"

namespace tenon::cli {
namespace {

/// Returns the status of the daemon, which may still be starting.
Outcome<serve::AnswerBodyUnion> ask_when_there(const World& world, const std::string& socket,
                                               std::chrono::milliseconds patience) {
  constexpr std::chrono::milliseconds kTryAgain(20);
  const internal::MonotonicNs deadline_ns = internal::deadline_after(patience);
  for (;;) {
    auto daemon = DaemonClient::connect(world, socket);
    auto answer = daemon ? daemon->ask(serve::GetStatusT(), kDaemonPatience)
                         : Outcome<serve::AnswerBodyUnion>(tl::unexpected<Failure>(std::move(daemon.error())));
    if (answer || internal::monotonic_now_ns() >= deadline_ns) {
      return answer;
    }
    // The daemon is not there, is not ready yet, or is about to exit.
    const ErrorCode code = answer.error().error.code;
    const bool may_come = code == ErrorCode::kNotFound || code == ErrorCode::kUnavailable ||
                          code == ErrorCode::kDeadline || code == ErrorCode::kIo;
    if (!may_come) {
      return answer;
    }
    if (world.interrupts->load(std::memory_order_relaxed) > 0) {
      return failure(ExitCode::kInterrupted, Error{ErrorCode::kCancelled, "interrupted", {}});
    }
    std::this_thread::sleep_for(kTryAgain);
  }
}

}  // namespace

Outcome<ExitCode> status_command(Context& context, const std::vector<std::string>& arguments) {
  CommandLine line("Shows what a daemon runs.", "tenon status");
  std::string socket;
  std::string wait;
  add_socket_option(line, socket);
  line.add("--wait", wait, "Wait up to this long for the daemon, as in 10s").type_name("TIME");
  line.footer("Example:\n  tenon status --socket /run/user/1000/tenon.sock");
  if (auto proceed = line.parse(context, arguments); !proceed || !*proceed) {
    return proceed.map([](bool) { return ExitCode::kDone; });
  }
  std::chrono::milliseconds patience(0);
  if (!wait.empty()) {
    const auto parsed = internal::parse_duration(wait);
    if (!parsed) {
      return usage_failure("--wait: " + parsed.error().message);
    }
    patience = std::chrono::duration_cast<std::chrono::milliseconds>(*parsed);
  }
  TENON_ASSIGN(const auto answer, ask_when_there(context.world, socket, patience));
  const serve::StatusT* const status = answer.AsStatus();
  if (status == nullptr) {
    return unexpected_answer();
  }
  context.output.write(context.json ? dump(to_json(*status)) : to_text(*status));
  return ExitCode::kDone;
}

}  // namespace tenon::cli
