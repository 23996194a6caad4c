#include "host/swap/candidate.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <utility>

#include "host/swap/event_log.hpp"
#include "platform/environment.hpp"
#include "platform/reactor/poller.hpp"
#include "plugin/plugin_file.hpp"

namespace tenon::internal {
namespace {

namespace fs = std::filesystem;

/// Between two tries of a file that is being written; the store itself waits for a moment too.
constexpr std::chrono::milliseconds kTryAgain{20};

std::string date_of(std::chrono::system_clock::time_point time) {
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(std::chrono::floor<std::chrono::seconds>(time - day));
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), "%04d-%02u-%02u %02d:%02d:%02d UTC", static_cast<int>(date.year()),
                static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                static_cast<int>(clock.hours().count()), static_cast<int>(clock.minutes().count()),
                static_cast<int>(clock.seconds().count()));
  return text.data();
}

/// Waits a little. False: cancelled.
bool pause(const FileDescriptor& cancel, MonotonicNs deadline_ns) {
  auto poller = Poller::create();
  if (!poller || !poller->add(cancel, 0)) {
    return false;
  }
  const auto events = poller->wait(std::min(deadline_ns, deadline_after(kTryAgain)));
  return events && events->empty();
}

}  // namespace

Result<Candidates> open_candidates(const HotSwapOptions& options, const CatalogOptions& inspection) {
  fs::path directory = options.store_dir;
  if (directory.empty()) {
    directory = cache_directory();
    if (directory.empty()) {
      return fail(ErrorCode::kUnavailable,
                  "there is no home directory to keep the plugin store in; name HotSwapOptions::store_dir");
    }
    directory /= "store";
  }
  StoreLimits limits;
  limits.max_bytes = options.max_store_bytes;
  limits.max_files = options.max_store_files;
  limits.keep_unpinned = kKeepUnpinnedVersions;
  auto store = Store::open(directory, limits);
  if (!store) {
    return fail(std::move(store.error()));
  }
  auto examiner = Examiner::create(inspection);
  if (!examiner) {
    return fail(std::move(examiner.error()));
  }
  return Candidates(std::move(*store), std::move(*examiner), options.admit);
}

std::string plugin_name_of(const fs::path& file) {
  return file.stem().string();
}

Result<StagedPlugin> Candidates::stage(const fs::path& source, MonotonicNs deadline_ns,
                                       const FileDescriptor& cancel) const {
  for (;;) {
    auto staged = store_.stage(source);
    if (staged || !is_still_changing(staged.error())) {
      return staged;
    }
    if (remaining_ms(deadline_ns) == 0) {
      return fail(ErrorCode::kDeadline, staged.error().message +
                                            " and did not come to rest in time; write it under another name and rename "
                                            "it, or raise SwapOptions::step_timeout");
    }
    if (!pause(cancel, deadline_ns) && remaining_ms(deadline_ns) != 0) {
      return fail(ErrorCode::kCancelled, "staging " + source.string() + " was cancelled");
    }
  }
}

Result<void> Candidates::check_quarantine(const std::string& sha256) const {
  const auto record = store_.quarantine().find(sha256);
  if (!record) {
    return {};
  }
  return fail(ErrorCode::kRejected, "this content is in quarantine since " + date_of(record->since) + ": " +
                                        record->reason + "; build another version, or remove '" +
                                        (store_.directory() / "quarantine" / sha256).string() + "' to load it again");
}

PluginInfo Candidates::examine(const StagedPlugin& staged, std::chrono::milliseconds timeout,
                               const FileDescriptor& cancel, bool& quarantined) const {
  quarantined = false;
  PluginInfo plugin;
  plugin.name = plugin_name_of(staged.file);
  plugin.file = staged.file;
  plugin.sha256 = staged.sha256;
  plugin.libraries = staged.library_infos();
  plugin.state = file_state(staged.identity);
  bool admitted = true;
  ExamineOptions options{.believe_problems = false, .inspect_timeout = timeout, .cancel = &cancel};
  if (admit_) {
    options.admit = [&](const PluginInfo& candidate) {
      auto result = admit_(candidate);
      admitted = result.has_value();
      return result;
    };
  }
  examiner_.examine(plugin, options);
  if (plugin.problem && admitted &&
      (plugin.problem->code == ErrorCode::kCrashed || plugin.problem->code == ErrorCode::kDeadline)) {
    quarantined = quarantine(staged.sha256, plugin.problem->message).has_value();
  }
  return plugin;
}

