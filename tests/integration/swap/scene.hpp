/// A runtime that serves one version of a plugin while a test tries to swap it, with callers that
/// check each result, a record of all events, and a final check for leaks.
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

/// Returns the file of a variant from plugins/CMakeLists.txt.
[[nodiscard]] std::filesystem::path variant_file(std::string_view variant, std::string_view plugin = "probe");
[[nodiscard]] std::string read_file(const std::filesystem::path& file);
/// Writes a file in place, which also changes existing mappings of it.
void write_file(const std::filesystem::path& file, std::string_view bytes);
/// Writes a new file beside it and renames it.
void replace_file(const std::filesystem::path& file, std::string_view bytes);
/// Returns a probe of version 1 with a stamp.
[[nodiscard]] std::string stamped_probe(std::uint64_t stamp);
/// Polls a condition; returns false if it does not hold within a time that only a hang exceeds.
[[nodiscard]] bool eventually(const std::function<bool()>& holds,
                              std::chrono::milliseconds timeout = std::chrono::seconds(60));

/// Returns an argument of probe.tag.
[[nodiscard]] Buffer ask(std::uint64_t sequence, std::string_view payload = {});

/// Returns the stamp of the current version; nullopt if the call fails.
[[nodiscard]] std::optional<std::uint64_t> stamp_of_answer(Runtime& runtime);
/// Returns the version that runs a call; nullopt if the call fails.
[[nodiscard]] std::optional<std::uint32_t> version_of_answer(Runtime& runtime, const CallOptions& options = {});

/// Returns an argument of probe.sleep.
[[nodiscard]] Buffer sleep_for(std::uint64_t duration_ms);
/// Returns the version in a result; nullopt if the result is not valid.
[[nodiscard]] std::optional<std::uint32_t> version_of(const Reply& reply);
/// Returns what probe.where finds in the memory map of its worker.
[[nodiscard]] std::vector<std::string> mapped_lines(Runtime& runtime);

/// Records all events of a runtime.
class EventLog {
 public:
  explicit EventLog(Runtime& runtime);
  [[nodiscard]] std::vector<SwapEvent> all() const;
  [[nodiscard]] std::size_t count(SwapEvent::Kind kind) const;
  /// Waits for the first event of a kind; nullopt if none comes.
  [[nodiscard]] std::optional<SwapEvent> wait_for(SwapEvent::Kind kind) const;
  /// Returns one line for each event.
  [[nodiscard]] std::string text() const;

 private:
  mutable std::mutex mutex_;
  std::vector<SwapEvent> events_;
  EventSubscription subscription_;
};

/// Threads that continuously call an idempotent task of the plugin and check each result.
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

  /// Accepts results of these versions from now on.
  void allow(std::set<std::uint32_t> versions);
  [[nodiscard]] std::uint64_t answers(std::uint32_t version) const;
  /// Waits until a version has given `more` further results.
  [[nodiscard]] bool wait_for_answers(std::uint32_t version, std::uint64_t more);
  /// Returns the first error so far.
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

  /// The file that the catalog was opened with: the first version, until a test changes it.
  [[nodiscard]] std::filesystem::path file() const { return directory / "plugins" / (plugin + ".so"); }
  /// Returns a separate directory for another file with the plugin's name.
  [[nodiscard]] std::filesystem::path place_for(std::string_view name) const;
  [[nodiscard]] std::filesystem::path store() const { return directory / "store"; }
  /// Returns the generation that receives calls.
  [[nodiscard]] GenerationInfo current() const;
  /// Returns the newest generation in a state; nullopt if there is none.
  [[nodiscard]] std::optional<GenerationInfo> newest(GenerationState state) const;
  [[nodiscard]] std::string generations_text() const;

  /// Checks that the first version keeps serving, and that an event reports the refusal with each
  /// of `words`. Makes Catch2 assertions.
  void check_serves_on(const Error& error, ErrorCode code, const std::vector<std::string>& words);
  /// Stops the callers, and checks that all their results were correct and that nothing remains of
  /// the tried versions: no process, no descriptor, no mapping. Makes Catch2 assertions.
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
