// The extension module tenon._tenon: tenon::Runtime for Python. Users see the package around it.
#include "python/native/completions.hpp"
#include "python/native/function_calls.hpp"
#include "python/native/function_result.hpp"
#include "python/native/future.hpp"
#include "python/native/log_queue.hpp"
#include "python/native/pipeline.hpp"
#include "python/native/process_bound.hpp"
#include "python/native/ref.hpp"
#include "python/native/runtime.hpp"
#include "python/native/schema.hpp"
#include "python/native/session.hpp"
#include "python/native/shared_buffer.hpp"
#include "python/native/table.hpp"
#include "python/native/task_plan.hpp"
#include "python/native/vector.hpp"
#include "python/native/wait.hpp"

namespace tenon::python {
namespace {

PyObject* after_fork_in_child(PyObject* /*module*/, PyObject* /*none*/) {
  enter_child();
  note_main_thread(PyThread_get_thread_ident());
  Py_RETURN_NONE;
}

PyObject* set_main_thread(PyObject* /*module*/, PyObject* ident) {
  const unsigned long number = PyLong_AsUnsignedLong(ident);
  if (PyErr_Occurred() != nullptr) {
    return nullptr;
  }
  note_main_thread(number);
  Py_RETURN_NONE;
}

PyObject* set_callback_thread(PyObject* /*module*/, PyObject* ident) {
  const unsigned long number = PyLong_AsUnsignedLong(ident);
  if (PyErr_Occurred() != nullptr) {
    return nullptr;
  }
  note_callback_thread(number);
  Py_RETURN_NONE;
}

PyObject* must_end_quietly_function(PyObject* /*module*/, PyObject* /*unused*/) {
  return PyBool_FromLong(must_end_quietly() ? 1 : 0);
}

PyObject* note_exit_function(PyObject* /*module*/, PyObject* /*unused*/) {
  note_exit();
  Py_RETURN_NONE;
}

PyObject* set_future_class_function(PyObject* /*module*/, PyObject* type) {
  if (!PyType_Check(type)) {
    PyErr_SetString(PyExc_TypeError, "expected a class that derives from Future");
    return nullptr;
  }
  set_future_class(type);
  Py_RETURN_NONE;
}

PyMethodDef module_functions[] = {
    {"_set_future_class", set_future_class_function, METH_O, nullptr},
    {"load_pipeline", load_pipeline, METH_VARARGS, nullptr},
    {"asdict", table_asdict, METH_O, nullptr},
    {"array", table_array, METH_VARARGS, nullptr},
    {"_after_fork_in_child", after_fork_in_child, METH_NOARGS, nullptr},
    {"_set_main_thread", set_main_thread, METH_O, nullptr},
    {"_set_callback_thread", set_callback_thread, METH_O, nullptr},
    {"_must_end_quietly", must_end_quietly_function, METH_NOARGS, nullptr},
    {"_note_exit", note_exit_function, METH_NOARGS, nullptr},
    {nullptr, nullptr, 0, nullptr},
};

/// Runtimes have threads and callbacks of one interpreter, and the state of the module belongs to the process.
bool refuse_subinterpreter() {
  if (PyInterpreterState_Get() == PyInterpreterState_Main()) {
    return true;
  }
  PyErr_SetString(PyExc_ImportError,
                  "tenon works in the main interpreter only; start the runtime there, or give the sub-interpreter's "
                  "work a process of its own");
  return false;
}

bool add_type(PyObject* module, const char* name, Ref type) {
  return type && PyModule_AddObjectRef(module, name, type.get()) == 0;
}

int execute(PyObject* module) {
  const bool added = refuse_subinterpreter() && add_type(module, "Schema", make_schema_type(module)) &&
                     add_type(module, "TaskPlan", make_task_plan_type(module)) &&
                     add_type(module, "Table", make_table_type(module)) &&
                     add_type(module, "Vector", make_vector_type(module)) &&
                     add_type(module, "Completions", make_completions_type(module)) &&
                     add_type(module, "Future", make_future_type(module)) &&
                     add_type(module, "ReplyMemory", make_reply_memory_type(module)) &&
                     add_type(module, "FunctionCalls", make_function_calls_type(module)) &&
                     PyModule_AddFunctions(module, function_call_functions) == 0 &&
                     add_type(module, "LogQueue", make_log_queue_type(module)) &&
                     add_type(module, "Session", make_session_type(module)) &&
                     add_type(module, "SharedBuffer", make_shared_buffer_type(module)) &&
                     add_type(module, "Pipeline", make_pipeline_type(module)) &&
                     add_type(module, "Runtime", make_runtime_type(module));
  return added ? 0 : -1;
}

PyModuleDef_Slot module_slots[] = {
    {Py_mod_exec, reinterpret_cast<void*>(execute)},
#ifdef Py_mod_multiple_interpreters
    {Py_mod_multiple_interpreters, Py_MOD_MULTIPLE_INTERPRETERS_NOT_SUPPORTED},
#endif
    {0, nullptr},
};

PyModuleDef module_definition = {
    PyModuleDef_HEAD_INIT, "tenon._tenon", nullptr, 0, module_functions, module_slots, nullptr, nullptr, nullptr,
};

}  // namespace
}  // namespace tenon::python

PyMODINIT_FUNC PyInit__tenon() {
  return PyModuleDef_Init(&tenon::python::module_definition);
}
