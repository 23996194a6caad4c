// The extension module tenon._tenon: tenon::Runtime for Python. What users see is the package around it.
#include "python/native/process_bound.hpp"
#include "python/native/ref.hpp"
#include "python/native/runtime.hpp"
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

PyMethodDef module_functions[] = {
    {"_after_fork_in_child", after_fork_in_child, METH_NOARGS, nullptr},
    {"_set_main_thread", set_main_thread, METH_O, nullptr},
    {nullptr, nullptr, 0, nullptr},
};

/// Runtimes have threads and callbacks of one interpreter, and the state of the module is that of the process.
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
  return refuse_subinterpreter() && add_type(module, "Runtime", make_runtime_type(module)) ? 0 : -1;
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
