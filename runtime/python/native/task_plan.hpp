/// python/native/task_plan.hpp: a task as the module calls it: its schema, and the tables of its argument and result.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include <tenon/catalog.hpp>
#include <tenon/reply.hpp>

#include "python/native/ref.hpp"
#include "python/native/schema.hpp"

namespace tenon::python {

/// A task of one version of its plugin. Immutable; with the GIL.
struct TaskPlan {
  std::string name;  ///< Full, as in "image.thumbnail".
  TaskKind kind = TaskKind::kPlain;
  std::string result_type;
  Ref schema;  ///< The SchemaObject that owns the plans.
  const ObjectPlan* argument = nullptr;
  const ObjectPlan* result = nullptr;
  const ObjectPlan* params = nullptr;  ///< Null when the task has none.
  std::shared_ptr<const PluginInfo> plugin;
  const TaskInfo* info = nullptr;  ///< In the plugin's schema.
  /// Of the runtime's catalog when it was looked up: a later one may have another version.
  std::uint64_t catalog_version = 0;
};

/// Looks a task up. A new reference to an object that holds a TaskPlan, or null with an exception set.
[[nodiscard]] Ref make_task_plan(const Catalog& catalog, const std::string& name, std::uint64_t catalog_version);
[[nodiscard]] const TaskPlan& task_plan_of(PyObject* object) noexcept;

/// The result of a task as a Table. The version that made it may be another than the plan's, as during a swap.
/// `context` holds a TaskPlan.
[[nodiscard]] PyObject* decode_result(PyObject* context, Reply reply);
/// The same in the form of Decode.
[[nodiscard]] inline PyObject* decode_table(PyObject* context, Reply reply, Ref& /*failure*/) {
  return decode_result(context, std::move(reply));
}

/// Makes the type. Null with an exception set.
[[nodiscard]] Ref make_task_plan_type(PyObject* module);

}  // namespace tenon::python
