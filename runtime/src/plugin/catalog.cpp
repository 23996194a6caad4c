#include <tenon/catalog.hpp>

#include <algorithm>
#include <atomic>
#include <map>
#include <system_error>
#include <thread>
#include <utility>

#include <tenon/plugin.h>

#include "base/text.hpp"
#include "platform/environment.hpp"
#include "platform/file.hpp"
#include "plugin/catalog_cache.hpp"
#include "plugin/file_trust.hpp"
#include "plugin/inspector.hpp"
#include "plugin/manifest_reader.hpp"
#include "plugin/plugin_file.hpp"

namespace tenon {

struct Catalog::Impl {
  std::vector<std::shared_ptr<const PluginInfo>> plugins;
};

namespace {

namespace fs = std::filesystem;

constexpr std::string_view kPluginExtension = ".so";
/// A file that changes while it is looked at is looked at again this often.
constexpr int kMaxLooks = 3;
constexpr unsigned kMaxInspectors = 8;

/// Examines one plugin file. Shared by the threads of one scan; immutable.
class Examiner {
 public:
  Examiner(const CatalogOptions& options, fs::path worker, std::string worker_hash, internal::CatalogCache cache)
      : options_(options), worker_(std::move(worker)), worker_hash_(std::move(worker_hash)), cache_(std::move(cache)) {}

