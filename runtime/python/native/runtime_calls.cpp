// Runtime.call, Runtime.submit and the common code for calling tasks.
#include <utility>

#include "python/native/errors.hpp"
#include "python/native/future.hpp"
#include "python/native/options.hpp"
#include "python/native/runtime.hpp"
#include "python/native/submit.hpp"
#include "python/native/wait.hpp"

namespace tenon::python {
namespace {

PyTypeObject* g_future_class = nullptr;

/// A call as it was passed: task, argument, options. Reads `name, argument=None, /, **keywords`.
class Request {
 public:
  /// False with an exception set.
  [[nodiscard]] bool read(PyObject* self, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
    core_ = usable_core(self);
    if (core_ == nullptr) {
      return false;
    }
    if (count < 1 || count > 2) {
      raise_type(
          "expected a task's name and at most one argument; fields go by name, as in call('text.count', "
          "path='x')");
      return false;
    }
    PyObject* const borrowed = plan_for(self, *core_, arguments[0]);
    if (borrowed == nullptr) {
      return false;
    }
    plan_ = Ref::share(borrowed);
    PyObject* const argument = count == 2 && arguments[1] != Py_None ? arguments[1] : nullptr;
    const Py_ssize_t named = names == nullptr ? 0 : PyTuple_GET_SIZE(names);
    // Most calls have few fields.
    constexpr Py_ssize_t kFew = 16;
    PyObject* few_names[kFew];
    PyObject* few_values[kFew];
    std::vector<PyObject*> many;
    PyObject** field_names = few_names;
    PyObject** field_values = few_values;
    if (named > kFew) {
      many.resize(static_cast<std::size_t>(named) * 2);
      field_names = many.data();
      field_values = many.data() + named;
    }
    std::size_t fields = 0;
    for (Py_ssize_t i = 0; i < named; ++i) {
      PyObject* const name = PyTuple_GET_ITEM(names, i);
      PyObject* const value = arguments[count + i];
      switch (keywords_.take(task(), name, value)) {
        case CallKeywords::Taken::kYes:
          break;
        case CallKeywords::Taken::kFailed:
          return false;
        case CallKeywords::Taken::kNo:
          field_names[fields] = name;
          field_values[fields++] = value;
      }
    }
    if (argument != nullptr && fields > 0) {
      raise(ErrorCode::kInvalidArgument, task().name + ": give an argument or fields by name, not both");
      return false;
    }
    if (argument != nullptr) {
      return argument_.encode(core_->runtime, task(), argument);
    }
    if (argument_.encode(core_->runtime, task(), field_names, field_values, fields)) {
      return true;
    }
    name_misplaced_params(field_names, fields);
    return false;
  }
  [[nodiscard]] std::optional<Future<Reply>> submit() {
    return python::submit(core_->runtime, task().name, argument_, keywords_.options(), core_->blocks, core_->closed);
  }
  [[nodiscard]] const TaskPlan& task() const noexcept { return task_plan_of(plan_.get()); }
  [[nodiscard]] PyObject* plan() const noexcept { return plan_.get(); }

 private:
  /// Says so, in place of the exception that is set, if one of the names is that of a param.
  void name_misplaced_params(PyObject* const* names, std::size_t count) const {
    Ref exception = take_exception();
    for (std::size_t i = 0; i < count && task().params != nullptr; ++i) {
      std::string name;
      if (task().argument->find(names[i]) == ObjectPlan::kNone && task().params->find(names[i]) != ObjectPlan::kNone &&
          read_text(names[i], name)) {
        raise(ErrorCode::kInvalidArgument,
              task().name + ": '" + name + "' is one of its params; give it as params={'" + name + "': ...}");
        return;
      }
    }
    restore_exception(std::move(exception));
  }

