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

/// The records of one runtime in the store. A runtime without a name (HotSwapOptions::instance) is
/// identified by its program and the plugin file; its records only keep rolled-back contents from
/// being loaded. Immutable; [any-thread]
class HostRecords {
 public:
  /// `watches`: the runtime swaps changed plugin files by itself.
  HostRecords(Store store, std::string instance, bool watches);

  /// Whether the next start uses the versions that are current now, whatever the plugin files
  /// contain.
  [[nodiscard]] bool restores() const noexcept { return !instance_.empty(); }
  [[nodiscard]] bool watches() const noexcept { return watches_; }

  /// The record of a plugin whose file is `file`; nullopt if there is none.
  [[nodiscard]] std::optional<ServiceRecord> find(const std::string& plugin, const std::filesystem::path& file) const;
  /// All records; empty unless restores().
  [[nodiscard]] std::vector<ServiceRecord> all() const;
  /// Replaces the record; its `host` is filled in. If the store cannot be written, only the next
  /// start lacks this record.
  void remember(ServiceRecord record, const std::filesystem::path& file) const;

  /// Records that a person rolled back from a content, so that it does not come back. Errors: kIo.
  [[nodiscard]] Result<void> roll_back(const ServedVersion& version, const std::string& plugin,
                                       const std::filesystem::path& file, const std::string& reason) const;
  /// Why the content must not come back; nullopt if it may.
  [[nodiscard]] std::optional<QuarantineRecord> rolled_back(const std::string& sha256,
                                                            const std::filesystem::path& file) const;
  /// Allows a content again, because a person forced it.
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
