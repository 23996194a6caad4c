#include "python/native/runtime.hpp"

#include <structmember.h>

#include <utility>
#include <vector>

#include "python/native/encode.hpp"
#include "python/native/errors.hpp"
#include "python/native/log_queue.hpp"
#include "python/native/options.hpp"
#include "python/native/submit.hpp"
#include "python/native/task_plan.hpp"
#include "python/native/wait.hpp"

namespace tenon::python {

RuntimeCore::RuntimeCore(Runtime started, bool blocks_when_full)
    : blocks(blocks_when_full), runtime(std::move(started)) {
  subscription = runtime.on_event([this](const SwapEvent&) {
    catalog_version.fetch_add(1, std::memory_order_relaxed);
    const std::lock_guard lock(events.mutex);
    ++events.events;
    events.changed.notify_all();
  });
}

void RuntimeCore::shutdown(Shutdown how) {
  closed.store(true);
  runtime.shutdown(how);
  const std::lock_guard lock(events.mutex);
  events.ended = true;
  events.changed.notify_all();
}

namespace {

PyObject* runtime_new(PyTypeObject* type, PyObject* /*arguments*/, PyObject* /*keywords*/) {
  Ref plans = Ref::steal(PyDict_New());
  PyObject* const object = plans ? type->tp_alloc(type, 0) : nullptr;
  if (object != nullptr) {
    as_runtime(object)->plans = plans.release();
    new (&as_runtime(object)->core) ProcessBound<std::shared_ptr<RuntimeCore>>();
  }
  return object;
}

CatalogOptions catalog_options(const RuntimeOptions& options) {
  CatalogOptions catalog;
  catalog.plugin_dirs = options.plugin_dirs;
  catalog.cache_dir = options.cache_dir;
  catalog.worker_executable = options.worker_executable;
  catalog.limits = options.plugin_limits;
  catalog.limits_of = options.limits_of_plugins;
  return catalog;
}

/// Reads the settings of one plugin, from bytes or by its schema. False with an exception set.
bool encode_settings(const Catalog& catalog, const std::string& name, PyObject* value, Buffer& result) {
  const auto plugin = catalog.find_plugin(name);
  if (plugin == nullptr) {
    raise(ErrorCode::kNotFound, "settings: there is no usable plugin '" + name + "' in the plugin directories");
    return false;
  }
  const std::string& type = plugin->schema->settings_type();
  if (type.empty()) {
    raise(ErrorCode::kInvalidArgument, "settings: plugin '" + name + "' has no settings");
    return false;
  }
  const Ref schema = shared_schema(*plugin->schema);
  const ObjectPlan* const plan = schema ? plan_of(schema.get()).find_object(type) : nullptr;
  if (plan == nullptr) {
    return false;
  }
  ScratchBuilder scratch;
  const std::string what = "settings of " + name;
  const flatbuffers::uoffset_t root = TableEncoder(scratch.get(), what).table(*plan, value);
  if (root == 0) {
    return false;
  }
  scratch.get().Finish(flatbuffers::Offset<void>(root));
  result.assign(scratch.get().GetBufferPointer(), scratch.get().GetBufferPointer() + scratch.get().GetSize());
  return true;
}

/// Reads the settings into the options; opens the catalog if a schema is needed for this. False with an exception set.
bool read_settings(PyObject* settings, RuntimeOptions& options) {
  PyObject* name = nullptr;
  PyObject* value = nullptr;
  for (Py_ssize_t at = 0; PyDict_Next(settings, &at, &name, &value) != 0;) {
    std::string plugin;
    if (!read_text(name, plugin)) {
      return false;
    }
    if (PyBytes_Check(value)) {
      const auto* const bytes = reinterpret_cast<const std::uint8_t*>(PyBytes_AS_STRING(value));
      options.plugin_settings[plugin] = Buffer(bytes, bytes + PyBytes_GET_SIZE(value));
      continue;
    }
    if (!options.catalog) {
      const auto opened =
          run_interruptibly<Result<Catalog>>([wanted = catalog_options(options)] { return Catalog::open(wanted); });
      if (!opened) {
        return false;
      }
      if (!*opened) {
        raise(opened->error());
        return false;
      }
      options.catalog = **opened;
    }
    if (!encode_settings(*options.catalog, plugin, value, options.plugin_settings[plugin])) {
      return false;
    }
  }
  return true;
}

int runtime_init(PyObject* self, PyObject* arguments, PyObject* keywords) {
  return guarded([&]() -> int {
    static const char* const names[] = {"options", nullptr};
    PyObject* given = nullptr;
    if (PyArg_ParseTupleAndKeywords(arguments, keywords, "O!", const_cast<char**>(names), &PyDict_Type, &given) == 0) {
      return -1;
    }
    RuntimeObject* const object = as_runtime(self);
    if (object->core.get() != nullptr) {
      PyErr_SetString(PyExc_RuntimeError, "the runtime has been started already; make another one");
      return -1;
    }
    RuntimeOptions options;
    if (!read_runtime_options(given, options)) {
      return -1;
    }
    // submit() waits for room instead.
    const bool blocks = options.overflow == Overflow::kBlock;
    options.overflow = Overflow::kReject;
    OptionReader reader(given);
    if (PyObject* const log = reader.find("log"); log != nullptr && !read_log_sink(log, options.log)) {
      return -1;
    }
    if (PyObject* const settings = reader.find("settings"); settings != nullptr && !read_settings(settings, options)) {
      return -1;
    }
    using Started = Result<std::shared_ptr<RuntimeCore>>;
    const auto started = run_interruptibly<Started>([options = std::move(options), blocks]() mutable -> Started {
      return Runtime::start(std::move(options)).map([blocks](Runtime runtime) {
        return std::make_shared<RuntimeCore>(std::move(runtime), blocks);
      });
    });
    if (!started) {
      return -1;
    }
    if (!*started) {
      raise(started->error());
      return -1;
    }
    object->core.get() = **started;
    return 0;
  });
}

void runtime_dealloc(PyObject* self) {
  RuntimeObject* const object = as_runtime(self);
  PyTypeObject* const type = Py_TYPE(self);
  PyObject_GC_UnTrack(self);
  if (object->weak_references != nullptr) {
    PyObject_ClearWeakRefs(self);
  }
  Py_CLEAR(object->plans);
  if (object->core.usable() && object->core.get() != nullptr) {
    // The last owner shuts down the runtime, which waits for its workers.
    std::shared_ptr<RuntimeCore> core = std::move(object->core.get());
    const WithoutGil without_gil;
    core.reset();
  }
  object->core.~ProcessBound();
  type->tp_free(self);
  Py_DECREF(type);
}

int runtime_traverse(PyObject* self, visitproc visit, void* arg) {
  Py_VISIT(Py_TYPE(self));
  Py_VISIT(as_runtime(self)->plans);
  return 0;
}

int runtime_clear(PyObject* self) {
  PyDict_Clear(as_runtime(self)->plans);
  return 0;
}

/// _close(how): ends the runtime. `how` is the number of a tenon::Shutdown.
PyObject* runtime_close(PyObject* self, PyObject* how) {
  return guarded([&]() -> PyObject* {
    const long number = PyLong_AsLong(how);
    if (number == -1 && PyErr_Occurred() != nullptr) {
      return nullptr;
    }
    RuntimeObject* const object = as_runtime(self);
    if (!object->core.usable() || object->core.get() == nullptr) {
      Py_RETURN_NONE;  // A child has nothing to close, because the runtime belongs to its parent.
    }
    const auto done = run_interruptibly<bool>([core = object->core.get(), number] {
      core->shutdown(static_cast<Shutdown>(number));
      return true;
    });
    return done ? Py_NewRef(Py_None) : nullptr;
  });
}

PyObject* runtime_closed(PyObject* self, void* /*closure*/) {
  RuntimeObject* const object = as_runtime(self);
  return PyBool_FromLong(!object->core.usable() || object->core.get() == nullptr || object->core.get()->closed.load());
}

PyMethodDef lifecycle_methods[] = {
    {"_close", runtime_close, METH_O, nullptr},
    {nullptr, nullptr, 0, nullptr},
};

PyMemberDef runtime_members[] = {
    {"__weaklistoffset__", T_PYSSIZET, offsetof(RuntimeObject, weak_references), READONLY, nullptr},
    {nullptr, 0, 0, 0, nullptr},
};

PyGetSetDef runtime_properties[] = {
    {"closed", runtime_closed, nullptr, "Whether the runtime takes no more calls.", nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr},
};

}  // namespace

RuntimeCore* usable_core(PyObject* runtime) {
  RuntimeObject* const object = as_runtime(runtime);
  if (!object->core.usable()) {
    return raise(ErrorCode::kUnavailable,
                 "this runtime belongs to the process that this one was forked from, and so do its workers; start a "
                 "tenon.Runtime in this process");
  }
  if (object->core.get() == nullptr) {
    return raise(ErrorCode::kUnavailable, "this runtime has not been started; Runtime.__init__ did not run or failed");
  }
  return object->core.get().get();
}

PyObject* plan_for(PyObject* runtime, RuntimeCore& core, PyObject* name) {
  if (!PyUnicode_Check(name)) {
    return raise_type(std::string("a task is given by its name, a str such as 'text.count', not ") +
                      Py_TYPE(name)->tp_name);
  }
  PyObject* const plans = as_runtime(runtime)->plans;
  const std::uint64_t version = core.catalog_version.load(std::memory_order_relaxed);
  PyObject* const known = PyDict_GetItemWithError(plans, name);
  if (known != nullptr && task_plan_of(known).catalog_version == version) {
    return known;
  }
  std::string full_name;
  if (PyErr_Occurred() != nullptr || !read_text(name, full_name)) {
    return nullptr;
  }
  const Ref plan = make_task_plan(core.runtime.catalog(), full_name, version);
  return plan && PyDict_SetItem(plans, name, plan.get()) == 0 ? plan.get() : nullptr;
}

Ref make_runtime_type(PyObject* module) {
  if (!CallKeywords::prepare()) {
    return {};
  }
  static std::vector<PyMethodDef> methods;
  methods.clear();
  for (PyMethodDef* part : {lifecycle_methods, runtime_call_methods, runtime_catalog_methods, runtime_session_methods,
                            runtime_swap_methods}) {
    for (; part->ml_name != nullptr; ++part) {
      methods.push_back(*part);
    }
  }
  methods.push_back({nullptr, nullptr, 0, nullptr});
  PyType_Slot slots[] = {
      {Py_tp_new, reinterpret_cast<void*>(runtime_new)},
      {Py_tp_init, reinterpret_cast<void*>(runtime_init)},
      {Py_tp_dealloc, reinterpret_cast<void*>(runtime_dealloc)},
      {Py_tp_traverse, reinterpret_cast<void*>(runtime_traverse)},
      {Py_tp_clear, reinterpret_cast<void*>(runtime_clear)},
      {Py_tp_methods, methods.data()},
      {Py_tp_members, runtime_members},
      {Py_tp_getset, runtime_properties},
      {0, nullptr},
  };
  PyType_Spec spec = {"tenon._tenon.Runtime", sizeof(RuntimeObject), 0,
                      Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC, slots};
  return Ref::steal(PyType_FromModuleAndSpec(module, &spec, nullptr));
}

}  // namespace tenon::python
