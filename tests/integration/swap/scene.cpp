#include "scene.hpp"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <stdexcept>

#include <flatbuffers/flatbuffers.h>

#include "plugins/checksum.hpp"
#include "plugins/stamp.hpp"
#include "probe_generated.h"
#include "process_state.hpp"
#include "shape_generated.h"
#include "tenon_test/catch.hpp"
#include "tenon_test/runtime.hpp"

namespace tenon::test {
namespace {

namespace fs = std::filesystem;

RuntimeOptions scene_options(const SceneOptions& scene, const TemporaryDirectory& directory) {
  fs::create_directory(directory / "plugins");
  fs::copy_file(variant_file(scene.variant, scene.plugin), directory / "plugins" / (scene.plugin + ".so"));
  RuntimeOptions options = runtime_options(scene.workers);
  options.plugin_dirs = {directory / "plugins", build_dir() / "plugins"};
  options.cache_dir = directory / "cache";
  options.hot_swap = scene.hot_swap;
  options.cancel_grace = scene.cancel_grace;
  if (options.hot_swap->store_dir.empty()) {
    options.hot_swap->store_dir = directory / "store";
  }
  return options;
}

Runtime start(const SceneOptions& scene, const TemporaryDirectory& directory) {
  auto runtime = Runtime::start(scene_options(scene, directory));
  if (!runtime) {
    throw std::runtime_error(runtime.error().to_string());
  }
  return *std::move(runtime);
}

Callers::Options callers_of(const SceneOptions& scene) {
  Callers::Options options = scene.callers;
  options.plugin = scene.plugin;
  return options;
}

Buffer shape_argument() {
  flatbuffers::FlatBufferBuilder builder;
  const shape::Point at(1, 2, 3);
  builder.Finish(shape::CreateShapeDirect(builder, "square", 7, &at));
  return Buffer(builder.GetBufferPointer(), builder.GetBufferPointer() + builder.GetSize());
}

}  // namespace

fs::path variant_file(std::string_view variant, std::string_view plugin) {
  return build_dir() / "tests" / "swap_plugins" / variant / (std::string(plugin) + ".so");
}

std::string read_file(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  if (!in) {
    throw std::runtime_error("cannot read " + file.string());
  }
  return std::string((std::istreambuf_iterator<char>(in)), {});
}

void write_file(const fs::path& file, std::string_view bytes) {
  std::ofstream out(file, std::ios::binary | std::ios::trunc);
  out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  if (!out.flush()) {
    throw std::runtime_error("cannot write " + file.string());
  }
}

void replace_file(const fs::path& file, std::string_view bytes) {
  const fs::path beside = file.string() + ".new";
  write_file(beside, bytes);
  fs::rename(beside, file);
}

std::string stamped_probe(std::uint64_t stamp) {
  std::string bytes = read_file(variant_file("probe_1_again"));
  if (!write_stamp(bytes, stamp)) {
    throw std::runtime_error("the probe has not one place for a stamp");
  }
  return bytes;
}

bool eventually(const std::function<bool()>& holds, std::chrono::milliseconds timeout) {
  const auto end = std::chrono::steady_clock::now() + timeout;
  while (!holds()) {
    if (std::chrono::steady_clock::now() > end) {
      return false;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return true;
}

Buffer ask(std::uint64_t sequence, std::string_view payload) {
  flatbuffers::FlatBufferBuilder builder(payload.size() + 64);
  const auto data =
      payload.empty() ? 0 : builder.CreateVector(reinterpret_cast<const std::uint8_t*>(payload.data()), payload.size());
  builder.Finish(probe::CreateAsk(builder, sequence, data));
  return Buffer(builder.GetBufferPointer(), builder.GetBufferPointer() + builder.GetSize());
}

std::optional<std::uint64_t> stamp_of_answer(Runtime& runtime) {
  const auto answer = runtime.call("probe.tag", ask(0)).and_then(TypedReply<probe::Answer>::verify);
  return answer ? std::optional((*answer)->stamp()) : std::nullopt;
}

std::optional<std::uint32_t> version_of_answer(Runtime& runtime, const CallOptions& options) {
  const auto answer = runtime.call("probe.tag", ask(0), options).and_then(TypedReply<probe::Answer>::verify);
  return answer ? std::optional((*answer)->version()) : std::nullopt;
}

Buffer sleep_for(std::uint64_t duration_ms) {
  flatbuffers::FlatBufferBuilder builder;
  builder.Finish(probe::CreateSleep(builder, duration_ms));
  return Buffer(builder.GetBufferPointer(), builder.GetBufferPointer() + builder.GetSize());
}

std::optional<std::uint32_t> version_of(const Reply& reply) {
  const auto answer = TypedReply<probe::Answer>::verify(reply);
  return answer ? std::optional((*answer)->version()) : std::nullopt;
}

std::vector<std::string> mapped_lines(Runtime& runtime) {
  flatbuffers::FlatBufferBuilder builder;
  builder.Finish(CreateEmpty(builder));
  const auto mapped = runtime.call<probe::Mapped>("probe.where", builder);
  std::vector<std::string> lines;
  if (mapped && (*mapped)->lines() != nullptr) {
    for (const auto* line : *(*mapped)->lines()) {
      lines.push_back(line->str());
    }
  }
  return lines;
}

// -- events ---------------------------------------------------------------------------------------

EventLog::EventLog(Runtime& runtime)
    : subscription_(runtime.on_event([this](const SwapEvent& event) {
        const std::lock_guard lock(mutex_);
        events_.push_back(event);
      })) {}

std::vector<SwapEvent> EventLog::all() const {
  const std::lock_guard lock(mutex_);
  return events_;
}

std::size_t EventLog::count(SwapEvent::Kind kind) const {
  const std::lock_guard lock(mutex_);
  return static_cast<std::size_t>(
      std::count_if(events_.begin(), events_.end(), [&](const SwapEvent& event) { return event.kind == kind; }));
}

std::optional<SwapEvent> EventLog::wait_for(SwapEvent::Kind kind) const {
  if (!eventually([&] { return count(kind) > 0; })) {
    return std::nullopt;
  }
  const auto events = all();
  return *std::find_if(events.begin(), events.end(), [&](const SwapEvent& event) { return event.kind == kind; });
}

std::string EventLog::text() const {
  std::string text;
  for (const SwapEvent& event : all()) {
    text += std::string(swap_event_name(event.kind)) + " " + event.plugin + " " + event.version + " generation " +
            std::to_string(event.generation) + ": " + event.message + "\n";
  }
  return text;
}

// -- callers --------------------------------------------------------------------------------------

Callers::Callers(Runtime& runtime, std::set<std::uint32_t> allowed_versions, Options options)
    : runtime_(runtime), options_(std::move(options)), allowed_(std::move(allowed_versions)) {
  for (unsigned i = 0; i < options_.threads; ++i) {
    threads_.emplace_back([this] { run(); });
  }
}

void Callers::run() {
  while (!stop_) {
    call_once(++sequence_);
    // The callers must leave time for the swap: their calls are continuous, but not many.
    std::this_thread::sleep_for(std::chrono::microseconds(200));
  }
}

void Callers::call_once(std::uint64_t sequence) {
  std::uint32_t version = 0;
  if (options_.plugin == "shape") {
    const auto measured =
        runtime_.call("shape.measure", shape_argument(), options_.call).and_then(TypedReply<shape::Measured>::verify);
    if (!measured) {
      return note("call " + std::to_string(sequence) + ": " + measured.error().to_string());
    }
    version = (*measured)->version();
  } else {
    const auto answer = runtime_.call("probe.tag", ask(sequence, "a payload"), options_.call)
                            .and_then(TypedReply<probe::Answer>::verify);
    if (!answer) {
      return note("call " + std::to_string(sequence) + ": " + answer.error().to_string());
    }
    const std::string payload = "a payload";
    const std::span bytes(reinterpret_cast<const std::uint8_t*>(payload.data()), payload.size());
    if ((*answer)->sequence() != sequence || (*answer)->checksum() != checksum(sequence, bytes)) {
      return note("call " + std::to_string(sequence) + " was answered wrongly, by version " +
                  std::to_string((*answer)->version()));
    }
    version = (*answer)->version();
  }
  const std::lock_guard lock(mutex_);
  ++answers_[version];
  if (!allowed_.contains(version) && wrong_.empty()) {
    wrong_ = "call " + std::to_string(sequence) + " was answered by version " + std::to_string(version);
  }
}

void Callers::note(std::string text) {
  const std::lock_guard lock(mutex_);
  if (wrong_.empty()) {
    wrong_ = std::move(text);
  }
}

void Callers::allow(std::set<std::uint32_t> versions) {
  const std::lock_guard lock(mutex_);
  allowed_ = std::move(versions);
}

std::uint64_t Callers::answers(std::uint32_t version) const {
  const std::lock_guard lock(mutex_);
  const auto found = answers_.find(version);
  return found == answers_.end() ? 0 : found->second;
}

bool Callers::wait_for_answers(std::uint32_t version, std::uint64_t more) {
  const std::uint64_t enough = answers(version) + more;
  return eventually([&] { return answers(version) >= enough; });
}

std::string Callers::wrong() const {
  const std::lock_guard lock(mutex_);
  return wrong_;
}

void Callers::stop() {
  stop_ = true;
  for (std::thread& thread : threads_) {
    thread.join();
  }
  threads_.clear();
}

// -- the scene ------------------------------------------------------------------------------------

Scene::Scene(SceneOptions options)
    : plugin(options.plugin),
      runtime(start(options, directory)),
      events(runtime),
      callers(runtime, {1}, callers_of(options)) {
  (void)stats_of_all_workers(runtime);
  REQUIRE(callers.wait_for_answers(1, 20));
  descriptors_ = open_descriptors();
}

fs::path Scene::place_for(std::string_view name) const {
  fs::create_directories(directory / "versions" / name);
  return directory / "versions" / name / (plugin + ".so");
}

GenerationInfo Scene::current() const {
  return newest(GenerationState::kCurrent).value_or(GenerationInfo{});
}

std::optional<GenerationInfo> Scene::newest(GenerationState state) const {
  for (const GenerationInfo& generation : runtime.generations()) {
    if (generation.plugin == plugin && generation.state == state) {
      return generation;
    }
  }
  return std::nullopt;
}

std::string Scene::generations_text() const {
  std::string text;
  for (const GenerationInfo& generation : runtime.generations()) {
    text += std::to_string(generation.number) + " " + generation.plugin + " " + generation.version + " " +
            std::string(generation_state_name(generation.state)) + " workers " + std::to_string(generation.workers) +
            " calls " + std::to_string(generation.calls) + " failed " + std::to_string(generation.failed) +
            " crashed " + std::to_string(generation.crashed) + ": " + generation.reason + "\n";
  }
  return text;
}

void Scene::check_serves_on(const Error& error, ErrorCode code, const std::vector<std::string>& words) {
  const auto refused = events.wait_for(SwapEvent::Kind::kRefused);
  INFO(error.to_string() << "\nevents:\n" << events.text() << "generations:\n" << generations_text());
  CHECK(error.code == code);
  REQUIRE(refused.has_value());
  for (const std::string& word : words) {
    CAPTURE(word);
    CHECK(error.message.find(word) != std::string::npos);
    CHECK(refused->message.find(word) != std::string::npos);
  }
  CHECK(current().number != 0);
  CHECK(current().version == "1.0.0");
  CHECK(events.count(SwapEvent::Kind::kSwitched) == 0);
  CHECK(callers.wait_for_answers(1, 20));
  CHECK(callers.wrong() == "");
}

void Scene::end() {
  callers.stop();
  // Workers of retired versions may take a moment to exit.
  const bool retired = eventually([&] {
    const auto generations = runtime.generations();
    return std::all_of(generations.begin(), generations.end(), [](const GenerationInfo& generation) {
      return generation.state == GenerationState::kCurrent || generation.workers == 0;
    });
  });
  const bool processes_gone = eventually([&] { return children().size() <= runtime.stats().workers.size(); });
  // The file of the previous version stays open, for a rollback; files of earlier versions are
  // closed.
  const bool descriptors_closed = eventually([&] { return open_descriptors() <= descriptors_ + 1; });
  const std::string current_sha256 = current().sha256;
  const bool old_code_gone = eventually([&] {
    const auto pids = children();
    return std::none_of(pids.begin(), pids.end(), [&](std::int64_t pid) {
      const auto lines = memory_map(pid);
      return std::any_of(lines.begin(), lines.end(), [&](const std::string& line) {
        return line.find("/" + plugin + ".so") != std::string::npos && line.find(current_sha256) == std::string::npos;
      });
    });
  });
  INFO("events:\n"
       << events.text() << "generations:\n"
       << generations_text() << "descriptors: " << open_descriptors() << ", before: " << descriptors_
       << "; processes: " << children().size());
  CHECK(callers.wrong() == "");
  CHECK(retired);
  CHECK(processes_gone);
  CHECK(descriptors_closed);
  CHECK(old_code_gone);
}

}  // namespace tenon::test
