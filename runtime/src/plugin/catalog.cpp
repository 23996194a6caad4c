#include <tenon/catalog.hpp>

#include <algorithm>
#include <atomic>
#include <exception>
#include <map>
#include <mutex>
#include <set>
#include <thread>
#include <utility>

#include "base/text.hpp"
#include "base/try.hpp"
#include "platform/environment.hpp"
#include "platform/linked_worker.hpp"
#include "platform/thread.hpp"
#include "plugin/examiner.hpp"
#include "plugin/plugin_directories.hpp"

namespace tenon {

struct Catalog::Impl {
  std::vector<std::shared_ptr<const PluginInfo>> plugins;
};

namespace {

namespace fs = std::filesystem;

constexpr unsigned kMaxInspectors = 8;

/// Runs `work(i)` for each i below `count` on a few threads. Rethrows the first exception of `work` once all of them
/// have ended.
template <typename Work>
void run_parallel(std::size_t count, Work work) {
  std::atomic<std::size_t> next{0};
  // Relaxed: only the number is shared; joining the threads orders everything else.
  const auto take = [&] {
    for (std::size_t i = next.fetch_add(1, std::memory_order_relaxed); i < count;
         i = next.fetch_add(1, std::memory_order_relaxed)) {
      work(i);
    }
  };
  std::exception_ptr thrown;
  std::once_flag once;
  const auto take_on_thread = [&] {
    try {
      take();
    } catch (...) {
      next.store(count, std::memory_order_relaxed);
      std::call_once(once, [&] { thrown = std::current_exception(); });
    }
  };
  const std::size_t cores = std::clamp(std::thread::hardware_concurrency(), 1U, kMaxInspectors);
  std::vector<internal::Thread> helpers;
  while (helpers.size() + 1 < std::min(cores, count)) {
    auto helper = internal::Thread::start("tenon-inspect", take_on_thread);
    if (!helper) {
      break;  // The system has no more threads: the existing ones do the work.
    }
    helpers.push_back(std::move(*helper));
  }
  take_on_thread();
  helpers.clear();  // Joins them.
  if (thrown) {
    std::rethrow_exception(thrown);
  }
}

}  // namespace

Result<Catalog> Catalog::open(const CatalogOptions& options) {
  TENON_ASSIGN(auto directories, internal::plugin_directories(options));
  TENON_ASSIGN(auto examiner, internal::Examiner::create(options));

  std::vector<std::shared_ptr<PluginInfo>> found;
  std::vector<PluginInfo*> to_examine;
  std::map<std::string, fs::path> first_of_name;
  for (const fs::path& directory : directories) {
    TENON_ASSIGN(auto files, internal::plugin_files(directory));
    for (const fs::path& file : files) {
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
  // Reading known plugins from the cache takes less time than starting a thread.
  std::erase_if(to_examine, [&](PluginInfo* plugin) { return examiner.recall(*plugin); });
  run_parallel(to_examine.size(), [&](std::size_t i) { examiner.examine(*to_examine[i]); });

  // A library beside its plugin is not a broken plugin.
  std::set<fs::path> libraries;
  for (const auto& plugin : found) {
    for (const PluginLibrary& library : plugin->libraries) {
      libraries.insert(library.file);
    }
  }
  std::erase_if(found, [&libraries](const auto& plugin) {
    return plugin->problem && plugin->version.empty() && libraries.contains(plugin->file);
  });
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
  // A worker requested by name is used or refused, never replaced by another.
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
  static const char kAnchor = 0;  // Lies in this library, or in the program that contains it.
  for (const auto& module : {internal::executable_path(), internal::module_path(&kAnchor)}) {
    if (module) {
      const fs::path directory = module->parent_path();
      places.push_back(directory / kName);
      places.push_back(directory.parent_path() / "bin" / kName);
    }
  }
  if (const fs::path linked = internal::linked_worker(); !linked.empty()) {
    places.push_back(linked);
  }
  // PATH comes last: the package may have been moved since this program was linked.
  for (const fs::path& directory : internal::split_search_path(internal::get_environment("PATH").value_or(""))) {
    if (directory.is_absolute()) {
      places.push_back(directory / kName);
    }
  }
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
  return fail(ErrorCode::kUnavailable,
              "no tenon-worker found; looked at " + looked_at +
                  "; install tenon, or name its worker with TENON_WORKER or RuntimeOptions::worker_executable");
}

}  // namespace tenon
