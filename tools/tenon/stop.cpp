#include <nlohmann/json.hpp>

#include "base/try.hpp"
#include "tools/tenon/command.hpp"
#include "tools/tenon/command_line.hpp"
#include "tools/tenon/daemon_client.hpp"
#include "tools/tenon/json_output.hpp"

namespace tenon::cli {

Outcome<ExitCode> stop_command(Context& context, const std::vector<std::string>& arguments) {
  CommandLine line("Stops a daemon and waits until it is gone.", "tenon stop");
  std::string socket;
  serve::StopT request;
  add_socket_option(line, socket);
  line.add_flag("--now", request.now, "Cancel pipelines and calls instead of letting them finish");
  line.footer(
      "Pipelines finish their items in flight and calls finish, within the daemon's --drain-timeout. A second\n"
      "'tenon stop --now' cancels them earlier.\n\nExample:\n  tenon stop --socket /run/user/1000/tenon.sock");
  if (auto proceed = line.parse(context, arguments); !proceed || !*proceed) {
    return proceed.map([](bool) { return ExitCode::kDone; });
  }
  TENON_ASSIGN(auto daemon, DaemonClient::connect(context.world, socket));
  TENON_TRY(daemon.ask(request, kDaemonPatience));
  // The connection closes after the last worker has exited.
  const auto end = daemon.receive(std::nullopt);
  if (end || end.error().error.code != ErrorCode::kUnavailable) {
    return end ? unexpected_answer() : tl::unexpected<Failure>(end.error());
  }
  if (context.json) {
    context.output.write(dump({{"stopped", daemon.daemon().process_id}}));
  }
  return ExitCode::kDone;
}

}  // namespace tenon::cli
