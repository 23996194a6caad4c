// Results over the socket carry the version that made them, also those of sessions that a swap has
// moved.
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include <tenon/schema.hpp>

#include "probe_daemon.hpp"
#include "serve/client.hpp"
#include "tenon_test/catch.hpp"

using namespace tenon;        // NOLINT(google-build-using-namespace)
using namespace tenon::test;  // NOLINT(google-build-using-namespace)

namespace {

internal::MonotonicNs soon() {
  return internal::deadline_after(std::chrono::seconds(60));
}

/// A client that uses the protocol directly.
class Speaker {
 public:
  explicit Speaker(const Daemon& daemon) : client_(connect(daemon)), schema_(schema()) {}

  template <typename Body>
  serve::AnswerT ask(Body body) {
    serve::RequestBodyUnion request;
    request.Set(std::move(body));
    REQUIRE(client_.send(std::move(request), soon()));
    auto answer = client_.receive(soon());
    REQUIRE((answer && *answer));
    if (const serve::FailureT* const failed = (*answer)->body.AsFailure()) {
      FAIL(failed->message);
    }
    return std::move(**answer);
  }
  /// Opens a session of a task of the plugin "probe".
  std::uint64_t open(const std::string& task, const std::string& type, const std::string& argument) {
    serve::OpenT open;
    open.task = "probe." + task;
    open.sha256 = sha256_;
    if (!type.empty()) {
      open.argument = bytes(type, argument);
    }
    return ask(std::move(open)).body.AsOpened()->session;
  }
  [[nodiscard]] Buffer bytes(const std::string& type, const std::string& json) const {
    const auto buffer = schema_.from_json(type, json);
    REQUIRE(buffer);
    return *buffer;
  }
  [[nodiscard]] nlohmann::json json(const std::string& type, const Buffer& buffer) const {
    const auto text = schema_.to_json(type, buffer, {.defaults = true});
    REQUIRE(text);
    return nlohmann::json::parse(*text);
  }

 private:
  static internal::Client connect(const Daemon& daemon) {
    auto client = internal::Client::connect(daemon.socket(), "test", soon());
    REQUIRE(client);
    return std::move(*client);
  }
  Schema schema() {
    serve::GetTaskT get;
    get.task = "probe.tag";
    const serve::AnswerT answer = ask(std::move(get));
    const serve::TaskSchemaT& known = *answer.body.AsTaskSchema();
    sha256_ = known.sha256;
    const auto schema = Schema::from_binary(known.schema, known.plugin);
    REQUIRE(schema);
    return *schema;
  }

  internal::Client client_;
  std::string sha256_;
  Schema schema_;
};

/// Swaps to 1.1.0 and waits until nothing runs on 1.0.0. Returns the hash of the new version.
std::string swap_and_drain(const Daemon& daemon) {
  const nlohmann::json swapped = daemon.json({"swap", probe("probe_2")});
  const auto drained = [&] {
    const nlohmann::json all = daemon.json({"generations"});
    for (const auto& generation : all["generations"]) {
      if (generation["number"] == swapped["before"]["number"]) {
        return generation["state"] == "retired";
      }
    }
    return false;
  };
  REQUIRE(eventually(drained));
  return swapped["now"]["sha256"];
}

}  // namespace

TEST_CASE("tenon serve: the result of a reduce is of the version that made it") {
  const ProbeDaemon daemon;
  Speaker speaker(*daemon);
  const std::uint64_t session = speaker.open("total", "", "");
  const auto feed = [&] {
    serve::FeedT tick;
    tick.session = session;
    tick.arguments.push_back(std::make_unique<serve::BytesT>());
    tick.arguments.back()->data = speaker.bytes("probe.Tick", R"({"value": 1})");
    speaker.ask(std::move(tick));
  };
  feed();
  const std::string sha256 = swap_and_drain(*daemon);
  feed();
  serve::GetResultT finish;
  finish.session = session;
  const serve::AnswerT answer = speaker.ask(finish);
  const serve::CallResultT& result = *answer.body.AsCallResult();
  CHECK(speaker.json("probe.Total", result.result)["reduces"] == 0b110);
  CHECK(result.version == "1.1.0");
  CHECK(result.sha256 == sha256);
}

TEST_CASE("tenon serve: the results of a source are of the version that made them") {
  const ProbeDaemon daemon;
  Speaker speaker(*daemon);
  const std::uint64_t session = speaker.open("count", "probe.Range", R"({"count": 8})");
  const auto next = [&] {
    serve::NextT more;
    more.session = session;
    more.max_results = 4;
    const serve::AnswerT answer = speaker.ask(more);
    return *answer.body.AsResults();
  };
  const serve::ResultsT old_ones = next();
  REQUIRE_FALSE(old_ones.results.empty());
  CHECK(speaker.json("probe.Tick", old_ones.results.front()->data)["version"] == 1);
  CHECK(old_ones.version == "1.0.0");
  const std::string sha256 = swap_and_drain(*daemon);
  const serve::ResultsT new_ones = next();
  REQUIRE_FALSE(new_ones.results.empty());
  CHECK(speaker.json("probe.Tick", new_ones.results.front()->data)["version"] == 2);
  CHECK(new_ones.version == "1.1.0");
  CHECK(new_ones.sha256 == sha256);
}

TEST_CASE("tenon call --verbose: says which version has answered, with and without a daemon") {
  const ProbeDaemon daemon;
  const auto answered_by = [](const std::string& version, const nlohmann::json& sha256) {
    return "tenon: result from probe " + version + " (sha256:" + sha256.get<std::string>().substr(0, 12) + ")\n";
  };
  const nlohmann::json swapped = daemon->json({"swap", probe("probe_2")});
  const std::string now = answered_by("1.1.0", swapped["now"]["sha256"]);
  const std::vector<std::vector<std::string>> calls = {
      {"probe.tag", "{}"}, {"probe.count", R"({"count": 200})"}, {"probe.total", R"({"value": 1})"}};
  for (std::vector<std::string> call : calls) {
    call.insert(call.begin(), "call");
    CHECK(daemon->run(call).error.empty());
    call.emplace_back("--verbose");
    const Ended there = daemon->run(call);
    CHECK(there.exit == 0);
    CHECK(there.error == now);
    call.insert(call.end(), {"--plugin-dir", std::filesystem::path(probe("probe_1")).parent_path().string()});
    const Ended here = tenon::test::tenon(call);
    CHECK(here.exit == 0);
    CHECK(has(here.error, answered_by("1.0.0", swapped["before"]["sha256"])));
  }
}
