#include "plugin/examiner.hpp"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>
#include <vector>

#include "platform/environment.hpp"
#include "plugin/file_hash.hpp"
#include "plugin/file_trust.hpp"
#include "plugin/inspector.hpp"
#include "plugin/manifest_reader.hpp"
#include "plugin/plugin_file.hpp"

namespace tenon::internal {
namespace {

/// A file that changes while it is looked at is looked at again this often.
constexpr int kMaxLooks = 3;

/// How long a hang is believed: what the plugin waited for may be there again, but not every command that looks at the
/// same directory is to wait for the time limit.
constexpr std::chrono::seconds kHangLifetime{60};
/// What a shell changes from one command to the next.
constexpr std::array<std::string_view, 6> kOfTheShell{"_=", "SHLVL=", "PWD=", "OLDPWD=", "COLUMNS=", "LINES="};

}  // namespace

Examiner::Examiner(CatalogOptions options, std::filesystem::path worker, std::string worker_hash, CatalogCache cache)
    : options_(std::move(options)),
      worker_(std::move(worker)),
      worker_hash_(std::move(worker_hash)),
      cache_(std::move(cache)) {}

Result<Examiner> Examiner::create(const CatalogOptions& options) {
  auto worker = find_worker_executable(options.worker_executable);
  if (!worker) {
    return fail(std::move(worker.error()));
  }
  CatalogCache cache(options.cache_dir.empty() ? cache_directory() : options.cache_dir);
  auto identity = file_identity(*worker);
  auto hash = identity ? cache.hash_file(*worker, *identity) : fail(std::move(identity.error()));
  if (!hash) {
    return fail(ErrorCode::kUnavailable, "tenon-worker cannot be read: " + hash.error().message);
  }
  return Examiner(options, std::move(*worker), std::move(*hash), std::move(cache));
}

std::string Examiner::verdict_key(const PluginInfo& plugin) const {
  return plugin.sha256 + " " + plugin.name + " " + worker_hash_;
}

std::string Examiner::hang_key(const PluginInfo& plugin, std::chrono::milliseconds timeout) const {
  std::vector<std::string> entries = environment_entries();
  std::erase_if(entries, [](const std::string& entry) {
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

bool Examiner::recall(PluginInfo& plugin) const {
  const auto before = file_identity(plugin.file);
  auto hash = before && has_settled(*before) ? cache_.find_hash(plugin.file, *before) : std::nullopt;
  if (!hash || !check_plugin_trust(plugin.file) || !check_plugin_size(plugin.file, *before)) {
    return false;
  }
  PluginInfo found;
  found.name = plugin.name;
  found.file = plugin.file;
  found.sha256 = std::move(*hash);
  const auto verdict = cache_.find_verdict(verdict_key(found));
  if (!verdict || verdict->problem) {
    return false;
  }
  // Nothing but a plugin whose schema had been read was ever inspected: the verdict speaks for the schema too.
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
    auto hash = cache_.hash_file(plugin.file, identity);
    if (!hash) {
      return std::move(hash.error());
    }
    plugin.sha256 = *hash;
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
  Inspection found = inspect_plugin(plugin.file, {.worker_executable = worker_,
                                                  .timeout = timeout,
                                                  .memory_limit_bytes = limits.memory_bytes,
                                                  .cancel = options.cancel});
  // What lies outside the file may change at any time, so that it is asked again. One whose file was written to under
  // it may have crashed because of that, or have seen another content.
  const auto after = file_identity(plugin.file);
  if (found.cause != Inspection::Cause::kSurroundings && after && *after == identity) {
    cache_.keep_verdict(found.cause == Inspection::Cause::kTime ? time_key : key, {found.problem});
  }
  return std::move(found.problem);
}

}  // namespace tenon::internal
