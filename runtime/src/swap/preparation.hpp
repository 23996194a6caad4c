/// swap/preparation.hpp: the steps of one swap that take time, on a thread of their own: stage, inspect, conform,
/// warm.
#pragma once

#include <chrono>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <tenon/swap.hpp>

#include "base/guarded.hpp"
#include "platform/reactor/poller.hpp"
#include "platform/thread.hpp"
#include "swap/services.hpp"

namespace tenon::internal {

struct PreparationOrder {
  std::string plugin;
  /// What is staged.
  std::filesystem::path file;
  /// What the record names: where the version came from first.
  std::filesystem::path source;
  /// Empty: any.
  std::string expected_version;
  SwapOptions options;
  /// The version that is current; null when the plugin is new.
  std::shared_ptr<const PluginInfo> current;
  /// The file was named by its path: `force` then overrides a quarantine too.
  bool named_file = false;
  /// The plugin's file in the plugin directories.
  std::filesystem::path own_file;
  /// Goes back: no break of the schema is a reason to refuse.
  bool rolls_back = false;
  /// An earlier generation that only has to be warmed again; null otherwise.
  GenerationRef earlier;
};

struct PreparationResult {
  enum class Kind : std::uint8_t {
    kReady,      ///< `generation` is warm.
    kUnchanged,  ///< The content is the current version's.
    kRefused,    ///< `error` says why. A generation there is has to be retired.
  };
  Kind kind = Kind::kRefused;
  Error error;
  std::shared_ptr<const PluginInfo> plugin;  ///< Null when it was refused before its examination.
  std::string sha256;                        ///< Empty when it was not staged.
  GenerationRef generation;
  GenerationRecords::Id record = 0;  ///< 0: none was made.
  /// Breaks of the schema that did not count.
  std::vector<std::string> breaks;
  /// Why the content was not to be loaded, which was overridden; empty: it was to be loaded.
  std::string objection;
  bool quarantined = false;
  /// The quarantine is this host's own: a person turned the version back.
  bool kept_away = false;
  std::chrono::nanoseconds staged{};
  std::chrono::nanoseconds examined{};
  std::chrono::nanoseconds warmed{};
};

/// One preparation. Its owner is one thread.
class Preparation {
 public:
  /// Begins. `services.wake` is called at the end. Errors: kUnavailable no more threads or descriptors.
  [[nodiscard]] static Result<std::unique_ptr<Preparation>> start(SwapServices& services, PreparationOrder order);
  /// Cancels and waits for the end.
  ~Preparation();

  /// Has it end as kCancelled as soon as it can. Does not wait.
  void cancel();
  /// The result, once; nullopt as long as there is none.
  [[nodiscard]] std::optional<PreparationResult> take();

 private:
  Preparation(SwapServices& services, PreparationOrder order, EventBell cancelled);
  void run();
  void prepare(PreparationResult& result);
  [[nodiscard]] std::chrono::milliseconds step_timeout() const;
  [[nodiscard]] std::optional<Error> stage_and_examine(PreparationResult& result);
  [[nodiscard]] std::optional<Error> conform(PreparationResult& result) const;
  [[nodiscard]] std::optional<Error> warm(PreparationResult& result);

  struct Shared {
    bool cancelled = false;
    GenerationRef warming;
    std::optional<PreparationResult> result;
  };
  SwapServices& services_;
  const PreparationOrder order_;
  const EventBell cancelled_;
  Guarded<Shared> shared_;
  Thread thread_;
};

}  // namespace tenon::internal