  /// Fills in all but name and file.
  void examine(PluginInfo& plugin) const {
    for (int look = 1;; ++look) {
      auto before = internal::file_identity(plugin.file);
      if (!before) {
        plugin.problem = std::move(before.error());
        return;
      }
      plugin.schema.reset();
      plugin.state.reset();
      if (internal::has_settled(*before)) {
        plugin.state = internal::file_state(*before);
      }
      plugin.problem = examine_content(plugin, *before);
      const auto after = internal::file_identity(plugin.file);
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

 private:
  std::optional<Error> examine_content(PluginInfo& plugin, const internal::FileIdentity& identity) const {
    plugin.size_bytes = identity.size_bytes;
    if (auto trusted = internal::check_plugin_trust(plugin.file); !trusted) {
      return std::move(trusted.error());
    }
    if (auto checked = internal::check_plugin_size(plugin.file, identity); !checked) {
      return std::move(checked.error());
    }
    auto hash = cache_.hash_file(plugin.file, identity);
    if (!hash) {
      return std::move(hash.error());
    }
    plugin.sha256 = *hash;
    auto manifest = internal::read_manifest(plugin.file);
    if (!manifest) {
      return std::move(manifest.error());
    }
    plugin.version = manifest->version;
    const std::string key = plugin.sha256 + " " + plugin.name + " " + worker_hash_;
    if (auto known = cache_.find_verdict(key)) {
      if (known->problem) {
        return std::move(known->problem);
      }
    } else {
      internal::Verdict verdict{
          internal::inspect_plugin(plugin.file, {.worker_executable = worker_,
                                                 .timeout = options_.inspect_timeout,
                                                 .memory_limit_bytes = options_.inspect_memory_limit_bytes})};
      // An inspector that could not run says nothing about the plugin.
      if (!verdict.problem || verdict.problem->code != ErrorCode::kUnavailable) {
        cache_.keep_verdict(key, verdict);
      }
      if (verdict.problem) {
        return std::move(verdict.problem);
      }
    }
    plugin.schema = std::move(manifest->parsed_schema);
    return std::nullopt;
  }

  const CatalogOptions& options_;
  fs::path worker_;
  std::string worker_hash_;
  internal::CatalogCache cache_;
};

/// The directories to search, each once, absolute.
Result<std::vector<fs::path>> search_directories(const CatalogOptions& options) {
  std::vector<fs::path> found;
  std::vector<fs::path> canonical;
  const auto add = [&](const fs::path& directory, bool must_exist) -> Result<void> {
    std::error_code failed;
    if (!fs::is_directory(directory, failed)) {
      if (!must_exist) {
        return {};
      }
      const bool exists = fs::exists(directory, failed);
      return fail(ErrorCode::kNotFound, "plugin directory '" + directory.string() + "' " +
                                            (exists ? "is not a directory" : "does not exist") +
                                            "; name one that holds plugins (*.so)");
    }
    fs::path real = fs::canonical(directory, failed);
    if (failed) {
      real = fs::absolute(directory, failed);
    }
    if (std::find(canonical.begin(), canonical.end(), real) == canonical.end()) {
      canonical.push_back(std::move(real));
      found.push_back(fs::absolute(directory, failed).lexically_normal());
    }
    return {};
  };
  if (options.use_environment) {
    for (const fs::path& directory :
         internal::split_search_path(internal::get_environment("TENON_PLUGIN_PATH").value_or(""))) {
      static_cast<void>(add(directory, false));
    }
  }
  for (const fs::path& directory : options.plugin_dirs) {
    if (auto added = add(directory, true); !added) {
      return fail(std::move(added.error()));
    }
  }
  return found;
}

/// Plugin files of one directory by name. Errors: a directory that cannot be read.
Result<std::vector<fs::path>> plugin_files(const fs::path& directory) {
  std::vector<fs::path> files;
  std::error_code failed;
  for (fs::directory_iterator it(directory, failed), end; !failed && it != end; it.increment(failed)) {
    std::error_code ignored;
    // What a link leads to counts; one that leads nowhere is listed with its problem.
    const fs::file_status status = it->status(ignored);
    const bool candidate = status.type() == fs::file_type::regular || status.type() == fs::file_type::not_found;
    if (candidate && it->path().extension() == kPluginExtension && !it->path().stem().empty()) {
      files.push_back(it->path());
    }
  }
  if (failed) {
    return fail(os_error(failed.value(), "plugin directory '" + directory.string() + "' cannot be read"));
  }
  std::sort(files.begin(), files.end());
  return files;
}

/// Runs `work(i)` for each i below `count` on a few threads.
template <typename Work>
void run_parallel(std::size_t count, Work work) {
  std::atomic<std::size_t> next{0};
  // Relaxed: the number alone is shared; joining the threads orders everything else.
  const auto take = [&] {
    for (std::size_t i = next.fetch_add(1, std::memory_order_relaxed); i < count;
         i = next.fetch_add(1, std::memory_order_relaxed)) {
      work(i);
    }
  };
  const std::size_t cores = std::clamp(std::thread::hardware_concurrency(), 1U, kMaxInspectors);
  std::vector<std::thread> helpers;
  while (helpers.size() + 1 < std::min(cores, count)) {
    try {
      helpers.emplace_back(take);
    } catch (const std::system_error&) {
      break;  // No more threads: those that are there do the work.
    }
  }
  take();
  for (std::thread& helper : helpers) {
    helper.join();
  }
}

}  // namespace

Result<Catalog> Catalog::open(const CatalogOptions& options) {
  auto directories = search_directories(options);
  if (!directories) {
    return fail(std::move(directories.error()));
  }
  auto worker = find_worker_executable(options.worker_executable);
  if (!worker) {
    return fail(std::move(worker.error()));
  }
  internal::CatalogCache cache(options.cache_dir.empty() ? internal::cache_directory() : options.cache_dir);
  auto worker_identity = internal::file_identity(*worker);
  auto worker_hash =
      worker_identity ? cache.hash_file(*worker, *worker_identity) : fail(std::move(worker_identity.error()));
  if (!worker_hash) {
    return fail(ErrorCode::kUnavailable, "tenon-worker cannot be read: " + worker_hash.error().message);
  }

  std::vector<std::shared_ptr<PluginInfo>> found;
  std::vector<PluginInfo*> to_examine;
  std::map<std::string, fs::path> first_of_name;
  for (const fs::path& directory : *directories) {
    auto files = plugin_files(directory);
    if (!files) {
      return fail(std::move(files.error()));
    }
    for (const fs::path& file : *files) {
      auto plugin = std::make_shared<PluginInfo>();
      plugin->name = file.stem().string();
      plugin->file = file;
      const auto [first, is_first] = first_of_name.emplace(plugin->name, file);
      if (is_first) {
        to_examine.push_back(plugin.get());
      } else {
        plugin->problem =
            Error{ErrorCode::kRejected,
                  file.string() + ": shadowed by " + first->second.string() + ", which is searched before it",
                  {}};
        plugin->problem->context.plugin = plugin->name;
      }
      found.push_back(std::move(plugin));
    }
  }
  const Examiner examiner(options, *worker, std::move(*worker_hash), std::move(cache));
  run_parallel(to_examine.size(), [&](std::size_t i) { examiner.examine(*to_examine[i]); });

  auto impl = std::make_shared<Impl>();
  impl->plugins.assign(found.begin(), found.end());
  std::stable_sort(impl->plugins.begin(), impl->plugins.end(),
                   [](const auto& a, const auto& b) { return a->name < b->name; });
  return Catalog(std::move(impl));
}

Catalog::Catalog() : impl_(std::make_shared<const Impl>()) {}

Catalog Catalog::with(std::shared_ptr<const PluginInfo> plugin) const {
  auto impl = std::make_shared<Impl>(*impl_);
  std::erase_if(impl->plugins, [&](const auto& other) { return other->name == plugin->name; });
  const auto at = std::upper_bound(impl->plugins.begin(), impl->plugins.end(), plugin,
                                   [](const auto& a, const auto& b) { return a->name < b->name; });
  impl->plugins.insert(at, std::move(plugin));
  return Catalog(std::move(impl));
}

const std::vector<std::shared_ptr<const PluginInfo>>& Catalog::plugins() const noexcept {
  return impl_->plugins;
}

std::shared_ptr<const PluginInfo> Catalog::find_plugin(std::string_view name) const noexcept {
  for (const auto& plugin : impl_->plugins) {
    if (plugin->name == name && plugin->usable()) {
      return plugin;
    }
  }
  return nullptr;
}

Result<TaskRef> Catalog::find_task(std::string_view full_name) const {
  const std::size_t dot = full_name.find('.');
  const std::string_view plugin_name = full_name.substr(0, dot);
  const std::string shown = "'" + internal::printable(full_name, 128) + "'";
  if (const auto plugin = find_plugin(plugin_name); plugin != nullptr && dot != std::string_view::npos) {
    if (const TaskInfo* task = plugin->schema->find_task(full_name.substr(dot + 1))) {
      return TaskRef{plugin, task};
    }
  } else if (plugin == nullptr) {
    for (const auto& candidate : impl_->plugins) {
      if (candidate->name == plugin_name && candidate->problem) {
        Error error = *candidate->problem;
        error.code = ErrorCode::kNotFound;
        error.message = "task " + shown + ": plugin '" + candidate->name + "' cannot be used: " + error.message;
        error.context.task = full_name;
        return fail(std::move(error));
      }
    }
  }
  std::vector<std::string> known;
  for (const auto& plugin : impl_->plugins) {
    if (plugin->usable()) {
      for (const TaskInfo& task : plugin->schema->tasks()) {
        known.push_back(task.full_name);
      }
    }
  }
  const std::string question = internal::did_you_mean(full_name, known);
  std::string hint = question;
  if (hint.empty()) {
    hint = known.empty() ? "the plugin directories hold no usable plugin" : "'tenon list' shows the tasks there are";
  }
  ErrorContext context;
  context.task = full_name;
  return fail(ErrorCode::kNotFound, "no task " + shown + "; " + hint, std::move(context));
}

Result<std::filesystem::path> find_worker_executable(const std::filesystem::path& requested) {
  static constexpr const char* kName = "tenon-worker";
  const auto is_program = [](const fs::path& file) {
    std::error_code failed;
    const fs::file_status status = fs::status(file, failed);
    constexpr fs::perms kExecute = fs::perms::owner_exec | fs::perms::group_exec | fs::perms::others_exec;
    return !failed && status.type() == fs::file_type::regular && (status.permissions() & kExecute) != fs::perms::none;
  };
  const auto absolute = [](const fs::path& file) {
    std::error_code failed;
    fs::path result = fs::absolute(file, failed).lexically_normal();
    return failed ? file : result;
  };
  // What was asked for by name is taken or refused, never replaced.
  if (!requested.empty()) {
    if (is_program(requested)) {
      return absolute(requested);
    }
    return fail(ErrorCode::kUnavailable,
                "the worker executable '" + requested.string() + "' is not there or not executable");
  }
  if (const auto named = internal::get_environment("TENON_WORKER"); named && !named->empty()) {
    if (is_program(*named)) {
      return absolute(*named);
    }
    return fail(ErrorCode::kUnavailable, "TENON_WORKER names '" + *named + "', which is not there or not executable");
  }
  std::vector<fs::path> places;
  static const char kAnchor = 0;  // Lies in the library, or in the program it is linked into.
  for (const auto& module : {internal::executable_path(), internal::module_path(&kAnchor)}) {
    if (module) {
      const fs::path directory = module->parent_path();
      places.push_back(directory / kName);
      places.push_back(directory.parent_path() / "bin" / kName);
    }
  }
  places.emplace_back(TENON_WORKER_BUILD_PATH);
  places.emplace_back(TENON_WORKER_INSTALL_PATH);
  std::string looked_at;
  for (std::size_t i = 0; i < places.size(); ++i) {
    const fs::path place = absolute(places[i]);
    if (is_program(place)) {
      return place;
    }
    if (looked_at.find(place.string()) == std::string::npos) {
      looked_at += (i == 0 ? "" : ", ") + place.string();
    }
  }
  return fail(ErrorCode::kUnavailable, "no tenon-worker found; looked at " + looked_at +
                                           "; set TENON_WORKER or RuntimeOptions::worker_executable");
}

}  // namespace tenon