  RuntimeCore* core_ = nullptr;
  Ref plan_;
  CallKeywords keywords_;
  Argument argument_;
};

PyObject* runtime_call(PyObject* self, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
  return guarded([&]() -> PyObject* {
    std::optional<Future<Reply>> future;
    Ref plan;
    {
      Request request;
      if (!request.read(self, arguments, count, names)) {
        return nullptr;
      }
      future = request.submit();
      plan = Ref::share(request.plan());
    }
    if (!future) {
      return nullptr;
    }
    if (wait_for(*future) == Waited::kInterrupted) {
      static_cast<void>(future->cancel());
      return nullptr;
    }
    Result<Reply> reply = future->get();
    return reply ? decode_result(plan.get(), std::move(*reply)) : raise(reply.error());
  });
}

PyObject* runtime_submit(PyObject* self, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
  return guarded([&]() -> PyObject* {
    Request request;
    if (!request.read(self, arguments, count, names)) {
      return nullptr;
    }
    std::optional<Future<Reply>> future = request.submit();
    return future ? make_future(g_future_class, std::move(*future), decode_table, request.plan()) : nullptr;
  });
}

PyObject* runtime_task_plan(PyObject* self, PyObject* name) {
  return guarded([&]() -> PyObject* {
    RuntimeCore* const core = usable_core(self);
    return core == nullptr ? nullptr : Py_XNewRef(plan_for(self, *core, name));
  });
}

/// _shared_buffer(count, item_bytes)
PyObject* runtime_shared_buffer(PyObject* self, PyObject* arguments) {
  return guarded([&]() -> PyObject* {
    RuntimeCore* const core = usable_core(self);
    Py_ssize_t count = 0;
    Py_ssize_t item_bytes = 0;
    if (core == nullptr || PyArg_ParseTuple(arguments, "nn", &count, &item_bytes) == 0) {
      return nullptr;
    }
    constexpr Py_ssize_t kMaxBytes = (Py_ssize_t{1} << 31) - (Py_ssize_t{1} << 20);
    if (count < 0 || item_bytes < 1 || count > kMaxBytes / item_bytes) {
      return raise(ErrorCode::kTooLarge, "an argument holds less than 2 GiB; use several arrays");
    }
    return make_shared_buffer(core->runtime, static_cast<std::size_t>(count), static_cast<std::size_t>(item_bytes));
  });
}

template <typename Function>
PyCFunction as_method(Function function) {
  return reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(function));
}

}  // namespace

void set_future_class(PyObject* type) {
  PyTypeObject* const old = std::exchange(g_future_class, reinterpret_cast<PyTypeObject*>(Py_NewRef(type)));
  Py_XDECREF(reinterpret_cast<PyObject*>(old));
}

PyMethodDef runtime_call_methods[] = {
    {"call", as_method(runtime_call), METH_FASTCALL | METH_KEYWORDS,
     "call($self, task, argument=None, /, *, params=None, timeout=None, run_timeout=None, queue_timeout=None, "
     "priority=0, "
     "retries=2, affinity=None, **fields)\n--\n\n"
     "Runs a task and returns its result, a Table.\n\n"
     "task: its full name, such as 'text.count'.\n"
     "argument: a dict, a dataclass, a named tuple, the Table of an earlier call (which is not copied), or a "
     "FlatBuffer as bytes. Without it, the fields of the argument go by name: call('text.count', path='/etc/passwd').\n"
     "params: the task's params, in the same forms.\n"
     "timeout: seconds from now to the end; run_timeout: seconds that one attempt may run, after which its worker is "
     "killed if need be; queue_timeout: seconds until the first attempt begins.\n"
     "priority: higher runs first.\n"
     "retries: further attempts of an idempotent task whose worker dies.\n"
     "affinity: calls with the same key run on the same worker, one after another.\n\n"
     "Raises TaskFailed, WorkerCrashed, DeadlineExceeded, NotFound, InvalidArgument; all are tenon.Error."},
    {"submit", as_method(runtime_submit), METH_FASTCALL | METH_KEYWORDS,
     "submit($self, task, argument=None, /, **options_and_fields)\n--\n\n"
     "The same as call, without waiting: returns a Future, which concurrent.futures and asyncio understand."},
    {"_shared_buffer", runtime_shared_buffer, METH_VARARGS, nullptr},
    {"_task_plan", runtime_task_plan, METH_O, nullptr},
    {nullptr, nullptr, 0, nullptr},
};

}  // namespace tenon::python
