#include "plugin/examiner.hpp"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "base/try.hpp"
#include "platform/environment.hpp"
#include "plugin/file_hash.hpp"
#include "plugin/file_trust.hpp"
#include "plugin/inspector.hpp"
#include "plugin/manifest_reader.hpp"
#include "plugin/own_libraries.hpp"
#include "plugin/plugin_file.hpp"
#include "plugin/plugin_identity.hpp"

namespace tenon::internal {
namespace {

/// How often a file that changes while it is examined is examined again.
constexpr int kMaxLooks = 3;

/// How long a hang is remembered: what the plugin waited for may become available, but not every command that examines
/// the same directory should wait for the time limit.
constexpr std::chrono::seconds kHangLifetime{60};
constexpr std::array<std::string_view, 6> kOfTheShell{"_=", "SHLVL=", "PWD=", "OLDPWD=", "COLUMNS=", "LINES="};

/// Libraries without their hashes.
std::vector<PluginLibrary> without_hashes(std::vector<OwnLibrary> found) {
  std::vector<PluginLibrary> libraries;
  for (OwnLibrary& library : found) {
    libraries.push_back({std::move(library.name), std::move(library.file), {}, library.fixed});
  }
  return libraries;
}

/// The name under which the cache stores the hash of a plugin file for which no directories are searched, as long as
/// LD_LIBRARY_PATH is not set: then only the file decides, and a start need not look into it.
std::filesystem::path alone_name(const std::filesystem::path& file) {
  return file.native() + "\nalone";
}

bool has_search_path() {
  return !get_environment("LD_LIBRARY_PATH").value_or("").empty();
}

bool is_self_contained(const OwnLibraries& found) {
  return found.libraries.empty() && found.directories.empty();
}

/// The name under which the cache stores the hash of a plugin file with these libraries: its identity depends on both.
std::filesystem::path stamp_name(const std::filesystem::path& file, const std::string& list) {
  return list.empty() ? file : std::filesystem::path(file.native() + '\n' + list);
}

/// The states of a plugin's libraries; empty for a missing one.
std::vector<std::optional<FileIdentity>> library_states(const PluginInfo& plugin) {
  std::vector<std::optional<FileIdentity>> states;
  for (const PluginLibrary& library : plugin.libraries) {
    const auto identity = file_identity(library.file);
    states.push_back(identity ? std::optional(*identity) : std::nullopt);
  }
  return states;
}

}  // namespace

Examiner::Examiner(CatalogOptions options, std::filesystem::path worker, std::string worker_hash, CatalogCache cache)
    : options_(std::move(options)),
      worker_(std::move(worker)),
      worker_hash_(std::move(worker_hash)),
      cache_(std::move(cache)) {}

Result<Examiner> Examiner::create(const CatalogOptions& options) {
  TENON_ASSIGN(auto worker, find_worker_executable(options.worker_executable));
  CatalogCache cache(options.cache_dir.empty() ? cache_directory() : options.cache_dir);
  auto identity = file_identity(worker);
  auto hash = identity ? cache.hash_file(worker, *identity) : fail(std::move(identity.error()));
  if (!hash) {
    return fail(ErrorCode::kUnavailable, "tenon-worker cannot be read: " + hash.error().message);
  }
  return Examiner(options, std::move(worker), std::move(*hash), std::move(cache));
}

std::string Examiner::verdict_key(const PluginInfo& plugin) const {
  return plugin.sha256 + " " + plugin.name + " " + worker_hash_;
}

std::string Examiner::hang_key(const PluginInfo& plugin, std::chrono::milliseconds timeout) const {
  std::vector<std::string> entries = environment_entries();
  std::erase_if(entries, [](const std::string& entry) {
    // Variables that a shell changes from one command to the next.
    return std::any_of(kOfTheShell.begin(), kOfTheShell.end(),
                       [&entry](std::string_view name) { return entry.starts_with(name); });
  });
  std::sort(entries.begin(), entries.end());
  std::string text;
  for (const std::string& entry : entries) {
    text += entry + '\0';
  }
  const BytesView bytes(reinterpret_cast<const std::uint8_t*>(text.data()), text.size());
  return verdict_key(plugin) + " hang " + std::to_string(timeout.count()) + " " +
         std::to_string(options_.limits_for(plugin.name).memory_bytes) + " " + sha256_of_bytes(bytes);
}

bool Examiner::recall_identity(PluginInfo& plugin, const FileIdentity& identity) const {
  if (!has_search_path()) {
    if (auto hash = cache_.find_hash(alone_name(plugin.file), identity)) {
      plugin.sha256 = std::move(*hash);
      return true;
    }
  }
  OwnLibraries found = own_libraries(plugin.file);
  const bool self_contained = is_self_contained(found);
  plugin.libraries = without_hashes(std::move(found.libraries));
  for (PluginLibrary& library : plugin.libraries) {
    const auto its_identity = file_identity(library.file);
    auto hash =
        its_identity && has_settled(*its_identity) ? cache_.find_hash(library.file, *its_identity) : std::nullopt;
    if (!hash || !check_plugin_trust(library.file)) {
      return false;
    }
    library.sha256 = std::move(*hash);
  }
  auto hash = cache_.find_hash(stamp_name(plugin.file, library_list(plugin.libraries)), identity);
  if (!hash) {
    return false;
  }
  plugin.sha256 = std::move(*hash);
  if (self_contained) {
    cache_.keep_hash(alone_name(plugin.file), identity, plugin.sha256);
  }
  return true;
}

Result<void> Examiner::identify(PluginInfo& plugin, const FileIdentity& identity) const {
  OwnLibraries found = own_libraries(plugin.file);
  const bool self_contained = is_self_contained(found);
  plugin.libraries = without_hashes(std::move(found.libraries));
  for (PluginLibrary& library : plugin.libraries) {
    if (auto trusted = check_plugin_trust(library.file); !trusted) {
      return trusted;
    }
    const auto its_identity = file_identity(library.file);
    TENON_ASSIGN(auto hash, its_identity ? cache_.hash_file(library.file, *its_identity) : fail(its_identity.error()));
    library.sha256 = std::move(hash);
  }
  const std::string list = library_list(plugin.libraries);
  const std::filesystem::path stamp = stamp_name(plugin.file, list);
  if (auto known = cache_.find_hash(stamp, identity)) {
    plugin.sha256 = std::move(*known);
    return {};
  }
  // Checked before the content is read: any later change will show in the change time.
  const bool settled = has_settled(identity);
  const auto opened = open_for_reading(plugin.file);
  TENON_ASSIGN(auto hash, opened ? plugin_identity(*opened, list) : fail(opened.error()));
  plugin.sha256 = std::move(hash);
  if (settled) {
    cache_.keep_hash(stamp, identity, plugin.sha256);
    if (self_contained) {
      cache_.keep_hash(alone_name(plugin.file), identity, plugin.sha256);
    }
  }
  return {};
}

bool Examiner::recall(PluginInfo& plugin) const {
  const auto before = file_identity(plugin.file);
  PluginInfo found;
  found.name = plugin.name;
  found.file = plugin.file;
  if (!before || !has_settled(*before) || !check_plugin_trust(plugin.file) ||
      !check_plugin_size(plugin.file, *before) || !recall_identity(found, *before)) {
    return false;
  }
  const auto verdict = cache_.find_verdict(verdict_key(found));
  if (!verdict || verdict->problem) {
    return false;
  }
  // A plugin is inspected only after its schema has been read, so the verdict covers the schema too.
  auto manifest = read_manifest(plugin.file, SchemaReading::kAtFirstUse);
  const auto after = file_identity(plugin.file);
  if (!manifest || !after || !(*after == *before)) {
    return false;
  }
  found.version = std::move(manifest->version);
  found.schema = std::move(manifest->parsed_schema);
  found.size_bytes = before->size_bytes;
  found.state = file_state(*before);
  plugin = std::move(found);
  return true;
}

void Examiner::examine(PluginInfo& plugin, const ExamineOptions& options) const {
  const std::string known_hash = std::move(plugin.sha256);
  const std::optional<PluginFileState> known_state = plugin.state;
  const std::vector<PluginLibrary> known_libraries = std::move(plugin.libraries);
  for (int look = 1;; ++look) {
    auto before = file_identity(plugin.file);
    if (!before) {
      plugin.problem = std::move(before.error());
      return;
    }
    plugin.schema.reset();
    plugin.state.reset();
    plugin.sha256.clear();
    if (known_state && file_state(*before) == *known_state) {
      plugin.state = known_state;
      plugin.sha256 = known_hash;
      plugin.libraries = known_libraries;
    } else if (has_settled(*before)) {
      plugin.state = file_state(*before);
    }
    plugin.problem = examine_content(plugin, *before, options);
    const auto after = file_identity(plugin.file);
    if (after && *after == *before) {
      break;
    }
    if (look == kMaxLooks) {
      plugin.problem =
          Error{ErrorCode::kCorrupt, plugin.file.string() + ": the file keeps changing while it is read", {}};
      break;
    }
  }
  if (plugin.problem) {
    plugin.schema.reset();
    plugin.problem->context.plugin = plugin.name + (plugin.version.empty() ? "" : " " + plugin.version);
  }
}

std::optional<Error> Examiner::examine_content(PluginInfo& plugin, const FileIdentity& identity,
                                               const ExamineOptions& options) const {
  plugin.size_bytes = identity.size_bytes;
  if (auto trusted = check_plugin_trust(plugin.file); !trusted) {
    return std::move(trusted.error());
  }
  if (auto checked = check_plugin_size(plugin.file, identity); !checked) {
    return std::move(checked.error());
  }
  if (plugin.sha256.empty()) {
    if (auto identified = identify(plugin, identity); !identified) {
      return std::move(identified.error());
    }
  }
  auto manifest = read_manifest(plugin.file);
  if (!manifest) {
    return std::move(manifest.error());
  }
  plugin.version = manifest->version;
  plugin.schema = std::move(manifest->parsed_schema);
  if (options.admit) {
    if (auto admitted = options.admit(plugin); !admitted) {
      return std::move(admitted.error());
    }
  }
  return inspect(plugin, identity, options);
}

std::optional<Error> Examiner::inspect(const PluginInfo& plugin, const FileIdentity& identity,
                                       const ExamineOptions& options) const {
  const std::string key = verdict_key(plugin);
  if (auto known = cache_.find_verdict(key); known && (!known->problem || options.believe_problems)) {
    return std::move(known->problem);
  }
  const PluginLimits& limits = options_.limits_for(plugin.name);
  const std::chrono::milliseconds timeout = options.inspect_timeout.value_or(limits.start_timeout);
  const std::string time_key = hang_key(plugin, timeout);
  if (options.believe_problems) {
    if (auto known = cache_.find_verdict(time_key); known && known->problem && known->age < kHangLifetime) {
      known->problem->message += " (found " + std::to_string(known->age.count()) + " s ago; it is tried again after " +
                                 std::to_string(kHangLifetime.count()) + " s)";
      return std::move(known->problem);
    }
  }
  std::vector<std::filesystem::path> libraries;
  for (const PluginLibrary& library : plugin.libraries) {
    libraries.push_back(library.file);
  }
  const auto states = library_states(plugin);
  Inspection found = inspect_plugin(plugin.file, {.worker_executable = worker_,
                                                  .timeout = timeout,
                                                  .memory_limit_bytes = limits.memory_bytes,
                                                  .libraries = std::move(libraries),
                                                  .cancel = options.cancel});
  // If the file or a library was written to meanwhile, that may have caused the crash, or other content may have been
  // inspected.
  const auto after = file_identity(plugin.file);
  const bool unchanged = after && *after == identity && library_states(plugin) == states;
  if (unchanged && found.cause != Inspection::Cause::kSurroundings) {
    cache_.keep_verdict(found.cause == Inspection::Cause::kTime ? time_key : key, {found.problem});
  }
  return std::move(found.problem);
}

}  // namespace tenon::internal
