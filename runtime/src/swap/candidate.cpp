#include "swap/candidate.hpp"

#include <algorithm>
#include <utility>

#include "base/short_hash.hpp"
#include "base/try.hpp"
#include "platform/environment.hpp"
#include "platform/reactor/poller.hpp"
#include "plugin/plugin_file.hpp"

namespace tenon::internal {
namespace {

namespace fs = std::filesystem;

/// Pause between two attempts to copy a file that is being written; the store itself waits a moment
/// too.
constexpr std::chrono::milliseconds kTryAgain{20};

/// Waits for this pause. False if cancelled.
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
  TENON_ASSIGN(auto store, Store::open(directory, limits));
  TENON_ASSIGN(auto examiner, Examiner::create(inspection));
  HostRecords host(store, options.instance, options.watch);
  return Candidates(std::move(store), std::move(examiner), options.admit, std::move(host));
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

std::optional<QuarantineRecord> Candidates::quarantined(const std::string& sha256,
                                                        std::optional<std::chrono::milliseconds> time_limit) const {
  auto record = store_.quarantine().find(sha256);
  if (record && !record->holds_with(time_limit.value_or(examiner_.limits_for(record->subject.plugin).start_timeout))) {
    return std::nullopt;
  }
  return record;
}

std::optional<Error> Candidates::objection(const std::string& sha256, const fs::path& file,
                                           std::optional<std::chrono::milliseconds> time_limit) const {
  if (const auto record = quarantined(sha256, time_limit)) {
    return Error{ErrorCode::kRejected,
                 "this content is in quarantine since " + date_text(record->since) + ": " + record->reason +
                     "; build another version, or 'tenon quarantine lift " + short_hash(sha256) +
                     "' to load it again (" + (store_.directory() / "quarantine" / sha256).string() + ")",
                 {}};
  }
  if (const auto record = host_.rolled_back(sha256, file)) {
    return Error{ErrorCode::kRejected,
                 "this content was rolled back from on " + date_text(record->since) + ": " + record->reason +
                     "; build another version, swap to its file with --force, or 'tenon quarantine lift " +
                     short_hash(sha256) + "'",
                 {}};
  }
  return std::nullopt;
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
    const bool hung = plugin.problem->code == ErrorCode::kDeadline;
    quarantined =
        quarantine(plugin, plugin.problem->message, hung ? timeout : std::chrono::milliseconds::zero()).has_value();
  }
  return plugin;
}

Result<void> Candidates::quarantine(const PluginInfo& plugin, const std::string& reason,
                                    std::chrono::milliseconds exceeded) const {
  return store_.quarantine().add(plugin.sha256, reason, std::chrono::system_clock::now(),
                                 {plugin.name, plugin.version, {}}, exceeded);
}

void Candidates::loaded_in_time(const std::string& sha256) const {
  const auto record = store_.quarantine().find(sha256);
  if (record && record->time_limit > std::chrono::milliseconds::zero()) {
    // If the record stays, only the next start with the shorter limit is affected.
    static_cast<void>(store_.quarantine().release(sha256));
  }
}

}  // namespace tenon::internal
