/// Plugins, tasks and types for people and for machines.
#pragma once

#include <string>

#include <tenon/catalog.hpp>

#include "base/json.hpp"

namespace tenon::cli {

/// "plain", "source" or "reduce".
[[nodiscard]] std::string_view kind_name(TaskKind kind) noexcept;
/// First sentence of a documentation, on one line.
[[nodiscard]] std::string first_sentence(std::string_view documentation);

/// A plugin with its tasks in a few lines; a problem instead of tasks when it cannot be used. Lines of
/// tasks are cut to `columns`, with an ellipsis; 0 leaves them whole.
[[nodiscard]] std::string summary_text(const PluginInfo& plugin, bool color, std::size_t columns);
/// The same with everything known but the types.
[[nodiscard]] internal::Json summary_json(const PluginInfo& plugin);

/// Documentation and types of one task, or of all of a plugin's when `task` is null.
[[nodiscard]] std::string detail_text(const PluginInfo& plugin, const TaskInfo* task, bool color);
[[nodiscard]] internal::Json detail_json(const PluginInfo& plugin, const TaskInfo* task);

}  // namespace tenon::cli
