#include "daemon.hpp"

#include <signal.h>

#include <fstream>

#include "serve/client.hpp"
#include "tenon_test/catch.hpp"

namespace tenon::test {

std::string numbers_pipeline(const std::string& name, std::uint64_t count, unsigned interval_ms) {
  return "[pipeline]\nname = \"" + name +
         "\"\n[sources.numbers]\ntask = \"tenon.numbers\"\nargs = { count = " + std::to_string(count) +
         ", interval_ms = " + std::to_string(interval_ms) +
         " }\n[sinks.total]\ntask = \"tenon.sum\"\ninputs = [\"numbers\"]\n";
}

Daemon::Daemon(std::vector<std::string> arguments, std::vector<std::pair<std::string, std::string>> environment)
    : Daemon(std::move(arguments), ProgramOptions{.input = {}, .environment = std::move(environment), .limit = {}}) {}

Daemon::Daemon(std::vector<std::string> arguments, ProgramOptions options)
    : arguments_(std::move(arguments)), options_(std::move(options)) {
  arguments_.insert(arguments_.begin(), {"serve", "--socket", socket(), "--workers", "2"});
  start();
}

void Daemon::start() {
  program_ = std::make_unique<Program>(arguments_, options_);
  const bool serves = eventually([&] {
    return !program_->running() ||
           internal::Client::connect(socket(), "test", internal::deadline_after(std::chrono::seconds(5))).has_value();
  });
  INFO(program_->error());
  REQUIRE((serves && program_->running()));
}

void Daemon::start_again() {
  program_.reset();
  start();
}

Ended Daemon::run(std::vector<std::string> arguments) const {
  arguments.insert(arguments.end(), {"--socket", socket()});
  return tenon(arguments);
}

nlohmann::json Daemon::json(std::vector<std::string> arguments) const {
  arguments.emplace_back("--json");
  const Ended ended = run(std::move(arguments));
  INFO(ended.error);
  INFO(ended.output);
  REQUIRE(nlohmann::json::accept(ended.output));
  return nlohmann::json::parse(ended.output);
}

void Daemon::signal(int number) const {
  ::kill(program_->pid(), number);
}

std::vector<pid_t> Daemon::workers() const {
  // The daemon serves as soon as the first worker is ready.
  std::vector<pid_t> workers;
  REQUIRE(eventually([&] {
    workers.clear();
    const nlohmann::json status = json({"status"});
    for (const auto& worker : status["workers"]) {
      workers.push_back(worker["pid"].get<pid_t>());
    }
    return workers.size() == 2;
  }));
  return workers;
}

bool alive(pid_t process) {
  std::ifstream status("/proc/" + std::to_string(process) + "/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("State:")) {
      return line.find('Z') == std::string::npos;
    }
  }
  return false;
}

}  // namespace tenon::test
