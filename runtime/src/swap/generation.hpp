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

/// What becomes of a generation: what ended on it, and how long that ran. Guarded by the scheduler's lock.
class GenerationCounts {
 public:
  /// `run_ns` is what one of the calls took; 0 when it is not known.
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
  /// Whether nothing is to run on it any more.
  [[nodiscard]] bool retired() const noexcept { return retired_; }
  void set_retired() noexcept { retired_ = true; }
  [[nodiscard]] std::uint64_t calls() const noexcept { return calls_; }
  [[nodiscard]] std::uint64_t failed() const noexcept { return failed_; }
  [[nodiscard]] std::uint64_t crashed() const noexcept { return crashed_; }
  [[nodiscard]] std::uint64_t idle_deaths() const noexcept { return idle_deaths_; }
  /// Of the latest `run_ns` values; 0 before the first.
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

/// Its routes hold it, and so do its calls: the content is to be had until the last has gone.
class Generation final : public SharedObject {
 public:
  Generation(std::uint64_t generation_number, std::shared_ptr<const PluginInfo> plugin_info, ServedFileRef served,
             std::chrono::milliseconds longest_load = PluginLimits{}.start_timeout);

  /// The served file that has this hash: its own, or that of one of its libraries; null when there is none.
  [[nodiscard]] ServedFileRef file_of(std::string_view sha256) const;

  /// Whether no process can have both: each needs another content of a library of the same name.
  [[nodiscard]] bool clashes_with(const Generation& other) const noexcept;

  /// Unique in the runtime, rising.
  const std::uint64_t number;
  const MonotonicNs made_ns = monotonic_now_ns();
  const std::shared_ptr<const PluginInfo> plugin;
  /// What workers load. Null only in tests without workers.
  const ServedFileRef file;
  const bool has_libraries;  ///< Of its own.
  /// How long a worker may take to load it: what its plugin's limits, or the swap that made it, allow.
  const std::chrono::milliseconds load_limit;
  mutable GenerationCounts counts;
};
using GenerationRef = Shared<const Generation>;

}  // namespace tenon::internal
