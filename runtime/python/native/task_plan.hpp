/// python/native/task_plan.hpp: the module's view of a task: its schema, and the tables of its argument and result.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include <tenon/catalog.hpp>
#include <tenon/reply.hpp>

#include "python/native/ref.hpp"
#include "python/native/schema.hpp"

namespace tenon::python {

/// A task of one version of its plugin. Immutable; needs the GIL.
struct TaskPlan {
  std::string name;  ///< Full name, as in "image.thumbnail".
  TaskKind kind = TaskKind::kPlain;
  std::string result_type;
  Ref schema;  ///< The SchemaObject that owns the plans.
  const ObjectPlan* argument = nullptr;
  const ObjectPlan* result = nullptr;
  const ObjectPlan* params = nullptr;  ///< Null if the task has none.
  std::shared_ptr<const PluginInfo> plugin;
  const TaskInfo* info = nullptr;  ///< Inside the plugin's schema.
  /// The version of the runtime's catalog at the lookup: a later catalog may have another version of the plugin.
  std::uint64_t catalog_version = 0;
};

/// Looks a task up. A new reference to an object that holds a TaskPlan, or null with an exception set.
[[nodiscard]] Ref make_task_plan(const Catalog& catalog, const std::string& name, std::uint64_t catalog_version);
[[nodiscard]] const TaskPlan& task_plan_of(PyObject* object) noexcept;

/// The result of a task as a Table. It may have been made by another version than the plan's, for example during a
/// swap. `context` holds a TaskPlan.
[[nodiscard]] PyObject* decode_result(PyObject* context, Reply reply);
/// The same, with the signature of Decode.
[[nodiscard]] inline PyObject* decode_table(PyObject* context, Reply reply, Ref& /*failure*/) {
  return decode_result(context, std::move(reply));
}

/// Creates the type. Null with an exception set.
[[nodiscard]] Ref make_task_plan_type(PyObject* module);

}  // namespace tenon::python
