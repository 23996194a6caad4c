#include "python/native/function_calls.hpp"

#include <limits>
#include <string>
#include <string_view>
#include <utility>

#include "python/native/errors.hpp"
#include "python/native/function_message.hpp"
#include "python/native/function_result.hpp"
#include "python/native/future.hpp"
#include "python/native/options.hpp"
#include "python/native/quantities.hpp"
#include "python/native/runtime.hpp"
#include "python/native/submit.hpp"

namespace tenon::python {
namespace {

/// Maximum number of remembered names. If a program keeps creating functions, the names are forgotten and collected
/// again.
constexpr Py_ssize_t kMaxNames = 1024;

struct FunctionCallsObject {
  PyObject ob_base;
  PyObject* runtime;
  PyObject* name_of;
  PyObject* names;  ///< dict: maps a function to its name.
  PyTypeObject* future_class;
  PyObject* on_failure;  ///< Called with the exception of a call that the runtime reports as failed; or None.
  CallOptions* options;
  bool repeats;  ///< Calls may run again if their worker dies.
};

FunctionCallsObject* as_calls(PyObject* object) {
  return reinterpret_cast<FunctionCallsObject*>(object);
}

bool read_options(PyObject* given, FunctionCallsObject& object) {
  OptionReader reader(given);
  CallOptions& options = *object.options;
  const auto seconds = [&](const char* key, std::optional<std::chrono::nanoseconds>& value) {
    PyObject* const number = reader.find(key);
    return number == nullptr || read_seconds(key, number, value);
  };
  if (!seconds("timeout", options.timeout) || !seconds("queue_timeout", options.queue_timeout) ||
      !seconds("run_timeout", options.run_timeout)) {
    return false;
  }
  if (PyObject* const priority = reader.find("priority")) {
    std::int64_t number = 0;
    if (!read_integer("priority", priority, std::numeric_limits<int>::min(), std::numeric_limits<int>::max(), number)) {
      return false;
    }
    options.priority = static_cast<int>(number);
  }
  std::uint64_t retries = 0;
  reader.read("retries", retries);
  reader.read("affinity", options.affinity_key);
  options.max_attempts = static_cast<std::uint32_t>(retries) + 1;
  object.repeats = retries > 0;
  return reader.ok();
}

PyObject* calls_new(PyTypeObject* type, PyObject* arguments, PyObject* /*keywords*/) {
  return guarded([&]() -> PyObject* {
    PyObject* runtime = nullptr;
    PyObject* name_of = nullptr;
    PyObject* future_class = nullptr;
    PyObject* on_failure = nullptr;
    PyObject* options = nullptr;
    if (PyArg_ParseTuple(arguments, "OOO!OO!", &runtime, &name_of, &PyType_Type, &future_class, &on_failure,
                         &PyDict_Type, &options) == 0) {
      return nullptr;
    }
    if (usable_core(runtime) == nullptr) {
      return nullptr;
    }
    Ref self = Ref::steal(type->tp_alloc(type, 0));
    if (!self) {
      return nullptr;
    }
    FunctionCallsObject& object = *as_calls(self.get());
    object.runtime = Py_NewRef(runtime);
    object.name_of = Py_NewRef(name_of);
    object.future_class = reinterpret_cast<PyTypeObject*>(Py_NewRef(future_class));
    object.on_failure = Py_NewRef(on_failure);
    object.names = PyDict_New();
    object.options = new CallOptions();
    return object.names != nullptr && read_options(options, object) ? self.release() : nullptr;
  });
}

int calls_clear(PyObject* self) {
  Py_CLEAR(as_calls(self)->runtime);
  Py_CLEAR(as_calls(self)->name_of);
  Py_CLEAR(as_calls(self)->names);
  Py_CLEAR(as_calls(self)->future_class);
  Py_CLEAR(as_calls(self)->on_failure);
  return 0;
}

void calls_dealloc(PyObject* self) {
  PyTypeObject* const type = Py_TYPE(self);
  PyObject_GC_UnTrack(self);
  calls_clear(self);
  delete as_calls(self)->options;
  type->tp_free(self);
  Py_DECREF(type);
}

int calls_traverse(PyObject* self, visitproc visit, void* arg) {
  Py_VISIT(Py_TYPE(self));
  Py_VISIT(as_calls(self)->runtime);
  Py_VISIT(as_calls(self)->name_of);
  Py_VISIT(as_calls(self)->names);
  Py_VISIT(as_calls(self)->future_class);
  Py_VISIT(as_calls(self)->on_failure);
  return 0;
}

/// The name of a function, as str. Names of plain functions are remembered, because they do not change; objects such as
/// tenon.source(f), whose text may have changed, are asked each time.
Ref name_of(FunctionCallsObject& object, PyObject* function) {
  const bool remembers = PyFunction_Check(function) || PyCFunction_Check(function) || PyUnicode_CheckExact(function);
  if (remembers) {
    if (PyObject* const known = PyDict_GetItemWithError(object.names, function)) {
      return Ref::share(known);
    }
    if (PyErr_Occurred() != nullptr) {
      PyErr_Clear();  // The object is not hashable.
    }
  }
  Ref name = Ref::steal(PyObject_CallOneArg(object.name_of, function));
  if (!name || PyUnicode_Check(name.get()) == 0) {
    if (name) {
      raise_type("the name of a function is a str");
    }
    return {};
  }
  if (remembers) {
    if (PyDict_GET_SIZE(object.names) >= kMaxNames) {
      PyDict_Clear(object.names);
    }
    if (PyDict_SetItem(object.names, function, name.get()) != 0) {
      PyErr_Clear();
    }
  }
  return name;
}

/// The task and the function name of a call.
struct Target {
  RuntimeCore* core = nullptr;
  Ref name;
  std::string_view text;

