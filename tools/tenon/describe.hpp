/// Describes plugins, tasks and types for people and for machines.
#pragma once

#include <string>

#include <tenon/catalog.hpp>

#include "base/json.hpp"

namespace tenon::cli {

/// Returns "plain", "source" or "reduce".
[[nodiscard]] std::string_view kind_name(TaskKind kind) noexcept;
/// Returns the first sentence of a documentation, on one line.
[[nodiscard]] std::string first_sentence(std::string_view documentation);

/// Describes a plugin and its tasks in a few lines, or its problem if it cannot be used. Lines of
/// tasks are cut to `columns`, with an ellipsis; 0 does not cut them.
[[nodiscard]] std::string summary_text(const PluginInfo& plugin, bool color, std::size_t columns);
/// Returns the same with all details except the types.
[[nodiscard]] internal::Json summary_json(const PluginInfo& plugin);

/// Returns documentation and types of one task, or of all tasks of a plugin if `task` is null.
[[nodiscard]] std::string detail_text(const PluginInfo& plugin, const TaskInfo* task, bool color);
[[nodiscard]] internal::Json detail_json(const PluginInfo& plugin, const TaskInfo* task);

}  // namespace tenon::cli
