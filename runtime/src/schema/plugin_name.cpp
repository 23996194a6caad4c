#include "schema/plugin_name.hpp"

#include <algorithm>

#include <tenon/plugin.h>

namespace tenon::internal {

bool is_plugin_name(std::string_view name) noexcept {
  return !name.empty() && name.size() < TENON_MANIFEST_NAME_SIZE && name.front() >= 'a' && name.front() <= 'z' &&
         std::all_of(name.begin(), name.end(),
                     [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'; });
}

}  // namespace tenon::internal
