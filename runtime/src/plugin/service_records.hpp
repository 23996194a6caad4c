/// plugin/service_records.hpp: what each host serves, so that it serves the same after a restart.
///
///   const ServiceRecords records(store_directory / "hosts");
///   records.remember({.host = "serve /run/user/1000/tenon.sock", .plugin = "image", .current = ...});
///   if (auto record = records.find(host, "image")) serve(record->current);
///
/// A file on disk does not say what is current: another file may have been swapped in, or its
/// content was rolled back.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <tenon/error.hpp>

#include "plugin/quarantine.hpp"

namespace tenon::internal {

/// One content of one plugin.
struct ServedVersion {
  std::string sha256;
  std::string version;
  /// The plugin file that it came from.
  std::filesystem::path source;

  friend bool operator==(const ServedVersion&, const ServedVersion&) = default;
};

/// The version of one plugin that one host serves.
struct ServiceRecord {
  /// Names the host across its restarts.
  std::string host;
  std::string plugin;
  ServedVersion current;
  /// Why `current` is current, in one line.
  std::string why;
  /// When this record was first written; precise to the millisecond.
  std::chrono::system_clock::time_point since;
  /// Whether a person made it current although it is in quarantine.
  bool forced = false;
  /// The plugin's file in the host's plugin directories; empty if there was none.
  std::filesystem::path file;
  /// The content of that file about which the host or a person last decided; empty if there is
  /// none.
  std::string file_sha256;
  /// The versions to which it can be rolled back, latest last.
  std::vector<ServedVersion> past;

  friend bool operator==(const ServiceRecord&, const ServiceRecord&) = default;
};

/// A directory with a directory for each host. Several processes may use it at once; if two hosts
/// have the same name, the last write wins. [any-thread]
class ServiceRecords {
 public:
  /// The directory must exist. `max_rolled_back` limits the rolled-back contents that are kept for
  /// one host.
  ServiceRecords(std::filesystem::path directory, std::size_t max_rolled_back)
      : directory_(std::move(directory)), max_rolled_back_(max_rolled_back) {}

  /// How a record is written.
  enum class Durability : std::uint8_t {
    kProcess,   ///< It survives the end of the process. A power cut may undo the latest change.
    kPowerCut,  ///< It is on disk when the function returns, which may take 10 ms and more.
  };
  /// Replaces the record of a host's plugin, unless only `since` differs. Errors: kInvalidArgument
  /// for an invalid SHA-256 or plugin name; kIo.
  [[nodiscard]] Result<void> remember(const ServiceRecord& record, Durability durability = Durability::kProcess) const;
  /// nullopt if there is none. A damaged record counts as absent.
  [[nodiscard]] std::optional<ServiceRecord> find(const std::string& host, const std::string& plugin) const;
  /// All records of one host, by plugin.
  [[nodiscard]] std::vector<ServiceRecord> of(const std::string& host) const;
  /// The contents that hosts need for their next start: the current version and the one before it.
  [[nodiscard]] std::set<std::string> needed() const;

  /// The contents from which persons rolled a host back. That host does not load them again unless
  /// a person lifts the record or forces them; other hosts are not affected.
  [[nodiscard]] Quarantine rolled_back(const std::string& host) const;
  /// The same for all hosts.
  [[nodiscard]] std::vector<Quarantine> all_rolled_back() const;

  /// Records that the host is still in use, so that sweep() keeps it.
  void touch(const std::string& host) const;
  /// Removes hosts that have not been used for three months, and files that killed writers left
  /// behind.
  void sweep() const;

 private:
  [[nodiscard]] std::filesystem::path place_of(const std::string& host) const;
  std::filesystem::path directory_;
  std::size_t max_rolled_back_;
};

}  // namespace tenon::internal
