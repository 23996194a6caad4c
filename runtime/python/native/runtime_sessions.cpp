// Runtime._open: sessions of sources and reduces.
#include <array>
#include <utility>

#include "python/native/errors.hpp"
#include "python/native/quantities.hpp"
#include "python/native/runtime.hpp"
#include "python/native/session.hpp"
#include "python/native/submit.hpp"
#include "python/native/task_plan.hpp"

namespace tenon::python {
namespace {

/// Raises the error for a task of the wrong kind. Always returns null.
PyObject* refuse_kind(const TaskPlan& task) {
  constexpr std::array<const char*, 3> kHow = {"is a plain task; use Runtime.call", "is a source; use Runtime.source",
                                               "is a reduce; use Runtime.reduce"};
  return raise(ErrorCode::kInvalidArgument, task.name + " " + kHow[static_cast<std::size_t>(task.kind)]);
}

bool encode_argument(RuntimeCore& core, const TaskPlan& task, PyObject* given, PyObject* fields, Argument& argument) {
  if (given != Py_None && PyDict_GET_SIZE(fields) > 0) {
    raise(ErrorCode::kInvalidArgument, task.name + ": give an argument or fields by name, not both");
    return false;
  }
  return argument.encode(core.runtime, task, given == Py_None ? fields : given);
}

/// _open(kind, task, argument, fields, params, checkpoint, step_timeout)
PyObject* runtime_open(PyObject* self, PyObject* arguments) {
  return guarded([&]() -> PyObject* {
    const char* kind = nullptr;
    PyObject* name = nullptr;
    PyObject* given = nullptr;
    PyObject* fields = nullptr;
    PyObject* params = nullptr;
    PyObject* checkpoint = nullptr;
    PyObject* step_timeout = nullptr;
    if (PyArg_ParseTuple(arguments, "sOOO!OOO", &kind, &name, &given, &PyDict_Type, &fields, &params, &checkpoint,
                         &step_timeout) == 0) {
      return nullptr;
    }
    RuntimeCore* const core = usable_core(self);
    const Ref plan = core == nullptr ? Ref() : Ref::share(plan_for(self, *core, name));
    if (!plan) {
      return nullptr;
    }
    const TaskPlan& task = task_plan_of(plan.get());
    const bool source = std::string_view(kind) == "source";
    if (task.kind != (source ? TaskKind::kSource : TaskKind::kReduce)) {
      return refuse_kind(task);
    }
    Argument argument;
    if (source && !encode_argument(*core, task, given, fields, argument)) {
      return nullptr;
    }
    CallKeywords keywords;
    const Ref params_name = Ref::steal(PyUnicode_InternFromString("params"));
    if (!params_name || keywords.take(task, params_name.get(), params) == CallKeywords::Taken::kFailed) {
      return nullptr;
    }
    SessionOptions options;
    options.params = keywords.options().params;
    if (!read_seconds("step_timeout", step_timeout, options.step_timeout)) {
      return nullptr;
    }
    if (source) {
      options.argument = argument.reply() != nullptr ? argument.reply()->bytes() : argument.bytes();
    }
    BufferView view;
    if (checkpoint != Py_None) {
      if (!view.take(checkpoint, PyBUF_SIMPLE)) {
        return nullptr;
      }
      options.checkpoint = {static_cast<const std::uint8_t*>(view->buf), static_cast<std::size_t>(view->len)};
    }
    return make_session(self, plan.get(), core->runtime.open(task.name, options));
  });
}

}  // namespace

PyMethodDef runtime_session_methods[] = {
    {"_open", runtime_open, METH_VARARGS, nullptr},
    {nullptr, nullptr, 0, nullptr},
};

}  // namespace tenon::python
