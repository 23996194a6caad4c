#include "host/kept_catalog.hpp"

#include <memory>
#include <optional>
#include <utility>

#include "base/try.hpp"
#include "plugin/examiner.hpp"
#include "plugin/file_keeper.hpp"

namespace tenon::internal {
namespace {

/// How many times a file that keeps changing is checked.
constexpr int kMaxLooks = 3;

PluginInfo with_problem(const PluginInfo& plugin, Error problem) {
  PluginInfo refused = plugin;
  refused.schema.reset();
  problem.context.plugin = plugin.name;
  refused.problem = std::move(problem);
  return refused;
}

/// `plugin` with the current content of its file, inspected through `file`.
Result<PluginInfo> examined_again(const PluginInfo& plugin, const ServedFile* kept, const CatalogOptions& inspection) {
  TENON_ASSIGN(auto examiner, Examiner::create(inspection));
  PluginInfo now;
  now.name = plugin.name;
  now.file = plugin.file;
  if (kept != nullptr) {
    const ServedFile::Loadable copy = kept->current();
    now.file = copy.file;
    now.sha256 = kept->sha256();
    for (const ServedFile::Library& library : kept->libraries()) {
      now.libraries.push_back(library.info);
    }
    now.state = file_state(copy.identity);
  }
  examiner.examine(now);
  if (kept != nullptr) {
    now.file = plugin.file;
    now.state.reset();  // It described the copy.
  }
  return now;
}

}  // namespace

OpenedCatalog keep_catalog(Catalog catalog, const CatalogOptions& inspection,
                           const std::function<void(const Error& refusal)>& refused) {
  OpenedCatalog opened{catalog};
  FileKeeper keeper(inspection.cache_dir);
  for (const auto& found : catalog.plugins()) {
    if (!found->usable()) {
      continue;
    }
    PluginInfo plugin = *found;
    bool changed = false;
    for (int look = 1; plugin.usable(); ++look) {
      auto kept = keeper.keep(plugin);
      if (kept && (*kept)->sha256() == plugin.sha256) {
        opened.files.emplace(plugin.name, std::move(*kept));
        break;
      }
      changed = true;
      const bool may_be_judged = kept || kept.error().code == ErrorCode::kIncompatible;
      if (!may_be_judged || look == kMaxLooks) {
        plugin = with_problem(
            plugin, kept ? Error{ErrorCode::kUnavailable, "the file keeps changing", {}} : std::move(kept.error()));
        break;
      }
      auto now = examined_again(plugin, kept ? kept->get() : nullptr, inspection);
      plugin = now ? std::move(*now) : with_problem(plugin, std::move(now.error()));
      if (kept && plugin.usable()) {
        opened.files.emplace(plugin.name, std::move(*kept));
        break;
      }
    }
    if (changed) {
      opened.catalog = opened.catalog.with(std::make_shared<const PluginInfo>(std::move(plugin)));
    }
  }
  keeper.sweep();
  if (keeper.refusal()) {
    refused(*keeper.refusal());
  }
  return opened;
}

}  // namespace tenon::internal
