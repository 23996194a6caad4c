/// swap/initial_catalog.hpp: the versions with which a swappable runtime starts.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <tenon/catalog.hpp>

#include "plugin/plugin_fingerprint.hpp"
#include "plugin/served_file.hpp"
#include "swap/candidate.hpp"

namespace tenon::internal {

/// One plugin with which a runtime starts.
struct InitialPlugin {
  /// Its file in the plugin directories; if there is none, the file that it was staged from.
  std::filesystem::path file;
  /// The file that the current content was staged from.
  std::filesystem::path source;
  /// The state of `file` and its libraries when they were read. Absent if it is not known; the file
  /// then counts as changed.
  std::optional<PluginFingerprint> seen;
  /// The content of `file`; empty if it is not known.
  std::string file_sha256;
  /// The version of `file` if its content must not be loaded.
  std::string refused_version;
  /// The content of `file` about which the host or a person last decided. A watch still has to
  /// handle any other content.
  std::string decided_sha256;
  /// The staged copy; null if the plugin cannot be used.
  ServedFileRef served;
  /// Why the current content is current.
  std::string why;
  bool forced = false;
  /// The versions to which it can be rolled back, latest last.
  std::vector<ServedVersion> past;
  /// A message to report: that it cannot be used, or that other content than its file's is served,
  /// and why. Empty if there is nothing to report.
  std::string note;
};

/// A catalog whose usable plugins are copies in a store.
struct StagedCatalog {
  Catalog catalog;
  /// By name, including those that cannot be used.
  std::map<std::string, InitialPlugin> plugins;
  /// The directories that are searched for plugins, in order.
  std::vector<std::filesystem::path> directories;
};

/// Whether a file is in one of the directories, judged by its path. [any-thread]
[[nodiscard]] bool lies_in(const std::vector<std::filesystem::path>& directories, const std::filesystem::path& file);

/// Stages what a catalog has found, and what was current by the host's records. A plugin is listed
/// with a problem if it cannot be staged, or if its content must not be loaded and no earlier
/// version is available; the others can be used. If `directories` is empty, those of the catalog's
/// files are used. Copies and hashes what the store does not have.
/// [any-thread]
[[nodiscard]] StagedCatalog stage_catalog(const Candidates& candidates, const Catalog& catalog,
                                          std::vector<std::filesystem::path> directories);

}  // namespace tenon::internal
