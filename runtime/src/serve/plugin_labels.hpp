/// Names plugins in log lines, with the version and hash that are current.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include <tenon/catalog.hpp>

#include "base/guarded.hpp"

namespace tenon::internal {

/// Returns "image 1.2.0 (sha256:ab12cd34ef56)", without the parts that are not known. [any-thread]
[[nodiscard]] std::string plugin_label(std::string_view name, std::string_view version, std::string_view sha256);

/// Labels of plugins, by name. [any-thread]
class PluginLabels {
 public:
  /// Replaces the labels by those of this catalog.
  void update(const Catalog& catalog);
  /// Returns the label of a plugin, or its bare name if it is not known.
  [[nodiscard]] std::string label(std::string_view name);

 private:
  Guarded<std::map<std::string, std::string, std::less<>>> labels_;
};

}  // namespace tenon::internal
