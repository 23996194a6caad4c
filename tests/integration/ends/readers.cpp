// Runs the pipelines of the plugins `csv`, `jsonl` and `logs`, also with workers that are killed.
#include <zlib.h>

#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "program.hpp"
#include "tenon_test/catch.hpp"
#include "tenon_test/paths.hpp"
#include "tenon_test/temporary_directory.hpp"

namespace fs = std::filesystem;
using nlohmann::json;
using tenon::test::Ended;
using tenon::test::TemporaryDirectory;

namespace {

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

void write(const fs::path& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}

Ended run_example(const std::string& name, const std::string& source, const fs::path& path) {
  return tenon::test::tenon({"run", (tenon::test::source_dir() / "plugins" / name).string(), "--json", "--set",
                             "sources." + source + ".args.path=" + path.string()});
}

/// The number of items that a stage or sink has taken.
std::uint64_t items_in(const Ended& ended, const std::string& name) {
  const json report = json::parse(ended.output);
  for (const json& stage : report.at("stages")) {
    if (stage.at("name") == name) {
      return stage.at("items_in").get<std::uint64_t>();
    }
  }
  return UINT64_MAX;
}

/// A pipeline that kills its worker once at row 500 and notes each row that arrives.
std::string deadly(const std::string& task, const fs::path& path, const fs::path& directory) {
  const std::string mark = (directory / "killed").string();
  return "[pipeline]\nname = \"deadly\"\n[sources.rows]\ntask = \"" + task + "\"\nargs = { path = \"" + path.string() +
         "\" }\n[stages.note]\ntask = \"exec.run_record\"\ninputs = [\"rows\"]\nretry = { attempts = 3, backoff = "
         "\"1ms\" }\n"
         "[stages.note.params]\nshell = 'test {n} = 500 && mkdir " +
         mark + " 2> /dev/null && kill -KILL $PPID; echo {n} >> " + (directory / "notes").string() +
         "'\n[sinks.done]\ntask = \"tenon.discard\"\ninputs = [\"note\"]\n";
}

void check_deadly(const std::string& task, const std::string& text) {
  const TemporaryDirectory directory;
  write(directory / "rows", text);
  write(directory / "deadly.toml", deadly(task, directory / "rows", directory.path()));
  const Ended ended = tenon::test::tenon({"run", (directory / "deadly.toml").string(), "--workers", "1", "--json"});
  INFO(ended.error);
  INFO(ended.output);
  CHECK(ended.exit == 0);
  CHECK(fs::exists(directory / "killed"));
  CHECK(items_in(ended, "note") == 1000);
  std::set<std::string> seen;
  std::ifstream notes(directory / "notes");
  for (std::string line; std::getline(notes, line);) {
    seen.insert(line);
  }
  CHECK(seen.size() == 1000);
}

}  // namespace

TEST_CASE("csv: mail.toml runs a program for each row and skips the broken ones") {
  const TemporaryDirectory directory;
  write(directory / "people.csv",
        "name,town,mail\r\n\"Doe, J\",K\xC3\xB6ln,j@x.org\r\nonly one\r\nO'Neil,\"a\nb\",o@x.org\r\n");
  const Ended ended = run_example("csv/mail.toml", "people", directory / "people.csv");
  INFO(ended.output);
  CHECK(ended.exit == 0);
  CHECK(items_in(ended, "print") == 2);
  CHECK(has(ended.error, "people.csv', line 3: has 1 field where 3 are expected"));
}

TEST_CASE("csv: a broken row ends the run with file, line and exit code 1") {
  const TemporaryDirectory directory;
  write(directory / "people.csv", "name,mail\nA,a@x.org\nB\n");
  const Ended ended = tenon::test::tenon({"run", (tenon::test::source_dir() / "plugins/csv/mail.toml").string(),
                                          "--set", "sources.people.args.path=" + (directory / "people.csv").string(),
                                          "--set", "sources.people.params.skip_broken=false"});
  INFO(ended.error);
  CHECK(ended.exit == 1);
  CHECK(has(ended.error, "people.csv', line 3: has 1 field where 2 are expected; correct the row"));
}

TEST_CASE("csv: a death in the middle continues at the next row, none is lost") {
  std::string text = "n,text\n";
  for (int i = 1; i <= 1000; ++i) {
    text += std::to_string(i) + ",\"a\nb\"\n";
  }
  check_deadly("csv.read", text);
}

