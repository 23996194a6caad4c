#include "processes.hpp"

#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <sstream>
#include <system_error>

#include "process_state.hpp"

namespace tenon::chaos {
namespace {

namespace fs = std::filesystem;

std::string read(const fs::path& file) {
  std::ifstream in(file);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

std::string command_of(std::int64_t pid) {
  std::string text = read("/proc/" + std::to_string(pid) + "/cmdline");
  std::replace(text.begin(), text.end(), '\0', ' ');
  return text;
}

}  // namespace

std::optional<ProcessState> state_of(std::int64_t pid) {
  const std::string text = read("/proc/" + std::to_string(pid) + "/stat");
  const auto end = text.rfind(')');
  if (end == std::string::npos || end + 4 >= text.size()) {
    return std::nullopt;
  }
  return ProcessState{text[end + 2], std::stoll(text.substr(end + 4))};
}

std::string describe_process(std::int64_t pid) {
  const auto state = state_of(pid);
  return "process " + std::to_string(pid) + ", state " + (state ? std::string(1, state->letter) : "gone") +
         ", parent " + (state ? std::to_string(state->parent) : "-") + ", in " +
         read("/proc/" + std::to_string(pid) + "/wchan") + ": " + command_of(pid);
}

std::vector<std::int64_t> processes_of_run(const fs::path& ledger) {
  std::vector<std::int64_t> found;
  const std::string sleep = "98765." + std::to_string(::getpid()) + " ";
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator("/proc", ignored)) {
    const std::string name = entry.path().filename();
    if (name.find_first_not_of("0123456789") != std::string::npos) {
      continue;
    }
    const std::int64_t pid = std::stoll(name);
    const auto state = state_of(pid);
    if (pid == ::getpid() || !state) {
      continue;
    }
    if (state->parent == ::getpid() || tenon::test::maps(pid, ledger.string()) ||
        command_of(pid).find(sleep) != std::string::npos) {
      found.push_back(pid);
    }
  }
  return found;
}

Remains Remains::count() {
  return {tenon::test::open_descriptors(), tenon::test::threads(), tenon::test::file_mappings()};
}

std::uint64_t Remains::beyond(const Remains& before) const {
  const auto more = [](std::size_t now, std::size_t then) { return now > then ? now - then : 0; };
  return more(descriptors, before.descriptors) + more(threads, before.threads) + more(mappings, before.mappings);
}

std::string Remains::text() const {
  return std::to_string(descriptors) + " descriptors, " + std::to_string(threads) + " threads, " +
         std::to_string(mappings) + " mappings";
}

std::vector<std::string> leftover_files(const fs::path& temporary, const fs::path& store) {
  std::vector<std::string> found;
  std::error_code ignored;
  for (const fs::path& directory : {temporary, store / "incoming"}) {
    for (const auto& entry : fs::recursive_directory_iterator(directory, ignored)) {
      if (entry.is_regular_file(ignored)) {
        found.push_back(entry.path().string());
      }
    }
  }
  return found;
}

}  // namespace tenon::chaos
