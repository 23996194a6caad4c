// drain, pause, resume: commands for the pipelines of a daemon.

#include <nlohmann/json.hpp>

#include "base/try.hpp"
#include "tools/tenon/command.hpp"
#include "tools/tenon/command_line.hpp"
#include "tools/tenon/daemon_client.hpp"
#include "tools/tenon/daemon_text.hpp"
#include "tools/tenon/json_output.hpp"

namespace tenon::cli {
namespace {

template <typename Request>
Outcome<ExitCode> steer(Context& context, const std::vector<std::string>& arguments, const char* description,
                        const char* name, std::optional<std::chrono::milliseconds> patience) {
  CommandLine line(description, name);
  std::string socket;
  Request request;
  line.add("PIPELINE", request.pipeline, "Name of the pipeline; default: all of them");
  add_socket_option(line, socket);
  line.footer("Example:\n  " + std::string(name) + " inventory");
  if (auto proceed = line.parse(context, arguments); !proceed || !*proceed) {
    return proceed.map([](bool) { return ExitCode::kDone; });
  }
  TENON_ASSIGN(auto daemon, DaemonClient::connect(context.world, socket));
  TENON_ASSIGN(const auto answer, daemon.ask(std::move(request), patience));
  const serve::PipelinesT* const steered = answer.AsPipelines();
  if (steered == nullptr) {
    return unexpected_answer();
  }
  Json document;
  document["pipelines"] = Json::array();
  std::string text;
  for (const auto& pipeline : steered->pipelines) {
    document["pipelines"].push_back(to_json(*pipeline));
    text += to_text(*pipeline);
  }
  context.output.write(context.json ? dump(document) : text);
  return ExitCode::kDone;
}

}  // namespace

Outcome<ExitCode> pause_command(Context& context, const std::vector<std::string>& arguments) {
  return steer<serve::PauseT>(context, arguments,
                              "Pauses pipelines of a daemon: they start no new work until they are resumed.",
                              "tenon pause", kDaemonPatience);
}

Outcome<ExitCode> resume_command(Context& context, const std::vector<std::string>& arguments) {
  return steer<serve::ResumeT>(context, arguments, "Resumes paused pipelines of a daemon.", "tenon resume",
                               kDaemonPatience);
}

Outcome<ExitCode> drain_command(Context& context, const std::vector<std::string>& arguments) {
  return steer<serve::DrainT>(context, arguments,
                              "Stops the sources of pipelines and waits until the items in flight are finished.",
                              "tenon drain", std::nullopt);
}

}  // namespace tenon::cli
