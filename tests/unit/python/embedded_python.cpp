#include "embedded_python.hpp"

#include <cstdio>
#include <cstdlib>

#include "codec_module.hpp"
#include "tenon_test/paths.hpp"

namespace tenon::test {
namespace {

using python::Ref;

[[noreturn]] void give_up(const char* what) {
  if (PyErr_Occurred() != nullptr) {
    PyErr_Print();
  }
  std::fprintf(stderr, "%s\n", what);
  std::abort();
}

}  // namespace

void add_python_module(const char* name, PyObject* (*make)()) {
  if (Py_IsInitialized() == 0) {
    PyImport_AppendInittab(name, make);
  }
}

void start_python() {
  if (Py_IsInitialized() != 0) {
    return;
  }
  PyImport_AppendInittab("_codec_test", &make_codec_module);
  PyConfig config;
  PyConfig_InitPythonConfig(&config);
  config.parse_argv = 0;
  config.install_signal_handlers = 0;
  const PyStatus status = Py_InitializeFromConfig(&config);
  PyConfig_Clear(&config);
  if (PyStatus_Exception(status) != 0) {
    give_up("Python did not start");
  }
  PyObject* const path = PySys_GetObject("path");
  for (const auto& entry : {source_dir() / "runtime" / "python", source_dir() / "tests" / "unit" / "python"}) {
    const Ref text(PyUnicode_DecodeFSDefault(entry.c_str()));
    if (!text || PyList_Insert(path, 0, text.get()) < 0) {
      give_up("sys.path cannot be set");
    }
  }
  // The package takes this process for a worker, so it does not load the host's module, which is
  // not built here.
  const Ref marker(PyModule_New("_tenon_worker"));
  if (!marker || PyDict_SetItemString(PyImport_GetModuleDict(), "_tenon_worker", marker.get()) < 0) {
    give_up("sys.modules cannot be set");
  }
}

std::string take_python_error() {
  PyObject* type = nullptr;
  PyObject* error = nullptr;
  PyObject* traceback = nullptr;
  PyErr_Fetch(&type, &error, &traceback);
  if (type == nullptr) {
    return "";
  }
  PyErr_NormalizeException(&type, &error, &traceback);
  if (traceback != nullptr) {
    PyException_SetTraceback(error, traceback);
  }
  const Ref held_type(type);
  const Ref held_error(error);
  const Ref held_traceback(traceback);
  const Ref module(PyImport_ImportModule("traceback"));
  const Ref lines(module ? PyObject_CallMethod(module.get(), "format_exception", "O", error) : nullptr);
  const Ref empty(PyUnicode_FromString(""));
  const Ref text(lines ? PyUnicode_Join(empty.get(), lines.get()) : nullptr);
  const char* const utf8 = text ? PyUnicode_AsUTF8(text.get()) : nullptr;
  std::string copy = utf8 != nullptr ? utf8 : "an error without a text";
  PyErr_Clear();
  return copy;
}

std::string run_python(const std::string& module_name, const std::string& function) {
  start_python();
  const Ref module(PyImport_ImportModule(module_name.c_str()));
  const Ref result(module ? PyObject_CallMethod(module.get(), function.c_str(), nullptr) : nullptr);
  return take_python_error();
}

}  // namespace tenon::test
