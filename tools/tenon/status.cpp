#include <nlohmann/json.hpp>

#include "tools/tenon/command.hpp"
#include "tools/tenon/command_line.hpp"
#include "tools/tenon/daemon_client.hpp"
#include "tools/tenon/daemon_text.hpp"
#include "tools/tenon/json_output.hpp"

namespace tenon::cli {

Outcome<ExitCode> status_command(Context& context, const std::vector<std::string>& arguments) {
  CommandLine line("Shows what a daemon runs.", "tenon status");
  std::string socket;
  add_socket_option(line, socket);
  line.footer("Example:\n  tenon status --socket /run/user/1000/tenon.sock");
  if (auto go_on = line.parse(context, arguments); !go_on || !*go_on) {
    return go_on.map([](bool) { return ExitCode::kDone; });
  }
  auto daemon = DaemonClient::connect(context.world, socket);
  if (!daemon) {
    return tl::unexpected<Failure>(std::move(daemon.error()));
  }
  auto answer = daemon->ask(serve::GetStatusT(), kDaemonPatience);
  if (!answer) {
    return tl::unexpected<Failure>(std::move(answer.error()));
  }
  const serve::StatusT* const status = answer->AsStatus();
  if (status == nullptr) {
    return unexpected_answer();
  }
  context.output.write(context.json ? dump(to_json(*status)) : to_text(*status));
  return ExitCode::kDone;
}

}  // namespace tenon::cli
