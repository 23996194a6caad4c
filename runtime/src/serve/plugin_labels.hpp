/// How log lines name plugins: with the version and the hash that are current.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include <tenon/catalog.hpp>

#include "base/guarded.hpp"

namespace tenon::internal {

/// "image 1.2.0 (sha256:ab12cd34ef56)"; without what is not known. [any-thread]
[[nodiscard]] std::string plugin_label(std::string_view name, std::string_view version, std::string_view sha256);

/// Labels by name. [any-thread]
class PluginLabels {
 public:
  /// From now on those of this catalog.
  void update(const Catalog& catalog);
  /// The label of a plugin; its bare name when it is not known.
  [[nodiscard]] std::string label(std::string_view name);

 private:
  Guarded<std::map<std::string, std::string, std::less<>>> labels_;
};

}  // namespace tenon::internal
