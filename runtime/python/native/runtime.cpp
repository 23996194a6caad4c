#include "python/native/runtime.hpp"

#include <structmember.h>

#include <utility>

#include "python/native/errors.hpp"
#include "python/native/options.hpp"
#include "python/native/wait.hpp"

namespace tenon::python {
namespace {

RuntimeObject* as_runtime(PyObject* object) {
  return reinterpret_cast<RuntimeObject*>(object);
}

PyObject* runtime_new(PyTypeObject* type, PyObject* /*arguments*/, PyObject* /*keywords*/) {
  PyObject* const object = type->tp_alloc(type, 0);
  if (object != nullptr) {
    new (&as_runtime(object)->core) ProcessBound<std::shared_ptr<RuntimeCore>>();
  }
  return object;
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
    using Started = Result<std::shared_ptr<RuntimeCore>>;
    const auto started = run_interruptibly<Started>([options = std::move(options)]() mutable -> Started {
      return Runtime::start(std::move(options)).map([](Runtime runtime) {
        return std::make_shared<RuntimeCore>(std::move(runtime));
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
  if (object->core.usable() && object->core.get() != nullptr) {
    // The last owner ends the runtime, which waits for its workers.
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
  return 0;
}

PyObject* runtime_call(PyObject* self, PyObject* const* arguments, Py_ssize_t count) {
  return guarded([&]() -> PyObject* {
    if (count != 2) {
      PyErr_SetString(PyExc_TypeError, "call takes a task's name and its argument");
      return nullptr;
    }
    RuntimeCore* const core = usable_core(self);
    std::string task;
    Py_buffer view;
    if (core == nullptr || !read_text(arguments[0], task) ||
        PyObject_GetBuffer(arguments[1], &view, PyBUF_SIMPLE) != 0) {
      return nullptr;
    }
    const Future<Reply> future = core->runtime.submit(
        task, BytesView(static_cast<const std::uint8_t*>(view.buf), static_cast<std::size_t>(view.len)));
    PyBuffer_Release(&view);
    if (wait_for(future) == Waited::kInterrupted) {
      static_cast<void>(future.cancel());
      return nullptr;
    }
    const Result<Reply> reply = future.get();
    if (!reply) {
      return raise(reply.error());
    }
    const BytesView bytes = reply->bytes();
    return PyBytes_FromStringAndSize(reinterpret_cast<const char*>(bytes.data()),
                                     static_cast<Py_ssize_t>(bytes.size()));
  });
}

/// close(how): ends the runtime. 0 drains, 1 cancels, 2 kills.
PyObject* runtime_close(PyObject* self, PyObject* how) {
  return guarded([&]() -> PyObject* {
    const long number = PyLong_AsLong(how);
    if (number == -1 && PyErr_Occurred() != nullptr) {
      return nullptr;
    }
    RuntimeObject* const object = as_runtime(self);
    object->closed = true;
    if (!object->core.usable() || object->core.get() == nullptr) {
      Py_RETURN_NONE;  // A child has nothing to close: the runtime is its parent's.
    }
    const auto done = run_interruptibly<bool>([core = object->core.get(), number] {
      core->runtime.shutdown(static_cast<Shutdown>(number));
      return true;
    });
    return done ? Py_NewRef(Py_None) : nullptr;
  });
}

PyObject* runtime_closed(PyObject* self, void* /*closure*/) {
  RuntimeObject* const object = as_runtime(self);
  return PyBool_FromLong(object->closed || !object->core.usable() || object->core.get() == nullptr);
}

PyMethodDef runtime_methods[] = {
    {"call", reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(runtime_call)), METH_FASTCALL, nullptr},
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
                 "this runtime belongs to the process that this one was forked from, and its workers too; start a "
                 "tenon.Runtime of your own in the child");
  }
  if (object->core.get() == nullptr) {
    return raise(ErrorCode::kUnavailable, "this runtime has not been started; call Runtime.__init__ in the subclass");
  }
  return object->core.get().get();
}

Ref make_runtime_type(PyObject* module) {
  PyType_Slot slots[] = {
      {Py_tp_new, reinterpret_cast<void*>(runtime_new)},
      {Py_tp_init, reinterpret_cast<void*>(runtime_init)},
      {Py_tp_dealloc, reinterpret_cast<void*>(runtime_dealloc)},
      {Py_tp_traverse, reinterpret_cast<void*>(runtime_traverse)},
      {Py_tp_methods, runtime_methods},
      {Py_tp_members, runtime_members},
      {Py_tp_getset, runtime_properties},
      {0, nullptr},
  };
  PyType_Spec spec = {"tenon._tenon.Runtime", sizeof(RuntimeObject), 0,
                      Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC, slots};
  return Ref::steal(PyType_FromModuleAndSpec(module, &spec, nullptr));
}

}  // namespace tenon::python
