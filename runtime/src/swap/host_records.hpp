/// swap/host_records.hpp: what this runtime remembers of its plugins across restarts.
#pragma once

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <tenon/error.hpp>

#include "plugin/store.hpp"

namespace tenon::internal {

/// The records of one runtime in the store. A runtime without a name (HotSwapOptions::instance) goes by its program and
/// the plugin file in question: its records only keep rolled back contents away. Immutable; [any-thread]
class HostRecords {
 public:
  /// `watches`: the runtime takes changed plugin files by itself.
  HostRecords(Store store, std::string instance, bool watches);

  /// Whether the next start begins with what is current, whatever the plugin files hold.
  [[nodiscard]] bool restores() const noexcept { return !instance_.empty(); }
  [[nodiscard]] bool watches() const noexcept { return watches_; }

  /// The record of a plugin whose file is `file`; nullopt when there is none.
  [[nodiscard]] std::optional<ServiceRecord> find(const std::string& plugin, const std::filesystem::path& file) const;
  /// All records, where restores().
  [[nodiscard]] std::vector<ServiceRecord> all() const;
  /// Replaces the record; `host` of it is filled in. A store that cannot be written costs the next start what it would
  /// have known, and nothing else.
  void remember(ServiceRecord record, const std::filesystem::path& file) const;

  /// Keeps a content from coming back: a person rolled back from it. Errors: kIo.
  [[nodiscard]] Result<void> roll_back(const ServedVersion& version, const std::string& plugin,
                                       const std::filesystem::path& file, const std::string& reason) const;
  /// Why the content is kept away; nullopt when it is not.
  [[nodiscard]] std::optional<QuarantineRecord> rolled_back(const std::string& sha256,
                                                            const std::filesystem::path& file) const;
  /// Lets a content in again, as a person forced it.
  void let_in(const std::string& sha256, const std::filesystem::path& file) const;

 private:
  [[nodiscard]] std::string name(const std::filesystem::path& file) const;

  Store store_;
  std::string instance_;
  std::string program_;
  bool watches_;
};

/// "2026-03-01 12:00:00 UTC". [any-thread]
[[nodiscard]] std::string date_text(std::chrono::system_clock::time_point time);

}  // namespace tenon::internal