Result<void> Candidates::quarantine(const std::string& sha256, const std::string& reason) const {
  return store_.quarantine().add(sha256, reason, std::chrono::system_clock::now());
}

void Candidates::remember_served(const fs::path& source, const std::string& sha256) const {
  static_cast<void>(store_.served().remember(source, sha256));
}

namespace {

/// Makes `plugin` what was served last of the file `source`. Whether that is there, and may be loaded.
bool use_last_served(const Candidates& candidates, const fs::path& source, PluginInfo& plugin, InitialPlugin& initial) {
  const auto last = candidates.store().served().find(source);
  if (!last || !candidates.check_quarantine(*last)) {
    return false;
  }
  auto stored = candidates.store().find(*last, source.filename());
  if (!stored) {
    return false;
  }
  PluginInfo earlier;
  earlier.name = plugin.name;
  earlier.file = stored->file;
  earlier.sha256 = stored->sha256;
  earlier.libraries = stored->library_infos();
  earlier.state = file_state(stored->identity);
  candidates.examiner().examine(earlier);
  if (!earlier.usable()) {
    return false;
  }
  plugin = std::move(earlier);
  initial.file = ServedFile::stored(candidates.store(), std::move(*stored), source);
  return true;
}

/// The staged form of one usable plugin, or the same with its problem.
PluginInfo staged_form(const Candidates& candidates, const PluginInfo& found, InitialPlugin& initial) {
  PluginInfo plugin = found;
  const auto refused = [&plugin, &initial](Error problem) {
    initial.note = problem.message;
    plugin.schema.reset();
    plugin.problem = std::move(problem);
    plugin.problem->context.plugin = describe_version(plugin.name, plugin.version, plugin.sha256);
    return plugin;
  };
  // Before the copy: a change that comes in between is found by the first look.
  initial.seen = plugin_state(found.file);
  auto staged = candidates.store().stage(found.file);
  if (!staged) {
    initial.seen.reset();
    return refused(std::move(staged.error()));
  }
  if (auto allowed = candidates.check_quarantine(staged->sha256); !allowed) {
    if (use_last_served(candidates, found.file, plugin, initial)) {
      initial.note = describe_version(found.name, found.version, staged->sha256) + " of " + found.file.string() +
                     " is not loaded: " + allowed.error().message + "; " +
                     describe_version(plugin.name, plugin.version, plugin.sha256) + ", served before, goes on";
      return plugin;
    }
    return refused(std::move(allowed.error()));
  }
  plugin.file = staged->file;
  plugin.libraries = staged->library_infos();
  plugin.state = file_state(staged->identity);
  plugin.size_bytes = staged->size_bytes;
  if (staged->sha256 != found.sha256) {
    // Changed since the scan: what was inspected is not what will be loaded.
    plugin.sha256 = staged->sha256;
    candidates.examiner().examine(plugin);
  }
  if (plugin.usable()) {
    initial.file = ServedFile::stored(candidates.store(), std::move(*staged), found.file);
    candidates.remember_served(found.file, plugin.sha256);
  }
  return plugin;
}

}  // namespace

StagedCatalog stage_catalog(const Candidates& candidates, const Catalog& catalog, std::vector<fs::path> directories) {
  StagedCatalog result{catalog, {}, std::move(directories)};
  const bool derive = result.directories.empty();
  for (const auto& found : catalog.plugins()) {
    const fs::path directory = found->file.parent_path();
    if (derive &&
        std::find(result.directories.begin(), result.directories.end(), directory) == result.directories.end()) {
      result.directories.push_back(directory);
    }
    if (found->usable()) {
      InitialPlugin initial;
      initial.source = found->file;
      result.catalog =
          result.catalog.with(std::make_shared<const PluginInfo>(staged_form(candidates, *found, initial)));
      result.plugins[found->name] = std::move(initial);
    } else if (!result.plugins.contains(found->name)) {
      InitialPlugin initial;
      initial.source = found->file;
      initial.seen = plugin_state(found->file);
      if (initial.seen && (!found->state || initial.seen->file != *found->state)) {
        initial.seen.reset();
      }
      result.plugins[found->name] = std::move(initial);
    }
  }
  return result;
}

}  // namespace tenon::internal
