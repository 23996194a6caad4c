/// swap/preparation.hpp: the steps of one swap that take time, on a thread of their own: stage,
/// inspect, conform, warm up.
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
  /// The file to stage.
  std::filesystem::path file;
  /// Where the version came from first; the record names it.
  std::filesystem::path source;
  /// Empty for any version.
  std::string expected_version;
  SwapOptions options;
  /// The current version; null if the plugin is new.
  std::shared_ptr<const PluginInfo> current;
  /// The file was named by its path: `force` then overrides a quarantine too.
  bool named_file = false;
  /// The plugin's file in the plugin directories.
  std::filesystem::path own_file;
  /// A roll-back: breaks of the schema are no reason to refuse.
  bool rolls_back = false;
  /// An earlier generation that only has to be warmed up again; null otherwise.
  GenerationRef earlier;
};

struct PreparationResult {
  enum class Kind : std::uint8_t {
    kReady,      ///< `generation` is warm.
    kUnchanged,  ///< The content is that of the current version.
    kRefused,    ///< `error` says why. If there is a generation, it must be retired.
  };
  Kind kind = Kind::kRefused;
  Error error;
  std::shared_ptr<const PluginInfo> plugin;  ///< Null if it was refused before it was examined.
  std::string sha256;                        ///< Empty if it was not staged.
  GenerationRef generation;
  GenerationRecords::Id record = 0;  ///< 0 if none was made.
  /// Breaks of the schema that were overridden.
  std::vector<std::string> breaks;
  /// The objection to the content that was overridden; empty if there was none.
  std::string objection;
  /// It was refused because its content is in quarantine or was rolled back, which a person can lift.
  bool objected = false;
  bool quarantined = false;
  /// The objection is this host's own: a person rolled back from the version.
  bool kept_away = false;
  std::chrono::nanoseconds staged{};
  std::chrono::nanoseconds examined{};
  std::chrono::nanoseconds warmed{};
};

/// One preparation. One thread owns it.
class Preparation {
 public:
  /// Starts the thread, which calls `services.wake` at its end. Errors: kUnavailable if no thread
  /// or descriptor is left.
  [[nodiscard]] static Result<std::unique_ptr<Preparation>> start(SwapServices& services, PreparationOrder order);
  /// Cancels and waits for the end.
  ~Preparation();

  /// Makes it end as kCancelled as soon as possible. Does not wait.
  void cancel();
  /// The result, once; nullopt while there is none.
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
