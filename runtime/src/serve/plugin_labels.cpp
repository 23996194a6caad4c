#include "serve/plugin_labels.hpp"
#include "base/short_hash.hpp"

#include <utility>

namespace tenon::internal {
namespace {

// Long enough to distinguish the versions of a plugin.

}  // namespace

std::string plugin_label(std::string_view name, std::string_view version, std::string_view sha256) {
  std::string label(name);
  if (!version.empty()) {
    label += ' ';
    label += version;
  }
  if (!sha256.empty()) {
    label += " (sha256:";
    label += short_hash(sha256);
    label += ')';
  }
  return label;
}

void PluginLabels::update(const Catalog& catalog) {
  std::map<std::string, std::string, std::less<>> labels;
  for (const auto& plugin : catalog.plugins()) {
    if (plugin->usable()) {
      labels.emplace(plugin->name, plugin_label(plugin->name, plugin->version, plugin->sha256));
    }
  }
  labels_.set(std::move(labels));
}

std::string PluginLabels::label(std::string_view name) {
  const auto labels = labels_.lock();
  const auto found = labels->find(name);
  return found != labels->end() ? found->second : std::string(name);
}

}  // namespace tenon::internal
