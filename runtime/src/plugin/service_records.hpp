/// plugin/service_records.hpp: what each host serves, so that its next start serves it again.
///
///   const ServiceRecords records(store_directory / "hosts");
///   records.remember({.host = "serve /run/user/1000/tenon.sock", .plugin = "image", .current = ...});
///   if (auto record = records.find(host, "image")) serve(record->current);
///
/// A file on disk does not say what is current: another file may have been swapped in, or its content was rolled back.
#pragma once

#include <chrono>
#include <cstddef>
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
};

/// What one host serves of one plugin.
struct ServiceRecord {
  /// Names the host across its restarts.
  std::string host;
  std::string plugin;
  ServedVersion current;
  /// Why `current` is current, in one line.
  std::string why;
  /// To the millisecond.
  std::chrono::system_clock::time_point since;
  /// A person made it current although it is in quarantine.
  bool forced = false;
  /// The plugin's file in the host's plugin directories; empty when it had none there.
  std::filesystem::path file;
  /// The content of it on which the host or a person last decided; empty: none.
  std::string file_sha256;
  /// The way back, the latest last.
  std::vector<ServedVersion> past;
};

/// A directory with a directory for each host. Several processes may use it at once; of two hosts of one name, the last
/// word counts. [any-thread]
class ServiceRecords {
 public:
  /// The directory must be there. `max_rolled_back`: contents that one host keeps as rolled back.
  ServiceRecords(std::filesystem::path directory, std::size_t max_rolled_back)
      : directory_(std::move(directory)), max_rolled_back_(max_rolled_back) {}

  /// Replaces the record of a host's plugin. Errors: kInvalidArgument no SHA-256 or no plugin name; kIo.
  [[nodiscard]] Result<void> remember(const ServiceRecord& record) const;
  /// nullopt when there is none. A record that is broken counts as none.
  [[nodiscard]] std::optional<ServiceRecord> find(const std::string& host, const std::string& plugin) const;
  /// All records of one host, by plugin.
  [[nodiscard]] std::vector<ServiceRecord> of(const std::string& host) const;
  /// The contents that hosts need for their next start: what is current, and the version before it.
  [[nodiscard]] std::set<std::string> needed() const;

  /// The contents that persons rolled a host back from. They are not loaded by that host again unless a person lifts
  /// the record or forces them; other hosts are not concerned.
  [[nodiscard]] Quarantine rolled_back(const std::string& host) const;
  /// Those of all hosts.
  [[nodiscard]] std::vector<Quarantine> all_rolled_back() const;

  /// Says that the host is still there, so that sweep() spares it.
  void touch(const std::string& host) const;
  /// Removes hosts that have not been there for three months, and what killed writers left behind.
  void sweep() const;

 private:
  [[nodiscard]] std::filesystem::path place_of(const std::string& host) const;
  std::filesystem::path directory_;
  std::size_t max_rolled_back_;
};

}  // namespace tenon::internal