TEST_CASE("jsonl: a death in the middle continues at the next line, none is lost") {
  std::string text;
  for (int i = 1; i <= 1000; ++i) {
    text += "{\"n\":" + std::to_string(i) + "}\n";
  }
  check_deadly("jsonl.read", text);
}

TEST_CASE("jsonl: events.toml finds the events, in a packed file too") {
  const TemporaryDirectory directory;
  const std::string text =
      "{\"level\":\"info\",\"message\":\"fine\"}\n{\"level\":\"error\",\"message\":\"disk \\\"sda\\\"\",\"x\":[1]}\n";
  write(directory / "events", text);
  const gzFile packed = ::gzopen((directory / "events.gz").c_str(), "wb");
  REQUIRE(packed != nullptr);
  ::gzwrite(packed, text.data(), static_cast<unsigned>(text.size()));
  ::gzclose(packed);
  for (const char* name : {"events", "events.gz"}) {
    const Ended ended = run_example("jsonl/events.toml", "events", directory / name);
    INFO(ended.output);
    CHECK(ended.exit == 0);
    CHECK(items_in(ended, "done") == 1);
  }
}

TEST_CASE("logs: per_minute.toml writes the requests of each minute and status") {
  const TemporaryDirectory directory;
  std::string text;
  std::map<std::string, int> expected;
  // About 3 requests a second; many statuses, so that most groups have no session at a time.
  for (int i = 0; i < 30'000; ++i) {
    const int second = i / 3;
    const int status = 200 + (i * 7919) % 157;
    char time[64];
    std::snprintf(time, sizeof time, "10/Oct/2000:%02d:%02d:%02d +0000", second / 3600, second / 60 % 60, second % 60);
    text += "192.0.2.7 - - [" + std::string(time) + "] \"GET / HTTP/1.1\" " + std::to_string(status) + " 2326\n";
    char minute[64];
    std::snprintf(minute, sizeof minute, "2000-10-10T%02d:%02d:00Z", second / 3600, second / 60 % 60);
    ++expected[std::string(minute) + "," + std::to_string(status)];
  }
  write(directory / "access.log", text);
  const fs::path table = directory / "table.csv";
  const Ended ended =
      tenon::test::tenon({"run", (tenon::test::source_dir() / "plugins/logs/per_minute.toml").string(), "--json",
                          "--set", "sources.log.args.path=" + (directory / "access.log").string(), "--set",
                          "sinks.table.params.path=" + table.string()});
  INFO(ended.error);
  CHECK(ended.exit == 0);
  CHECK(items_in(ended, "requests") == 30'000);
  std::map<std::string, int> rows;
  std::ifstream file(table);
  std::string line;
  std::getline(file, line);
  CHECK(line == "minute,status,requests");
  std::string last;
  while (std::getline(file, line)) {
    const std::size_t comma = line.rfind(',');
    rows[line.substr(0, comma)] = std::stoi(line.substr(comma + 1));
    CHECK(line.substr(0, 20) >= last);
    last = line.substr(0, 20);
  }
  CHECK(rows == expected);
}

TEST_CASE("logs: failures.toml counts requests by their status") {
  const TemporaryDirectory directory;
  std::string text;
  const auto add = [&](int status) {
    text += "192.0.2.7 - - [10/Oct/2000:13:55:36 -0700] \"GET /a?b=c HTTP/1.1\" " + std::to_string(status) +
            " 2326 \"-\" \"curl/8.5\"\n";
  };
  for (int i = 0; i < 90; ++i) {
    add(200);
  }
  add(404);
  add(503);
  add(301);
  text += "garbage\n{\"ts\":1700000000.5,\"status\":502,\"request\":{\"method\":\"GET\",\"uri\":\"/\"}}\n";
  write(directory / "access.log", text);
  const Ended ended = run_example("logs/failures.toml", "log", directory / "access.log");
  INFO(ended.output);
  INFO(ended.error);
  CHECK(ended.exit == 0);
  CHECK(items_in(ended, "ok") == 90);
  CHECK(items_in(ended, "missing") == 1);
  CHECK(items_in(ended, "broken") == 2);
  CHECK(items_in(ended, "others") == 1);
  CHECK(has(ended.error, "access.log', line 94: has no time in brackets"));
}
