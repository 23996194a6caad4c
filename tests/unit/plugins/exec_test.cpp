#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include <tenon/plugin_test.hpp>

#include "exec/template.hpp"
#include "exec_generated.h"
#include "support.hpp"
#include "tenon_test/catch.hpp"
#include "tenon_test/temporary_directory.hpp"

namespace fs = std::filesystem;
using std::chrono::milliseconds;
using std::chrono::steady_clock;
using tenon::test::file_at;
using tenon::test::file_with;
using tenon::test::Outcome;
using tenon::test::read_text;
using tenon::test::TemporaryDirectory;
using tenon::test::Worker;
using tenon::test::write_text;

namespace {

exec::RunParamsT argv(std::vector<std::string> words) {
  exec::RunParamsT params;
  params.argv = std::move(words);
  return params;
}

exec::RunParamsT shell(std::string command) {
  exec::RunParamsT params;
  params.shell = std::move(command);
  return params;
}

std::string stdout_of(const Outcome& outcome) {
  INFO(outcome.message);
  const auto& bytes = *outcome.as<exec::Output>().data();
  return {bytes.begin(), bytes.end()};
}

std::string run(const exec::RunParamsT& params, const tenon::FileT& file = file_at("dir/a.tar.gz", "a.tar.gz")) {
  Worker worker;
  return stdout_of(worker.call("run", file, params));
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

/// The message of a failure with the expected code.
std::string failure(tenon_status_t code, const exec::RunParamsT& params, const tenon::FileT& file = file_at("dir/a")) {
  Worker worker;
  const Outcome outcome = worker.call("run", file, params);
  INFO(outcome.message);
  CHECK(outcome.status == code);
  return outcome.message;
}

void write_script(const fs::path& path, const std::string& text, fs::perms mode = fs::perms::owner_all) {
  write_text(path, text);
  fs::permissions(path, mode);
}

/// Whether a process has ended, even if nothing has reaped it yet.
bool has_ended(pid_t process) {
  const std::string stat = read_text("/proc/" + std::to_string(process) + "/stat");
  return stat.empty() || stat.find(") Z") != std::string::npos;
}

/// Waits until the process is gone, for at most ten seconds.
bool is_gone(pid_t process) {
  for (int i = 0; i < 1000; ++i) {
    if (has_ended(process)) {
      return true;
    }
    std::this_thread::sleep_for(milliseconds(10));
  }
  return false;
}

pid_t pid_in(const fs::path& path) {
  for (int i = 0; i < 1000; ++i) {
    const std::string text = read_text(path);
    if (!text.empty() && text.back() == '\n') {
      return std::stoi(text);
    }
    std::this_thread::sleep_for(milliseconds(10));
  }
  return 0;
}

tenon::RecordT record() {
  tenon::RecordT record;
  const auto add = [&](const char* name, tenon::ScalarUnion value) {
    auto field = std::make_unique<tenon::RecordFieldT>();
    field->name = name;
    field->value = std::move(value);
    record.fields.push_back(std::move(field));
  };
  tenon::ScalarUnion text;
  tenon::TextValueT town;
  town.value = "K\xC3\xB6ln \"am\" Rhein";
  text.Set(std::move(town));
  add("town", std::move(text));
  tenon::ScalarUnion number;
  tenon::IntValueT people;
  people.value = 1'084'831;
  number.Set(std::move(people));
  add("people", std::move(number));
  tenon::ScalarUnion share;
  tenon::FloatValueT half;
  half.value = 0.5;
  share.Set(std::move(half));
  add("share", std::move(share));
  add("none", {});
  return record;
}

}  // namespace

TEST_CASE("Exec: templates use fields of the file, parts of its path and values") {
  CHECK(run(argv({"printf", "%s|", "{path}", "{relative_path}", "{name}", "{parent}", "{stem}", "{extension}"})) ==
        "dir/a.tar.gz|a.tar.gz|a.tar.gz|dir/|a.tar|.gz|");
  CHECK(run(argv({"printf", "%s|", "{}", "{.}", "{/}", "{//}", "{/.}"})) ==
        "dir/a.tar.gz|dir/a.tar|a.tar.gz|dir|a.tar|");
  auto params = argv({"printf", "%s|", "{edge}x", "{{edge}}"});
  auto value = std::make_unique<exec::ValueT>();
  value->name = "edge";
  value->value = "640";
  params.values.push_back(std::move(value));
  CHECK(run(params) == "640x|{edge}|");
}

TEST_CASE("Exec: an argument stays one argument, and a shell gets quoted words") {
  const std::string name = "it's; echo $(date) `id` \"x\"\n* .txt";
  CHECK(run(argv({"printf", "%s|", "{path}"}), file_at(name)) == name + "|");
  CHECK(run(shell("printf '%s|' {path} | tr a-z a-z"), file_at(name)) == name + "|");
}

TEST_CASE("Exec: templates that cannot be filled are errors") {
  CHECK(has(failure(TENON_INVALID_ARGUMENT, argv({"echo", "{pth}"})), "`argv` '{pth}': the item has no field `pth`"));
  CHECK(has(failure(TENON_INVALID_ARGUMENT, argv({"echo", "{path"})), "has no partner"));
  CHECK(has(failure(TENON_INVALID_ARGUMENT, argv({"echo", "a}"})), "has no partner"));
  CHECK(has(failure(TENON_INVALID_ARGUMENT, {}), "set `argv`"));
  auto both = argv({"echo"});
  both.shell = "echo";
  CHECK(has(failure(TENON_INVALID_ARGUMENT, both), "set only one of them"));
  CHECK(has(failure(TENON_INVALID_ARGUMENT, argv({"echo", "{path}"}), file_at(std::string("a\0b", 3))), "zero byte"));
}

TEST_CASE("Exec: the item is the standard input, or nothing is") {
  const TemporaryDirectory directory;
  write_text(directory / "f", "one\ntwo\n");
  auto params = argv({"wc", "-l"});
  CHECK(run(params, file_at(directory / "f")) == "0\n");
  params.input = exec::Input::item;
  CHECK(run(params, file_at(directory / "f")) == "2\n");
  CHECK(run(params, file_with("x", "1\n2\n3\n")) == "3\n");
  Worker worker;
  tenon::LineT line;
  line.text = "hello";
  auto cat = argv({"cat"});
  cat.input = exec::Input::item;
  CHECK(stdout_of(worker.call("run_line", line, cat)) == "hello\n");
  CHECK(stdout_of(worker.call("run_record", record(), cat)) ==
        "{\"town\":\"K\xC3\xB6ln \\\"am\\\" Rhein\",\"people\":1084831,\"share\":0.5,\"none\":null}\n");
}

TEST_CASE("Exec: a program that does not read its input is not an error") {
  auto params = argv({"true"});
  params.input = exec::Input::item;
  CHECK(run(params, file_with("x", std::string(4u << 20, 'x'))).empty());
  params = shell("exec 0<&-; sleep 0.05; echo ok");
  params.input = exec::Input::item;
  CHECK(run(params, file_with("x", std::string(4u << 20, 'x'))) == "ok\n");
}

TEST_CASE("Exec: lines and records have names of their own") {
  Worker worker;
  tenon::LineT line;
  line.text = "a/b.c";
  line.origin = "list";
  line.number = 7;
  CHECK(stdout_of(worker.call("run_line", line, argv({"echo", "{}", "{text}", "{/.}", "{origin}", "{number}"}))) ==
        "a/b.c a/b.c b list 7\n");
  CHECK(stdout_of(worker.call("run_record", record(), argv({"echo", "{town}", "{people}", "{share}", "[{none}]"}))) ==
        "K\xC3\xB6ln \"am\" Rhein 1084831 0.5 []\n");
  CHECK(worker.call("run_record", record(), argv({"echo", "{twon}"})).status == TENON_INVALID_ARGUMENT);
}

TEST_CASE("Exec: working directory and environment") {
  const TemporaryDirectory directory;
  fs::create_directory(directory / "in here");
  auto params = shell("pwd; echo $GREETING; echo ${{HOME-none}}");
  params.directory = directory.path().string() + "/{name}";
  params.environment = {"GREETING=hello {name}"};
  params.clear_environment = true;
  CHECK(run(params, file_at("in here")) ==
        (fs::canonical(directory.path()) / "in here").string() + "\nhello in here\nnone\n");
  CHECK(has(failure(TENON_NOT_FOUND, params, file_at("missing")), "/missing' cannot be entered: No such file"));
  params.environment = {"GREETING"};
  CHECK(has(failure(TENON_INVALID_ARGUMENT, params, file_at("in here")), "is not of the form NAME=value"));
}

TEST_CASE("Exec: PATH of the additions decides, and relative parts follow the directory") {
  const TemporaryDirectory directory;
  write_script(directory / "bin/mine", "#!/bin/sh\necho mine\n");
  auto params = argv({"mine"});
  params.environment = {"PATH=" + (directory / "bin").string() + ":/usr/bin:/bin"};
  CHECK(run(params) == "mine\n");
  params.directory = directory.path().string();
  params.environment = {"PATH=bin:/usr/bin:/bin"};
  CHECK(run(params) == "mine\n");
}

TEST_CASE("Exec: exit codes mean done, skipped, a failure, or one that may pass") {
  const auto exits = [](int code) { return shell("echo first >&2; echo why not >&2; exit " + std::to_string(code)); };
  const std::string message = failure(TENON_FAILED, exits(3));
  CHECK(has(message, "'dir/a': the shell command"));
  CHECK(has(message, "ended with exit code 3 after "));
  CHECK(has(message, "stderr ends with 'first\\nwhy not'; if this code is expected, add it to `ok_codes`"));
  CHECK(has(failure(TENON_FAILED, argv({"false"})), "'dir/a': 'false' ended with exit code 1"));
  Worker worker;
  auto params = exits(3);
  params.ok_codes = {0, 3};
  {
    const Outcome outcome = worker.call("run", file_at("f"), params);
    CHECK(outcome.as<exec::Output>().exit_code() == 3);
    CHECK(outcome.as<exec::Output>().outcome() == exec::Outcome::done);
    CHECK(outcome.as<exec::Output>().stderr_tail()->str() == "first\nwhy not\n");
    CHECK(outcome.as<exec::Output>().item()->str() == "f");
  }
  params.ok_codes = {};
  params.skip_codes = {3};
  CHECK(worker.call("run", file_at("f"), params).as<exec::Output>().outcome() == exec::Outcome::skipped);
  CHECK(has(worker.call("filter", file_with("f", "x"), params).message, "has no result that says so"));
  params.skip_codes = {};
  params.retry_codes = {3};
  failure(TENON_UNAVAILABLE, params);
  params.retry_codes = {75};
  failure(TENON_UNSUPPORTED, params);
  params.any_code = true;
  CHECK(worker.call("run", file_at("f"), params).as<exec::Output>().exit_code() == 3);
}

TEST_CASE("Exec: what cannot be started says why and what to do") {
  const TemporaryDirectory directory;
  CHECK(has(failure(TENON_NOT_FOUND, argv({"no-such-program-here"})),
            "'no-such-program-here': there is no such program in PATH ("));
  CHECK(has(failure(TENON_NOT_FOUND, argv({(directory / "none").string()})), "there is no such program; install it"));
  write_script(directory / "plain", "text", fs::perms::owner_read | fs::perms::owner_write);
  if (::geteuid() != 0) {
    CHECK(has(failure(TENON_INVALID_ARGUMENT, argv({(directory / "plain").string()})), "chmod +x"));
  }
  write_script(directory / "headless", "echo hello\n");
  CHECK(has(failure(TENON_INVALID_ARGUMENT, argv({(directory / "headless").string()})),
            "is not a program; if it is a script"));
  write_script(directory / "lost", "#!/no/such/interpreter\n");
  CHECK(has(failure(TENON_NOT_FOUND, argv({(directory / "lost").string()})), "the interpreter that"));
  CHECK(has(failure(TENON_TOO_LARGE, argv({"echo", std::string(4u << 20, 'x')})), "`input = \"item\"`"));
  CHECK(has(failure(TENON_INVALID_ARGUMENT, argv({directory.path().string()})), "may not be run"));
}

TEST_CASE("Exec: a program that has moved since it was found is found again") {
  const TemporaryDirectory directory;
  write_script(directory / "a/tool", "#!/bin/sh\necho a\n");
  write_script(directory / "b/tool", "#!/bin/sh\necho b\n");
  auto params = argv({"tool"});
  params.environment = {"PATH=" + (directory / "a").string() + ":" + (directory / "b").string()};
  Worker worker;
  CHECK(stdout_of(worker.call("run", file_at("f"), params)) == "a\n");
  fs::remove(directory / "a/tool");
  CHECK(stdout_of(worker.call("run", file_at("f"), params)) == "b\n");
}

TEST_CASE("Exec: a signal is a failure that names it") {
  const std::string message = failure(TENON_FAILED, shell("echo last words >&2; kill -SEGV $$"));
  CHECK(has(message, "was killed by signal 11 (SIGSEGV)"));
  CHECK(has(message, "stderr ends with 'last words'"));
  CHECK(has(failure(TENON_FAILED, shell("kill -KILL $$")), "the system kills when memory is short"));
}

TEST_CASE("Exec: a time limit ends the whole group, gently first") {
  const TemporaryDirectory directory;
  auto params = shell("echo $$ > " + (directory / "shell").string() + "; sleep 1000 & echo $! > " +
                      (directory / "sleep").string() + "; wait");
  params.timeout_ms = 1500;
  const auto begun = steady_clock::now();
  CHECK(has(failure(TENON_DEADLINE, params), "ran longer than 1500 ms and was ended"));
  CHECK(steady_clock::now() - begun < milliseconds(30000));
  CHECK(is_gone(pid_in(directory / "shell")));
  CHECK(is_gone(pid_in(directory / "sleep")));
  params = shell("trap 'echo bye >&2; exit 0' TERM; while :; do sleep 0.01; done");
  params.timeout_ms = 1500;
  params.kill_after_ms = 60000;
  CHECK(has(failure(TENON_DEADLINE, params), "bye'; raise `timeout_ms`"));
  params = shell("trap '' TERM; while :; do sleep 0.01; done");
  params.timeout_ms = 100;
  params.kill_after_ms = 50;
  failure(TENON_DEADLINE, params);
}

TEST_CASE("Exec: a cancelled call ends the program") {
  const TemporaryDirectory directory;
  Worker worker;
  // At least a second, so that the shell has started.
  worker.settings.polls_before_stop = 100;
  const auto params = shell("echo $$ > " + (directory / "pid").string() + "; sleep 1000");
  const Outcome outcome = worker.call("run", file_at("f"), params);
  CHECK(outcome.status == TENON_CANCELLED);
  CHECK(is_gone(pid_in(directory / "pid")));
}

TEST_CASE("Exec: a cancel is noticed while a program that was out of time has its grace") {
  Worker worker;
  worker.settings.polls_before_stop = 100;
  auto params = shell("trap '' TERM; while :; do sleep 0.01; done");
  params.timeout_ms = 100;
  params.kill_after_ms = 600000;
  const auto begun = steady_clock::now();
  CHECK(worker.call("run", file_at("f"), params).status == TENON_CANCELLED);
  CHECK(steady_clock::now() - begun < milliseconds(60000));
}

TEST_CASE("Exec: a program that moves to another process group is ended all the same") {
  auto params = argv({"python3", "-c", "import os, time; os.setpgid(0, os.getpgid(os.getppid())); time.sleep(1000)"});
  params.timeout_ms = 3000;
  params.kill_after_ms = 50;
  const auto begun = steady_clock::now();
  failure(TENON_DEADLINE, params);
  CHECK(steady_clock::now() - begun < milliseconds(60000));
}

TEST_CASE("Exec: what a program leaves running is ended with it") {
  const TemporaryDirectory directory;
  // Its output stays open as long as the other process runs.
  CHECK(run(shell("sleep 1000 & echo $! > " + (directory / "pid").string() + "; echo done")) == "done\n");
  CHECK(is_gone(pid_in(directory / "pid")));
  CHECK(run(shell("(sleep 0.01; echo late) & echo early")) == "early\nlate\n");
}

TEST_CASE("Exec: output is bounded") {
  auto params = shell("head -c 1000000 /dev/zero | tr '\\0' x; echo end >&2");
  CHECK(run(params).size() == 1000000);
  params.max_stdout_bytes = 1000000;
  CHECK(run(params).size() == 1000000);
  params.max_stdout_bytes = 999999;
  CHECK(has(failure(TENON_TOO_LARGE, params), "wrote more than 999999 bytes to stdout"));
  params.long_output = exec::LongOutput::cut;
  Worker worker;
  const Outcome outcome = worker.call("run", file_at("f"), params);
  CHECK(outcome.as<exec::Output>().data()->size() == 999999);
  CHECK(outcome.as<exec::Output>().data_cut());
  auto endless = argv({"yes"});
  endless.max_stdout_bytes = 100;
  failure(TENON_TOO_LARGE, endless);
  auto noisy = shell("head -c 300000 /dev/zero | tr '\\0' y >&2; printf 'the \\377 end' >&2");
  noisy.stderr_tail_bytes = 9;
  const Outcome tail = worker.call("run", file_at("f"), noisy);
  CHECK(tail.as<exec::Output>().stderr_tail()->str() == "the \xEF\xBF\xBD end");
}

TEST_CASE("Exec: memory is bounded") {
  // The limit is for the program, not for this process.
  auto params = shell("ulimit -v");
  params.max_memory_bytes = 512u << 20;
  CHECK(run(params) == "524288\n");
  params = argv({"true"});
  params.max_memory_bytes = 4096;
  Worker worker;
  CHECK(!worker.call("run", file_at("f"), params).ok());
}

TEST_CASE("Exec: a program starts with no descriptors, signals or masks of the worker") {
  sigset_t blocked;
  sigset_t before;
  ::sigemptyset(&blocked);
  ::sigaddset(&blocked, SIGUSR1);
  ::pthread_sigmask(SIG_BLOCK, &blocked, &before);
  const auto handler = ::signal(SIGPIPE, SIG_IGN);
  const int leaked = ::dup(0);
  const std::string text =
      run(shell("ls /proc/self/fd | wc -l; grep -E 'SigBlk|SigIgn' /proc/self/status | tr -d '\\n\\t'"));
  ::close(leaked);
  ::signal(SIGPIPE, handler);
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  // Three streams, and the directory that ls reads.
  CHECK(has(text, "4\nSigBlk:0000000000000000SigIgn:0000000000000000"));
}

TEST_CASE("Exec: the death of the worker ends the program and what it has started") {
  const TemporaryDirectory directory;
  const pid_t worker_process = ::fork();
  REQUIRE(worker_process >= 0);
  if (worker_process == 0) {
    Worker worker;
    worker.call("run", file_at("f"),
                shell("echo $$ > " + (directory / "shell").string() + "; sleep 1000 & echo $! > " +
                      (directory / "sleep").string() + "; wait"));
    ::_exit(0);
  }
  const pid_t shell_process = pid_in(directory / "shell");
  const pid_t sleep_process = pid_in(directory / "sleep");
  REQUIRE(shell_process > 0);
  REQUIRE(sleep_process > 0);
  ::kill(worker_process, SIGKILL);
  ::waitpid(worker_process, nullptr, 0);
  CHECK(is_gone(shell_process));
  CHECK(is_gone(sleep_process));
}

TEST_CASE("Exec: filter passes the content on") {
  const TemporaryDirectory directory;
  write_text(directory / "f.txt", "shout");
  Worker worker;
  auto file = file_at(directory / "f.txt", "sub/f.txt");
  file.mode = 0640;
  const Outcome outcome = worker.call("filter", file, argv({"tr", "a-z", "A-Z"}));
  const auto& result = outcome.as<tenon::File>();
  CHECK(std::string(result.data()->begin(), result.data()->end()) == "SHOUT");
  CHECK(result.path()->str() == file.path);
  CHECK(result.relative_path()->str() == "sub/f.txt");
  CHECK(result.size_bytes() == 5);
  CHECK(result.mode() == 0640);
  CHECK(result.extension()->str() == "txt");
  CHECK(worker.call("filter", file_at(directory / "none"), argv({"cat"})).status == TENON_NOT_FOUND);
}

TEST_CASE("Exec: shell words") {
  CHECK(exec::shell_word("") == "''");
  CHECK(exec::shell_word("a'b") == "'a'\\''b'");
}
