#include "python/native/task_plan.hpp"

#include <utility>

#include "python/native/errors.hpp"
#include "python/native/table.hpp"

namespace tenon::python {
namespace {

struct TaskPlanObject {
  PyObject ob_base;
  TaskPlan* plan;
};

PyTypeObject* g_task_plan_type = nullptr;

const TaskPlan& plan_at(PyObject* object) {
  return *reinterpret_cast<TaskPlanObject*>(object)->plan;
}

void task_plan_dealloc(PyObject* self) {
  PyTypeObject* const type = Py_TYPE(self);
  delete reinterpret_cast<TaskPlanObject*>(self)->plan;
  type->tp_free(self);
  Py_DECREF(type);
}

PyObject* get_name(PyObject* self, void* /*closure*/) {
  return text(plan_at(self).name).release();
}
PyObject* get_kind(PyObject* self, void* /*closure*/) {
  constexpr const char* kNames[] = {"plain", "source", "reduce"};
  return PyUnicode_FromString(kNames[static_cast<int>(plan_at(self).kind)]);
}
PyObject* get_idempotent(PyObject* self, void* /*closure*/) {
  return PyBool_FromLong(plan_at(self).info->idempotent);
}
PyObject* get_documentation(PyObject* self, void* /*closure*/) {
  return text(plan_at(self).info->documentation).release();
}
PyObject* get_argument_type(PyObject* self, void* /*closure*/) {
  return text(plan_at(self).info->argument_type).release();
}
PyObject* get_result_type(PyObject* self, void* /*closure*/) {
  return text(plan_at(self).info->result_type).release();
}
PyObject* get_params_type(PyObject* self, void* /*closure*/) {
  return text(plan_at(self).info->params_type).release();
}
PyObject* get_plugin(PyObject* self, void* /*closure*/) {
  const PluginInfo& plugin = *plan_at(self).plugin;
  return PyUnicode_FromFormat("%s %s", plugin.name.c_str(), plugin.version.c_str());
}

/// describe(type): (documentation, fields, enum values) of a table, struct or enum of the schema; None if it has no
/// such type. A field is (name, type, default, required, documentation).
PyObject* task_plan_describe(PyObject* self, PyObject* name) {
  return guarded([&]() -> PyObject* {
    const char* const utf8 = PyUnicode_AsUTF8(name);
    if (utf8 == nullptr) {
      return nullptr;
    }
    const auto type = plan_at(self).plugin->schema->find_type(utf8);
    if (!type) {
      Py_RETURN_NONE;
    }
    const Ref fields = Ref::steal(PyList_New(0));
    const Ref values = Ref::steal(PyList_New(0));
    const Ref documentation = text(type->documentation);
    if (!fields || !values || !documentation) {
      return nullptr;
    }
    for (const FieldInfo& field : type->fields) {
      if (field.deprecated) {
        continue;
      }
      const Ref words = text(field.documentation);
      const Ref entry =
          words
              ? Ref::steal(Py_BuildValue("(sssOO)", field.name.c_str(), field.type.c_str(), field.default_value.c_str(),
                                         field.required ? Py_True : Py_False, words.get()))
              : Ref();
      if (!entry || PyList_Append(fields.get(), entry.get()) != 0) {
        return nullptr;
      }
    }
    for (const std::string& value : type->enum_values) {
      const Ref entry = text(value);
      if (!entry || PyList_Append(values.get(), entry.get()) != 0) {
        return nullptr;
      }
    }
    return PyTuple_Pack(3, documentation.get(), fields.get(), values.get());
  });
}

PyMethodDef task_plan_methods[] = {
    {"describe", task_plan_describe, METH_O, nullptr},
    {nullptr, nullptr, 0, nullptr},
};

PyGetSetDef task_plan_properties[] = {
    {"name", get_name, nullptr, nullptr, nullptr},
    {"kind", get_kind, nullptr, nullptr, nullptr},
    {"idempotent", get_idempotent, nullptr, nullptr, nullptr},
    {"documentation", get_documentation, nullptr, nullptr, nullptr},
    {"argument_type", get_argument_type, nullptr, nullptr, nullptr},
    {"result_type", get_result_type, nullptr, nullptr, nullptr},
    {"params_type", get_params_type, nullptr, nullptr, nullptr},
    {"plugin", get_plugin, nullptr, nullptr, nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr},
};

}  // namespace

Ref make_task_plan(const Catalog& catalog, const std::string& name, std::uint64_t catalog_version) {
  auto found = catalog.find_task(name);
  if (!found) {
    raise(found.error());
    return {};
  }
  auto plan = std::make_unique<TaskPlan>();
  plan->name = name;
  plan->kind = found->task->kind;
  plan->result_type = found->task->result_type;
  plan->schema = shared_schema(*found->plugin->schema);
  plan->plugin = found->plugin;
  plan->info = found->task;
  plan->catalog_version = catalog_version;
  if (!plan->schema) {
    return {};
  }
  SchemaPlan& schema = plan_of(plan->schema.get());
  plan->argument = schema.find_object(found->task->argument_type);
  plan->result = schema.find_object(found->task->result_type);
  const bool has_params = !found->task->params_type.empty();
  if (has_params) {
    plan->params = schema.find_object(found->task->params_type);
  }
  if (plan->argument == nullptr || plan->result == nullptr || (has_params && plan->params == nullptr)) {
    if (PyErr_Occurred() == nullptr) {
      raise(ErrorCode::kCorrupt,
            "the schema of plugin " + found->plugin->name + " lacks a table that its task " + name + " names");
    }
    return {};
  }
  Ref object = Ref::steal(g_task_plan_type->tp_alloc(g_task_plan_type, 0));
  if (object) {
    reinterpret_cast<TaskPlanObject*>(object.get())->plan = plan.release();
  }
  return object;
}

const TaskPlan& task_plan_of(PyObject* object) noexcept {
  return plan_at(object);
}

PyObject* decode_result(PyObject* context, Reply reply) {
  const TaskPlan& plan = task_plan_of(context);
  const PluginInfo* const maker = reply.plugin();
  if (maker == nullptr || maker == plan.plugin.get() || !maker->schema) {
    return make_root_table(plan.schema.get(), *plan.result, std::move(reply));
  }
  const Ref schema = shared_schema(*maker->schema);
  const ObjectPlan* const result = schema ? plan_of(schema.get()).find_object(plan.result_type) : nullptr;
  if (result == nullptr) {
    if (PyErr_Occurred() == nullptr) {
      raise(ErrorCode::kIncompatible, "version " + maker->version + " of plugin " + maker->name + " has no table " +
                                          plan.result_type + ", which the result of " + plan.name + " was");
    }
    return nullptr;
  }
  return make_root_table(schema.get(), *result, std::move(reply));
}

Ref make_task_plan_type(PyObject* module) {
  PyType_Slot slots[] = {
      {Py_tp_dealloc, reinterpret_cast<void*>(task_plan_dealloc)},
      {Py_tp_methods, task_plan_methods},
      {Py_tp_getset, task_plan_properties},
      {0, nullptr},
  };
  PyType_Spec spec = {"tenon._tenon.TaskPlan", sizeof(TaskPlanObject), 0,
                      Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, slots};
  Ref type = Ref::steal(PyType_FromModuleAndSpec(module, &spec, nullptr));
  g_task_plan_type = reinterpret_cast<PyTypeObject*>(type.get());
  return type;
}

}  // namespace tenon::python