  /// False with an exception set.
  [[nodiscard]] bool find(FunctionCallsObject& object, PyObject* function) {
    core = usable_core(object.runtime);
    if (core == nullptr) {
      return false;
    }
    name = name_of(object, function);
    Py_ssize_t size = 0;
    const char* const utf8 = name ? PyUnicode_AsUTF8AndSize(name.get(), &size) : nullptr;
    if (utf8 == nullptr) {
      return false;
    }
    text = {utf8, static_cast<std::size_t>(size)};
    return true;
  }
};

PyObject* submit_message(FunctionCallsObject& object, RuntimeCore& core, std::string_view task,
                         const FunctionMessage& message, Decode decode) {
  std::optional<Future<Reply>> future =
      submit(core.runtime, task, message.argument(), *object.options, core.blocks, core.closed);
  return future ? make_future(object.future_class, std::move(*future), decode, object.on_failure) : nullptr;
}

PyObject* calls_submit(PyObject* self, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
  return guarded([&]() -> PyObject* {
    if (count < 1) {
      return raise_type("submit() takes a function, and its arguments behind it");
    }
    FunctionCallsObject& object = *as_calls(self);
    Target target;
    FunctionMessage message;
    if (!target.find(object, arguments[0]) || !message.encode_call(target.core->runtime, target.text, arguments + 1,
                                                                   static_cast<std::size_t>(count - 1), names)) {
      return nullptr;
    }
    return submit_message(object, *target.core, object.repeats ? "py.call_again" : "py.call", message,
                          decode_function_value);
  });
}

PyObject* calls_submit_group(PyObject* self, PyObject* const* arguments, Py_ssize_t count) {
  return guarded([&]() -> PyObject* {
    if (count != 2 || PyList_Check(arguments[1]) == 0) {
      return raise_type("submit_group() takes a function and a list of tuples of arguments");
    }
    FunctionCallsObject& object = *as_calls(self);
    Target target;
    FunctionMessage message;
    if (!target.find(object, arguments[0]) || !message.encode_calls(target.core->runtime, target.text, arguments[1])) {
      return nullptr;
    }
    return submit_message(object, *target.core, object.repeats ? "py.call_many_again" : "py.call_many", message,
                          decode_function_values);
  });
}

template <typename Function>
PyCFunction as_method(Function function) {
  return reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(function));
}

PyMethodDef calls_methods[] = {
    {"submit", as_method(calls_submit), METH_FASTCALL | METH_KEYWORDS,
     "submit($self, function, /, *args, **kwargs)\n--\n\nCalls a function and returns its future."},
    {"submit_group", as_method(calls_submit_group), METH_FASTCALL,
     "submit_group($self, function, calls, /)\n--\n\nCalls a function for each tuple of arguments of a list. The "
     "future's result "
     "is (values, exception): the values up to the first failure, and that one or None."},
    {nullptr, nullptr, 0, nullptr},
};

// -- functions --------------------------------------------------------------------------------

PyObject* encode_arguments_function(PyObject* /*module*/, PyObject* tuple) {
  return guarded([&]() -> PyObject* { return encode_arguments(tuple); });
}

}  // namespace

PyMethodDef function_call_functions[] = {
    {"_encode_arguments", encode_arguments_function, METH_O, nullptr},
    {nullptr, nullptr, 0, nullptr},
};

Ref make_function_calls_type(PyObject* module) {
  PyType_Slot slots[] = {
      {Py_tp_new, reinterpret_cast<void*>(calls_new)},
      {Py_tp_dealloc, reinterpret_cast<void*>(calls_dealloc)},
      {Py_tp_traverse, reinterpret_cast<void*>(calls_traverse)},
      {Py_tp_clear, reinterpret_cast<void*>(calls_clear)},
      {Py_tp_methods, calls_methods},
      {Py_tp_doc, const_cast<char*>("Calls of Python functions in a runtime, with one set of options.")},
      {0, nullptr},
  };
  PyType_Spec spec = {"tenon._tenon.FunctionCalls", sizeof(FunctionCallsObject), 0,
                      Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC, slots};
  return Ref::steal(PyType_FromModuleAndSpec(module, &spec, nullptr));
}

}  // namespace tenon::python
