#include "plugin/file_keeper.hpp"

#include <chrono>
#include <thread>
#include <utility>

#include "base/clock.hpp"
#include "base/try.hpp"
#include "platform/environment.hpp"
#include "plugin/plugin_identity.hpp"

namespace tenon::internal {
namespace {

namespace fs = std::filesystem;

/// How long a plugin file that is being written may take until it is quiet.
constexpr std::chrono::seconds kMaxChanging{2};
constexpr std::chrono::milliseconds kTryAgain{20};
/// Maximum size of the sealed copies that a start makes at once. Above this limit, a plugin is copied when a worker
/// needs it: copies of plugins that are never called would take too much memory, just to guard against an overwrite
/// before the first call.
constexpr std::uint64_t kMaxEagerBytes = std::uint64_t{64} << 20;

fs::path cache_of(const fs::path& requested) {
  return requested.empty() ? cache_directory() : requested;
}

}  // namespace

FileKeeper::FileKeeper(const fs::path& cache_dir) : cache_(cache_of(cache_dir)) {
  const fs::path cache = cache_of(cache_dir);
  if (cache.empty()) {
    refusal_ = Error{ErrorCode::kUnavailable, "there is no home directory to keep the plugin store in", {}};
    return;
  }
  StoreLimits limits;
  limits.keep_unpinned = kKeepUnpinnedVersions;
  auto store = Store::open(cache / "store", limits, Store::Opening::kUnswept);
  if (store) {
    store_.emplace(std::move(*store));
  } else {
    refusal_ = std::move(store.error());
  }
}

std::optional<StagedPlugin> FileKeeper::find_stored(const PluginInfo& plugin) const {
  const fs::path file = store_->place_of(plugin.sha256, plugin.file.filename());
  const auto identity = file_identity(file);
  if (!identity) {
    return std::nullopt;
  }
  const bool known = cache_.find_hash(file, *identity) == plugin.sha256;
  if (known) {
    store_->trust(file, *identity);
  }
  for (const PluginLibrary& library : plugin.libraries) {
    const fs::path copy = store_->place_of(library.sha256, library.name);
    const auto its_identity = library.fixed ? fail(ErrorCode::kNotFound, {}) : file_identity(copy);
    if (its_identity && cache_.find_hash(copy, *its_identity) == library.sha256) {
      store_->trust(copy, *its_identity);
    }
  }
  auto found = store_->find(plugin.sha256, file.filename(), plugin.libraries.empty());
  if (!found) {
    return std::nullopt;
  }
  if (!known) {
    // It has just been read. A stored file never changes, so it need not have been quiet.
    remember(*found);
  }
  return std::move(*found);
}

void FileKeeper::remember(const StagedPlugin& staged) const {
  cache_.keep_hash(staged.file, staged.identity, staged.sha256);
  for (const StagedLibrary& library : staged.libraries) {
    if (!library.fixed) {
      cache_.keep_hash(library.file, library.identity, library.sha256);
    }
  }
}

Result<ServedFileRef> FileKeeper::keep(const PluginInfo& plugin) {
  if (!store_) {
    return keep_in_memory(plugin);
  }
  if (auto found = find_stored(plugin)) {
    return ServedFile::stored(*store_, std::move(*found), plugin.file);
  }
  const MonotonicNs deadline_ns = deadline_after(kMaxChanging);
  for (;;) {
    auto staged = store_->stage(plugin.file);
    if (staged) {
      added_ = true;
      remember(*staged);
      return ServedFile::stored(*store_, std::move(*staged), plugin.file);
    }
    if (!is_still_changing(staged.error())) {
      // No room, no permission, no locks: none of these is a reason to refuse the plugin.
      refusal_ = std::move(staged.error());
      return keep_in_memory(plugin);
    }
    if (monotonic_now_ns() >= deadline_ns) {
      return fail(std::move(staged.error()));
    }
    std::this_thread::sleep_for(kTryAgain);
  }
}

Result<ServedFileRef> FileKeeper::keep_in_memory(const PluginInfo& plugin) {
  TENON_ASSIGN(auto opened, open_inspected(plugin.file, plugin.state, plugin.sha256, library_list(plugin.libraries)));
  std::uint64_t size_bytes = opened.identity.size_bytes;
  std::vector<ServedFile::Library> libraries;
  for (const PluginLibrary& library : plugin.libraries) {
    ServedFile::Library served{library, nullptr};
    if (!library.fixed) {
      TENON_ASSIGN(auto its_file, open_inspected(library.file, std::nullopt, library.sha256));
      size_bytes += its_file.identity.size_bytes;
      served.file = ServedFile::unstored(std::move(its_file));
    }
    libraries.push_back(std::move(served));
  }
  ServedFileRef served = ServedFile::unstored(std::move(opened), std::move(libraries));
  if (in_memory_bytes_ + size_bytes <= kMaxEagerBytes) {
    in_memory_bytes_ += size_bytes;
    TENON_TRY(served->copy_to_memory());
  }
  return served;
}

void FileKeeper::sweep() const {
  if (added_) {
    static_cast<void>(store_->sweep());
  }
}

}  // namespace tenon::internal
