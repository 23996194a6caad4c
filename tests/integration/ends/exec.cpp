// Runs the pipelines of the plugin `exec`: good and bad items, retries, stops, and deaths of workers
// and of the host.
#include <signal.h>
#include <sys/stat.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>
#include <vector>

#include <nlohmann/json.hpp>

#include "program.hpp"
#include "tenon_test/catch.hpp"
#include "tenon_test/paths.hpp"
#include "tenon_test/temporary_directory.hpp"

namespace fs = std::filesystem;
using nlohmann::json;
using tenon::test::Ended;
using tenon::test::Program;
using tenon::test::TemporaryDirectory;

namespace {

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

void write(const fs::path& path, const std::string& text) {
  fs::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << text;
}

std::string read(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

void write_script(const fs::path& path, const std::string& text) {
  write(path, "#!/bin/sh\n" + text);
  fs::permissions(path, fs::perms::owner_all);
}

void gzip(const fs::path& path, const std::string& text) {
  write(path, text);
  REQUIRE(std::system(("gzip -k -n \"" + path.string() + "\"").c_str()) == 0);
  fs::remove(path);
}

std::string example(const std::string& name) {
  return (tenon::test::source_dir() / "plugins/exec" / name).string();
}

/// A pipeline that runs a command of the shell for each file of a directory.
std::string for_each(const fs::path& root, const std::string& command, const std::string& stage = "",
                     const std::string& params = "") {
  return "[pipeline]\nname = \"each\"\n[sources.tree]\ntask = \"files.walk\"\nargs = { root = \"" + root.string() +
         "\" }\n[stages.each]\ntask = \"exec.run\"\ninputs = [\"tree\"]\n" + stage +
         "\n[stages.each.params]\nshell = '''" + command + "'''\n" + params +
         "\n[sinks.done]\ntask = \"tenon.discard\"\ninputs = [\"each\"]\n";
}

Ended run(const TemporaryDirectory& directory, const std::string& pipeline, std::vector<std::string> more = {}) {
  write(directory / "each.toml", pipeline);
  std::vector<std::string> words{"run", (directory / "each.toml").string(), "--workers", "2"};
  words.insert(words.end(), more.begin(), more.end());
  return tenon::test::tenon(words);
}

pid_t pid_in(const fs::path& path) {
  for (int i = 0; i < 6000; ++i) {
    const std::string text = read(path);
    if (!text.empty() && text.back() == '\n') {
      return std::stoi(text);
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return 0;
}

/// Whether a process has ended, even if nothing has reaped it yet.
bool has_ended(pid_t process) {
  const std::string stat = read("/proc/" + std::to_string(process) + "/stat");
  return stat.empty() || stat.find(") Z") != std::string::npos;
}

bool is_gone(pid_t process) {
  for (int i = 0; i < 3000; ++i) {
    if (has_ended(process)) {
      return true;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return false;
}

/// A command that writes the process ids of a shell and of its child to files and then waits.
std::string waits(const fs::path& directory) {
  return "echo $$ > " + (directory / "shell").string() + "; sleep 1000 & echo $! > " + (directory / "child").string() +
         "; wait";
}

struct Pids {
  pid_t shell;
  pid_t child;
};
Pids started(const TemporaryDirectory& directory) {
  const Pids pids{pid_in(directory / "shell"), pid_in(directory / "child")};
  REQUIRE(pids.shell > 0);
  REQUIRE(pids.child > 0);
  return pids;
}

}  // namespace

TEST_CASE("exec: verify.toml names the broken files, exit code 1") {
  const TemporaryDirectory directory;
  for (int i = 0; i < 20; ++i) {
    gzip(directory / ("in/good " + std::to_string(i)), "text " + std::to_string(i));
  }
  CHECK(tenon::test::tenon(
            {"run", example("verify.toml"), "--set", "sources.tree.args.root=" + (directory / "in").string()})
            .exit == 0);
  gzip(directory / "in/it's cut", std::string(10000, 'x'));
  fs::resize_file(directory / "in/it's cut.gz", 20);
  const Ended ended = tenon::test::tenon(
      {"run", example("verify.toml"), "--set", "sources.tree.args.root=" + (directory / "in").string()});
  INFO(ended.error);
  CHECK(ended.exit == 1);
  CHECK(has(ended.error, "it's cut.gz': 'gzip' ended with exit code 1 after "));
  CHECK(has(ended.error, "unexpected end of file"));
}

TEST_CASE("exec: unpack.toml makes the same files as gzip, whole or not at all") {
  const TemporaryDirectory directory;
  std::string large;
  for (int i = 0; i < 200000; ++i) {
    large += std::to_string(i) + "\n";
  }
  gzip(directory / "in/a.txt", "one");
  gzip(directory / "in/below/b", large);
  gzip(directory / "in/cut", large);
  fs::resize_file(directory / "in/cut.gz", 5000);
  const Ended ended = tenon::test::tenon({"run", example("unpack.toml"), "--set",
                                          "sources.tree.args.root=" + (directory / "in").string(), "--set",
                                          "sinks.write.params.directory=" + (directory / "out").string()});
  INFO(ended.error);
  CHECK(ended.exit == 1);
  CHECK(read(directory / "out/a.txt") == "one");
  CHECK(read(directory / "out/below/b") == large);
  CHECK_FALSE(fs::exists(directory / "out/cut"));
}

TEST_CASE("exec: hosts.toml drops the lines that grep does not find") {
  const TemporaryDirectory directory;
  write(directory / "list", "# comment\n127.0.0.1 it's \"me\" $HOME\n\n::1 localhost\n");
  const Ended ended = tenon::test::tenon(
      {"run", example("hosts.toml"), "--json", "--set", "sources.list.args.path=" + (directory / "list").string()});
  INFO(ended.output);
  CHECK(ended.exit == 0);
  const json report = json::parse(ended.output);
  bool found = false;
  for (const json& stage : report.at("stages")) {
    if (stage.at("name") == "done") {
      found = true;
      CHECK(stage.at("items_in") == 2);
    }
  }
  CHECK(found);
}

TEST_CASE("exec: retry runs again what may pass, and nothing else") {
  const TemporaryDirectory directory;
  write(directory / "in/a", "");
  write(directory / "in/b", "");
  const std::string retry = "retry = { attempts = 3, backoff = \"1ms\" }";
  // Fails at its first run for each item.
  const std::string flaky = "echo x >> " + directory.path().string() + "/{name}; test $(wc -l < " +
                            directory.path().string() + "/{name}) -ge 2 || exit 75";
  const Ended passed = run(directory, for_each(directory / "in", flaky, retry, "retry_codes = [75]"));
  INFO(passed.error);
  CHECK(passed.exit == 0);
  CHECK(read(directory / "a") == "x\nx\n");
  const std::string wrong = "echo y >> " + directory.path().string() + "/{name}; exit 1";
  const Ended failed = run(directory, for_each(directory / "in", wrong, retry, "retry_codes = [75]"));
  INFO(failed.error);
  CHECK(failed.exit == 1);
  CHECK(read(directory / "a") == "x\nx\ny\n");
  CHECK(read(directory / "b") == "x\nx\ny\n");
}

TEST_CASE("exec: the stage's time-out ends the program and what it has started") {
  const TemporaryDirectory directory;
  write(directory / "in/a", "");
  const Ended ended = run(directory, for_each(directory / "in", waits(directory.path()), "timeout = \"3s\""));
  INFO(ended.error);
  CHECK(ended.exit == 1);
  CHECK(has(ended.error, "passed its run_timeout of 3 s"));
  const Pids pids = started(directory);
  CHECK(is_gone(pids.shell));
  CHECK(is_gone(pids.child));
}

TEST_CASE("exec: the death of a worker ends its program, and the other items continue") {
  const TemporaryDirectory directory;
  for (const char* name : {"a", "b", "kill", "z"}) {
    write(directory / "in" / name, "");
  }
  const Ended ended =
      run(directory, for_each(directory / "in", "test {name} = kill || exit 0; echo $$ > " +
                                                    (directory / "shell").string() + "; sleep 1000 & echo $! > " +
                                                    (directory / "child").string() + "; kill -KILL $PPID; wait"));
  INFO(ended.error);
  CHECK(ended.exit == 1);
  CHECK(has(ended.error, "ended with signal 9 (Killed)"));
  CHECK(has(ended.error, "1 failed"));
  const Pids pids = started(directory);
  CHECK(is_gone(pids.shell));
  CHECK(is_gone(pids.child));
}

TEST_CASE("exec: two interrupts end the run and its programs") {
  const TemporaryDirectory directory;
  write(directory / "in/a", "");
  write(directory / "each.toml", for_each(directory / "in", waits(directory.path())));
  Program program({"run", (directory / "each.toml").string()});
  const Pids pids = started(directory);
  program.wait_until_ready();
  program.interrupt();
  program.interrupt();
  program.wait();
  CHECK(is_gone(pids.shell));
  CHECK(is_gone(pids.child));
}

TEST_CASE("exec: the death of the host ends the programs") {
  const TemporaryDirectory directory;
  write(directory / "in/a", "");
  write(directory / "each.toml", for_each(directory / "in", waits(directory.path())));
  Program program({"run", (directory / "each.toml").string()});
  const Pids pids = started(directory);
  ::kill(program.pid(), SIGKILL);
  program.wait();
  CHECK(is_gone(pids.shell));
  CHECK(is_gone(pids.child));
}

TEST_CASE("exec: many items run once each") {
  constexpr int kItems = 300;
  const TemporaryDirectory directory;
  std::string list;
  for (int i = 0; i < kItems; ++i) {
    list += std::to_string(i) + "\n";
  }
  write(directory / "list", list);
  write_script(directory / "note", "echo \"$1\" >> \"$2\"\n");
  const Ended ended =
      run(directory, "[pipeline]\nname = \"many\"\n[sources.list]\ntask = \"text.lines\"\nargs = { path = \"" +
                         (directory / "list").string() +
                         "\" }\n[stages.each]\ntask = \"exec.run_line\"\ninputs = [\"list\"]\nparams = { argv = [\"" +
                         (directory / "note").string() + "\", \"{}\", \"" + (directory / "notes").string() +
                         "\"] }\n[sinks.done]\ntask = \"tenon.discard\"\ninputs = [\"each\"]\n");
  INFO(ended.error);
  CHECK(ended.exit == 0);
  std::vector<bool> seen(kItems);
  std::ifstream notes(directory / "notes");
  std::size_t count = 0;
  for (std::string line; std::getline(notes, line); ++count) {
    seen.at(std::stoul(line)) = true;
  }
  CHECK(count == kItems);
  CHECK(std::find(seen.begin(), seen.end(), false) == seen.end());
}
