#include "tools/tenon/staged_plugins.hpp"

#include <memory>
#include <utility>

#include "base/short_hash.hpp"
#include "pipeline/plan.hpp"
#include "platform/environment.hpp"
#include "plugin/quarantine.hpp"
#include "swap/host_records.hpp"
#include "swap/initial_catalog.hpp"

namespace tenon::cli {

Outcome<StartedCatalog> started_catalog(const Catalog& found, const HotSwapOptions& options,
                                        std::vector<std::filesystem::path> directories,
                                        const CatalogOptions& inspection) {
  auto candidates = internal::open_candidates(options, inspection);
  if (!candidates) {
    return failure(ExitCode::kBadConfiguration, std::move(candidates.error()));
  }
  internal::StagedCatalog staged = internal::stage_catalog(*candidates, found, std::move(directories));
  StartedCatalog started{std::move(staged.catalog), {}};
  for (auto& [name, plugin] : staged.plugins) {
    if (plugin.served && !plugin.note.empty()) {
      started.notes.push_back(std::move(plugin.note));
    }
  }
  return started;
}

Catalog without_quarantined(const Catalog& found, const std::filesystem::path& store, const CatalogOptions& options) {
  const std::filesystem::path cache = internal::cache_directory();
  if (store.empty() && cache.empty()) {
    return found;
  }
  const internal::Quarantine quarantine((store.empty() ? cache / "store" : store) / "quarantine",
                                        internal::StoreLimits().max_quarantined);
  Catalog catalog = found;
  for (const auto& plugin : found.plugins()) {
    const auto record = plugin->usable() ? quarantine.find(plugin->sha256) : std::nullopt;
    if (!record || !record->holds_with(options.limits_for(plugin->name).start_timeout)) {
      continue;
    }
    PluginInfo refused = *plugin;
    refused.schema.reset();
    refused.problem =
        Error{ErrorCode::kRejected,
              "this content (sha256:" + internal::short_hash(plugin->sha256) + ") has been in quarantine since " +
                  internal::date_text(record->since) + ": " + record->reason +
                  "; build another version, or 'tenon quarantine lift " + plugin->name + "'",
              {}};
    refused.problem->context.plugin = plugin->name;
    catalog = catalog.with(std::make_shared<const PluginInfo>(std::move(refused)));
  }
  return catalog;
}

Outcome<void> check_plugins(const Graph& graph, const Catalog& catalog) {
  for (const internal::PlanNode& node : graph.impl().nodes) {
    if (node.task.empty()) {
      continue;
    }
    auto task = catalog.find_task(node.task);
    if (!task) {
      return failure(ExitCode::kBadConfiguration, std::move(task.error()));
    }
    if (auto admitted = graph.admits(*task->plugin); !admitted) {
      return failure(ExitCode::kBadConfiguration, std::move(admitted.error()));
    }
  }
  return {};
}

}  // namespace tenon::cli
