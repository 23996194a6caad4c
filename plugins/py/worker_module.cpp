#include "worker_module.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <string>

#include "current_call.hpp"

namespace py {
namespace {

using tenon::python::BufferView;
using tenon::python::Ref;

/// SUBTLE: functions of a Python module receive no pointer of ours, and a process has one
/// interpreter; therefore the globals.
CurrentCall* g_current = nullptr;
const tenon_worker_t* g_worker = nullptr;

/// The running call; null if there is none, with an exception if `needed`.
tenon_call_t* running(bool needed) {
  tenon_call_t* const call = g_current != nullptr ? g_current->get() : nullptr;
  if (call == nullptr && needed) {
    PyErr_SetString(PyExc_RuntimeError,
                    "no task is running in this worker; call this from the function that the host called, or from a "
                    "thread that it waits for");
  }
  return call;
}

PyObject* check(PyObject*, PyObject*) {
  tenon_call_t* const call = running(false);
  const tenon_status_t status = call != nullptr ? call->functions->poll(call) : TENON_OK;
  if (status != TENON_OK) {
    raise_stopped(status);
    return nullptr;
  }
  Py_RETURN_NONE;
}

/// The handler of SIGINT, which the watcher sends to the task thread. A signal that arrives late
/// does nothing.
PyObject* on_interrupt(PyObject* self, PyObject*) {
  return check(self, nullptr);
}

PyObject* progress(PyObject*, PyObject* args) {
  unsigned long long done = 0;
  unsigned long long total = 0;
  if (PyArg_ParseTuple(args, "KK", &done, &total) == 0) {
    return nullptr;
  }
  if (tenon_call_t* const call = running(false)) {
    call->functions->progress(call, done, total);
  }
  Py_RETURN_NONE;
}

PyObject* log(PyObject*, PyObject* args) {
  int level = 0;
  const char* message = nullptr;
  if (PyArg_ParseTuple(args, "is", &level, &message) == 0) {
    return nullptr;
  }
  level = std::clamp<int>(level, TENON_LOG_DEBUG, TENON_LOG_ERROR);
  if (tenon_call_t* const call = running(false)) {
    call->functions->log(call, level, message);
  } else if (g_worker != nullptr) {
    g_worker->log(g_worker, level, message);
  }
  Py_RETURN_NONE;
}

PyObject* info(PyObject*, PyObject*) {
  const tenon_call_t* const call = running(false);
  const char* const index = std::getenv("TENON_WORKER_INDEX");
  return Py_BuildValue("{s:K,s:i,s:K,s:I}", "id", static_cast<unsigned long long>(g_worker->worker_id), "index",
                       index != nullptr ? std::atoi(index) : 0, "call_id",
                       static_cast<unsigned long long>(call != nullptr ? call->call_id : 0), "attempt",
                       static_cast<unsigned int>(call != nullptr ? call->attempt : 0));
}

PyObject* invoke(PyObject*, PyObject* args) {
  const char* task = nullptr;
  PyObject* argument = nullptr;
  PyObject* params = nullptr;
  if (PyArg_ParseTuple(args, "sOO", &task, &argument, &params) == 0) {
    return nullptr;
  }
  tenon_call_t* const call = running(true);
  if (call == nullptr) {
    return nullptr;
  }
  if (!g_current->on_task_thread()) {
    PyErr_SetString(PyExc_RuntimeError,
                    "a task can be called only from the thread that runs the calling task; pass the "
                    "work to that thread, for example by a queue");
    return nullptr;
  }
  BufferView argument_view;
  BufferView params_view;
  if (!argument_view.take(argument, PyBUF_SIMPLE) || (params != Py_None && !params_view.take(params, PyBUF_SIMPLE))) {
    return nullptr;
  }
  const tenon_bytes_t argument_bytes{static_cast<const std::uint8_t*>(argument_view->buf),
                                     static_cast<std::uint64_t>(argument_view->len)};
  tenon_bytes_t params_bytes{nullptr, 0};
  if (params != Py_None) {
    params_bytes = {static_cast<const std::uint8_t*>(params_view->buf), static_cast<std::uint64_t>(params_view->len)};
  }
  tenon_bytes_t result{};
  tenon_status_t status = TENON_OK;
  std::string message;
  {
    // Another call may run meanwhile, nested in this one.
    PyThreadState* const detached = PyEval_SaveThread();
    status = call->functions->invoke(call, task, argument_bytes, params_bytes, &result);
    if (status != TENON_OK) {
      message = call->functions->last_error(call);
    }
    PyEval_RestoreThread(detached);
  }
  if (status != TENON_OK) {
    return Py_BuildValue("is", static_cast<int>(status), message.c_str());
  }
  // A copy: the result is freed when the calling task returns, and the object may live longer.
  return Py_BuildValue("iy#", 0, reinterpret_cast<const char*>(result.data),
                       static_cast<Py_ssize_t>(result.size_bytes));
}

}  // namespace

bool raise_stopped(int status) {
  const Ref module(PyImport_ImportModule("tenon.errors"));
  const Ref error(module ? PyObject_CallMethod(
                               module.get(), "_from_native", "is{}", status,
                               status == TENON_DEADLINE ? "the deadline of the call passed" : "the call was cancelled")
                         : nullptr);
  if (error) {
    PyErr_SetObject(reinterpret_cast<PyObject*>(Py_TYPE(error.get())), error.get());
  }
  return false;
}

void bind_worker_module(CurrentCall* current, const tenon_worker_t* worker) noexcept {
  g_current = current;
  g_worker = worker;
}

PyObject* make_worker_module() {
  static PyMethodDef methods[] = {
      {"check", &check, METH_NOARGS, nullptr},
      {"progress", &progress, METH_VARARGS, nullptr},
      {"log", &log, METH_VARARGS, nullptr},
      {"info", &info, METH_NOARGS, nullptr},
      {"invoke", &invoke, METH_VARARGS, nullptr},
      {"_on_interrupt", &on_interrupt, METH_VARARGS, nullptr},
      {nullptr, nullptr, 0, nullptr},
  };
  static PyModuleDef module = {
      PyModuleDef_HEAD_INIT, "_tenon_worker", nullptr, -1, methods, nullptr, nullptr, nullptr, nullptr};
  return PyModule_Create(&module);
}

}  // namespace py
