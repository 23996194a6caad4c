/// A runtime that serves one version of a plugin while a test tries to swap it: with callers who check each answer, a
/// record of all events, and at the end a look at what is left.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <tenon/runtime.hpp>

#include "tenon_test/temporary_directory.hpp"

namespace tenon::test {

/// The file of a variant of plugins/CMakeLists.txt.
[[nodiscard]] std::filesystem::path variant_file(std::string_view variant, std::string_view plugin = "probe");
[[nodiscard]] std::string read_file(const std::filesystem::path& file);
/// Writes a file in place: what others have mapped of it changes.
void write_file(const std::filesystem::path& file, std::string_view bytes);
/// Writes it beside and renames it.
void replace_file(const std::filesystem::path& file, std::string_view bytes);
/// A probe of version 1 with a stamp.
[[nodiscard]] std::string stamped_probe(std::uint64_t stamp);
/// Polls; false when it does not hold within a time that only a hang takes.
[[nodiscard]] bool eventually(const std::function<bool()>& holds,
                              std::chrono::milliseconds timeout = std::chrono::seconds(60));

/// An argument of probe.tag.
[[nodiscard]] Buffer ask(std::uint64_t sequence, std::string_view payload = {});

/// Which stamp the current version has; nullopt when the call fails.
[[nodiscard]] std::optional<std::uint64_t> stamp_of_answer(Runtime& runtime);
/// Which version answers; nullopt when the call fails.
[[nodiscard]] std::optional<std::uint32_t> version_of_answer(Runtime& runtime, const CallOptions& options = {});

/// An argument of probe.sleep.
[[nodiscard]] Buffer sleep_for(std::uint64_t duration_ms);
/// The version in an answer; nullopt when it is none.
[[nodiscard]] std::optional<std::uint32_t> version_of(const Reply& reply);
/// What probe.where finds in the map of its worker.
[[nodiscard]] std::vector<std::string> mapped_lines(Runtime& runtime);

/// All events of a runtime so far.
class EventLog {
 public:
  explicit EventLog(Runtime& runtime);
  [[nodiscard]] std::vector<SwapEvent> all() const;
  [[nodiscard]] std::size_t count(SwapEvent::Kind kind) const;
  /// The first event of a kind, waited for; nullopt when none comes.
  [[nodiscard]] std::optional<SwapEvent> wait_for(SwapEvent::Kind kind) const;
  /// A line each.
  [[nodiscard]] std::string text() const;

 private:
  mutable std::mutex mutex_;
  std::vector<SwapEvent> events_;
  EventSubscription subscription_;
};

/// Threads that call an idempotent task of the plugin all the time and check each answer.
class Callers {
 public:
  struct Options {
    std::string plugin = "probe";
    unsigned threads = 1;
    CallOptions call = {};
  };
  Callers(Runtime& runtime, std::set<std::uint32_t> allowed_versions, Options options);
  Callers(const Callers&) = delete;
  Callers& operator=(const Callers&) = delete;
  ~Callers() { stop(); }

  /// Answers of these versions are right from now on.
  void allow(std::set<std::uint32_t> versions);
  [[nodiscard]] std::uint64_t answers(std::uint32_t version) const;
  /// Waits until a version has given so many more answers.
  [[nodiscard]] bool wait_for_answers(std::uint32_t version, std::uint64_t more);
  /// What was wrong so far, the first of it.
  [[nodiscard]] std::string wrong() const;
  void stop();

 private:
  void run();
  void call_once(std::uint64_t sequence);
  void note(std::string text);

  Runtime& runtime_;
  const Options options_;
  std::atomic<bool> stop_ = false;
  std::atomic<std::uint64_t> sequence_ = 0;
  mutable std::mutex mutex_;
  std::set<std::uint32_t> allowed_;
  std::map<std::uint32_t, std::uint64_t> answers_;
  std::string wrong_;
  std::vector<std::thread> threads_;
};

struct SceneOptions {
  std::string plugin = "probe";
  std::string variant = "probe_1";
  unsigned workers = 2;
  HotSwapOptions hot_swap = {};
  std::chrono::milliseconds cancel_grace = RuntimeOptions().cancel_grace;
  Callers::Options callers = {};
};

class Scene {
 public:
  explicit Scene(SceneOptions options = {});

  /// The file that the catalog was opened on; the first version's, until a test changes it.
  [[nodiscard]] std::filesystem::path file() const { return directory / "plugins" / (plugin + ".so"); }
  /// A directory of its own for another file of the plugin's name.
  [[nodiscard]] std::filesystem::path place_for(std::string_view name) const;
  [[nodiscard]] std::filesystem::path store() const { return directory / "store"; }
  /// The generation that calls go to.
  [[nodiscard]] GenerationInfo current() const;
  /// The newest generation in a state; nullopt when there is none.
  [[nodiscard]] std::optional<GenerationInfo> newest(GenerationState state) const;
  [[nodiscard]] std::string generations_text() const;

  /// Checks that the first version serves on, as it did, and that a refusal is told in an event that has each of
  /// `words`. Catch2 assertions.
  void check_serves_on(const Error& error, ErrorCode code, const std::vector<std::string>& words);
  /// Ends the callers and checks that all of their answers were right and that nothing is left of what was tried: no
  /// process, no descriptor, no mapping. Catch2 assertions.
  void end();

  const std::string plugin;
  TemporaryDirectory directory;
  Runtime runtime;
  EventLog events;
  Callers callers;

 private:
  std::size_t descriptors_ = 0;
};

}  // namespace tenon::test
