/// swap/initial_catalog.hpp: the versions that a runtime which can swap starts with.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <tenon/catalog.hpp>

#include "plugin/plugin_state.hpp"
#include "plugin/served_file.hpp"
#include "swap/candidate.hpp"

namespace tenon::internal {

/// One plugin that a runtime starts with.
struct InitialPlugin {
  /// Its file in the plugin directories; where it has none, what it was staged from.
  std::filesystem::path file;
  /// What the current content was staged from.
  std::filesystem::path source;
  /// Of `file` and its libraries, when they were read; absent: not known, so that it counts as changed.
  std::optional<PluginState> seen;
  /// The content of `file`; empty when it is not known.
  std::string file_sha256;
  /// The content of `file` on which the host or a person last decided: another one is still to be taken by a watch.
  std::string decided_sha256;
  /// The staged copy; null when the plugin cannot be used.
  ServedFileRef served;
  /// Why the current content is current.
  std::string why;
  bool forced = false;
  /// What it can be rolled back to, the latest last.
  std::vector<ServedVersion> past;
  /// What is to be told of it: that it cannot be used, or that another content than its file's is served, and why.
  /// Empty: nothing.
  std::string note;
};

/// A catalog whose usable plugins are copies in a store.
struct StagedCatalog {
  Catalog catalog;
  /// By name, also those that cannot be used.
  std::map<std::string, InitialPlugin> plugins;
  /// Where plugins are looked for, in order.
  std::vector<std::filesystem::path> directories;
};

/// Whether a file lies in one of the directories, by its path. [any-thread]
[[nodiscard]] bool lies_in(const std::vector<std::filesystem::path>& directories, const std::filesystem::path& file);

/// Stages what a catalog has found, and what the host's records say was current. A plugin that cannot be staged, or
/// whose content must not be loaded while no earlier one is there, is listed with that problem; the others can be used.
/// `directories` empty: those of the catalog's files. Takes as long as to copy and hash what the store does not have.
/// [any-thread]
[[nodiscard]] StagedCatalog stage_catalog(const Candidates& candidates, const Catalog& catalog,
                                          std::vector<std::filesystem::path> directories);

}  // namespace tenon::internal
