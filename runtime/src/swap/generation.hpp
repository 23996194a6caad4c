/// swap/generation.hpp: one version of one plugin in one runtime, as its calls know it.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <utility>

#include <tenon/catalog.hpp>
#include <tenon/internal/shared_object.hpp>

#include "base/clock.hpp"
#include "plugin/served_file.hpp"

namespace tenon::internal {

/// Counts the calls that ended on a generation, and how long they ran. Guarded by the scheduler's
/// lock.
class GenerationCounts {
 public:
  /// `run_ns` is the run time of one of the calls; 0 if it is not known.
  void add(std::uint64_t ended, std::uint64_t failed, std::int64_t run_ns) noexcept {
    calls_ += ended;
    failed_ += failed;
    if (run_ns > 0) {
      run_ns_[next_++ % run_ns_.size()] = run_ns;
    }
  }
  void add_crash() noexcept {
    ++calls_;
    ++crashed_;
  }
  void add_idle_death() noexcept { ++idle_deaths_; }
  /// Whether another generation of the plugin is current now.
  [[nodiscard]] bool replaced() const noexcept { return replaced_; }
  void set_replaced(bool replaced) noexcept { replaced_ = replaced; }
  /// Whether no call may start on it any more.
  [[nodiscard]] bool retired() const noexcept { return retired_; }
  void set_retired() noexcept { retired_ = true; }
  [[nodiscard]] std::uint64_t calls() const noexcept { return calls_; }
  [[nodiscard]] std::uint64_t failed() const noexcept { return failed_; }
  [[nodiscard]] std::uint64_t crashed() const noexcept { return crashed_; }
  [[nodiscard]] std::uint64_t idle_deaths() const noexcept { return idle_deaths_; }
  /// The 99th percentile of the latest `run_ns` values; 0 before the first.
  [[nodiscard]] std::int64_t p99_ns() const;

 private:
  bool replaced_ = false;
  bool retired_ = false;
  std::uint64_t calls_ = 0;
  std::uint64_t failed_ = 0;
  std::uint64_t crashed_ = 0;
  std::uint64_t idle_deaths_ = 0;
  std::uint64_t next_ = 0;
  std::array<std::int64_t, 512> run_ns_{};
};

/// Its routes and calls keep it alive, so its content is available until the last of them is gone.
class Generation final : public SharedObject {
 public:
  Generation(std::uint64_t generation_number, std::shared_ptr<const PluginInfo> plugin_info, ServedFileRef served,
             std::chrono::milliseconds longest_load = PluginLimits{}.start_timeout);

  /// The served file with this hash: its own, or one of its libraries; null if there is none.
  [[nodiscard]] ServedFileRef file_of(std::string_view sha256) const;

  /// Whether no process can load both, because they need different contents of a library with the
  /// same name.
  [[nodiscard]] bool clashes_with(const Generation& other) const noexcept;

  /// Unique in the runtime, ascending.
  const std::uint64_t number;
  const MonotonicNs made_ns = monotonic_now_ns();
  const std::shared_ptr<const PluginInfo> plugin;
  /// The file that workers load. Null only in tests without workers.
  const ServedFileRef file;
  const bool has_libraries;  ///< Whether it has libraries of its own.
  /// How long a worker may take to load it, by its plugin's limits or the options of the swap that
  /// made it.
  const std::chrono::milliseconds load_limit;
  mutable GenerationCounts counts;
};
using GenerationRef = Shared<const Generation>;

}  // namespace tenon::internal
