#include "python/native/future.hpp"

#include <structmember.h>

#include <utility>

#include "python/native/completions.hpp"
#include "python/native/errors.hpp"
#include "python/native/quantities.hpp"
#include "python/native/wait.hpp"

namespace tenon::python {
namespace {

FutureObject* as_future(PyObject* object) {
  return reinterpret_cast<FutureObject*>(object);
}

/// The future of an object; null with an exception set if it belongs to another process or to no call.
Future<Reply>* usable_future(PyObject* self) {
  FutureObject* const object = as_future(self);
  if (!object->future.usable()) {
    return raise(ErrorCode::kUnavailable,
                 "this future belongs to the process that this one was forked from; wait for it there");
  }
  if (!object->future->valid()) {
    return raise(ErrorCode::kInvalidArgument, "this future belongs to no call; use one that Runtime.submit returned");
  }
  return &object->future.get();
}

void future_dealloc(PyObject* self) {
  FutureObject* const object = as_future(self);
  PyTypeObject* const type = Py_TYPE(self);
  PyObject_GC_UnTrack(self);
  if (object->weak_references != nullptr) {
    PyObject_ClearWeakRefs(self);
  }
  Py_CLEAR(object->dictionary);
  Py_CLEAR(object->context);
  Py_CLEAR(object->value);
  Py_CLEAR(object->exception);
  object->future.~ProcessBound();
  type->tp_free(self);
  Py_DECREF(type);
}

int future_traverse(PyObject* self, visitproc visit, void* arg) {
  FutureObject* const object = as_future(self);
  Py_VISIT(Py_TYPE(self));
  Py_VISIT(object->dictionary);
  Py_VISIT(object->context);
  Py_VISIT(object->value);
  Py_VISIT(object->exception);
  return 0;
}

int future_clear(PyObject* self) {
  FutureObject* const object = as_future(self);
  Py_CLEAR(object->dictionary);
  Py_CLEAR(object->context);
  Py_CLEAR(object->value);
  Py_CLEAR(object->exception);
  return 0;
}

PyObject* future_new(PyTypeObject* type, PyObject* /*arguments*/, PyObject* /*keywords*/) {
  return make_future(type, {}, nullptr, nullptr);
}

/// Whether the current exception was raised by a signal handler, as for Ctrl-C, rather than by the operation itself.
bool interrupted() {
  return on_main_thread() && PyErr_Occurred() != nullptr && PyErr_ExceptionMatches(PyExc_Exception) == 0;
}

/// Creates `value` or `exception` from the outcome of a complete future. Decoding may let another thread run that does
/// the same; the first result is kept. False with an exception set: a signal handler raised it meanwhile, so it is not
/// the outcome, and the outcome can be requested again.
bool settle(FutureObject* object, const Future<Reply>& future) {
  if (object->value != nullptr || object->exception != nullptr) {
    return true;
  }
  Result<Reply> outcome = future.get();
  Ref value;
  Ref exception;
  if (!outcome) {
    exception = make_exception(outcome.error());
  } else {
    value = Ref::steal(object->decode(object->context, std::move(*outcome), exception));
  }
  if (!value && !exception) {
    if (interrupted()) {
      return false;
    }
    exception = take_exception();
  }
  if (object->value != nullptr || object->exception != nullptr) {
    return true;
  }
  object->value = value.release();
  object->exception = exception.release();
  if (!outcome && object->context != nullptr && PyCallable_Check(object->context) != 0) {
    const Ref noted = Ref::steal(PyObject_CallOneArg(object->context, object->exception));
    if (!noted) {
      PyErr_WriteUnraisable(object->context);
    }
  }
  return true;
}

/// Waits for at most the given time, then settles the outcome. False with an exception set: the time is over, or a
/// signal arrived.
bool wait_and_settle(PyObject* self, PyObject* timeout) {
  FutureObject* const object = as_future(self);
  if (object->value != nullptr || object->exception != nullptr) {
    return true;  // This also works in a child process.
  }
  const Future<Reply>* const future = usable_future(self);
  std::optional<std::chrono::nanoseconds> limit;
  if (future == nullptr || !read_wait("timeout", timeout, limit)) {
    return false;
  }
  const Future<Reply> kept = *future;
  if (on_callback_thread() && !kept.ready() && (!limit || limit->count() > 0)) {
    PyErr_SetString(PyExc_RuntimeError,
                    "a callback of a future waits for a call that has not ended; callbacks run one after another on "
                    "one thread, so that it could wait for itself; add a callback to that future, or wait on another "
                    "thread");
    return false;
  }
  const Waited waited = wait_for(kept, limit ? internal::time_point_after(*limit) : std::nullopt);
  if (waited == Waited::kTimedOut) {
    PyErr_Format(PyExc_TimeoutError, "the call has not ended within %R s; it continues, unless it is cancelled",
                 timeout);
  }
  if (waited != Waited::kDone) {
    return false;
  }
  return settle(object, kept);
}

/// Reads the only argument `timeout`, by position or by name.
bool read_timeout(PyObject* const* arguments, Py_ssize_t count, PyObject* names, PyObject*& timeout) {
  timeout = Py_None;
  const Py_ssize_t named = names == nullptr ? 0 : PyTuple_GET_SIZE(names);
  if (count + named > 1 ||
      (named == 1 && PyUnicode_CompareWithASCIIString(PyTuple_GET_ITEM(names, 0), "timeout") != 0)) {
    PyErr_SetString(PyExc_TypeError, "expected one argument at most, timeout");
    return false;
  }
  if (count + named == 1) {
    timeout = arguments[0];
  }
  return true;
}

PyObject* future_result(PyObject* self, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
  return guarded([&]() -> PyObject* {
    PyObject* timeout = nullptr;
    if (!read_timeout(arguments, count, names, timeout) || !wait_and_settle(self, timeout)) {
      return nullptr;
    }
    FutureObject* const object = as_future(self);
    if (object->exception != nullptr) {
      PyErr_SetObject(reinterpret_cast<PyObject*>(Py_TYPE(object->exception)), object->exception);
      return nullptr;
    }
    return Py_NewRef(object->value);
  });
}

/// The outcome as (value, exception), one of which is None.
PyObject* future_outcome(PyObject* self, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
  return guarded([&]() -> PyObject* {
    PyObject* timeout = nullptr;
    if (!read_timeout(arguments, count, names, timeout) || !wait_and_settle(self, timeout)) {
      return nullptr;
    }
    FutureObject* const object = as_future(self);
    return PyTuple_Pack(2, object->value == nullptr ? Py_None : object->value,
                        object->exception == nullptr ? Py_None : object->exception);
  });
}

PyObject* future_done(PyObject* self, PyObject* /*none*/) {
  FutureObject* const object = as_future(self);
  if (object->value != nullptr || object->exception != nullptr) {
    Py_RETURN_TRUE;
  }
  const Future<Reply>* const future = usable_future(self);
  return future == nullptr ? nullptr : PyBool_FromLong(future->ready());
}

PyObject* future_cancel(PyObject* self, PyObject* /*none*/) {
  FutureObject* const object = as_future(self);
  if (object->value != nullptr || object->exception != nullptr) {
    Py_RETURN_FALSE;
  }
  const Future<Reply>* const future = usable_future(self);
  return future == nullptr ? nullptr : PyBool_FromLong(future->cancel());
}

PyObject* future_cancel_queued(PyObject* self, PyObject* /*none*/) {
  FutureObject* const object = as_future(self);
  if (object->value != nullptr || object->exception != nullptr) {
    Py_RETURN_FALSE;
  }
  const Future<Reply>* const future = usable_future(self);
  return future == nullptr ? nullptr : PyBool_FromLong(future->cancel_queued());
}

PyObject* future_started(PyObject* self, PyObject* /*none*/) {
  FutureObject* const object = as_future(self);
  if (object->value != nullptr || object->exception != nullptr) {
    Py_RETURN_TRUE;
  }
  const Future<Reply>* const future = usable_future(self);
  return future == nullptr ? nullptr : PyBool_FromLong(future->started());
}

PyObject* future_progress(PyObject* self, PyObject* /*none*/) {
  return guarded([&]() -> PyObject* {
    const Future<Reply>* const future = usable_future(self);
    if (future == nullptr) {
      return nullptr;
    }
    const std::optional<Progress> progress = future->progress();
    return progress ? Py_BuildValue("(KK)", static_cast<unsigned long long>(progress->done),
                                    static_cast<unsigned long long>(progress->total))
                    : Py_NewRef(Py_None);
  });
}

PyObject* future_watch(PyObject* self, PyObject* const* arguments, Py_ssize_t count) {
  return guarded([&]() -> PyObject* {
    const Future<Reply>* const future = usable_future(self);
    if (future == nullptr) {
      return nullptr;
    }
    if (count != 2) {
      PyErr_SetString(PyExc_TypeError, "_watch takes completions and a token");
      return nullptr;
    }
    const int watched = watch(future->state(), arguments[0], arguments[1]);
    return watched < 0 ? nullptr : PyBool_FromLong(watched);
  });
}

template <typename Function>
PyCFunction as_method(Function function) {
  return reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(function));
}

PyMethodDef future_methods[] = {
    {"result", as_method(future_result), METH_FASTCALL | METH_KEYWORDS,
     "result($self, /, timeout=None)\n--\n\nWaits for the call and returns its result, or raises what it failed with."},
    {"_outcome", as_method(future_outcome), METH_FASTCALL | METH_KEYWORDS, nullptr},
    {"done", future_done, METH_NOARGS, "done($self, /)\n--\n\nWhether the call has ended, in whichever way."},
    {"cancel", future_cancel, METH_NOARGS,
     "cancel($self, /)\n--\n\nEnds a call that is still queued, and returns True; asks a running one to stop, and "
     "returns "
     "False."},
    {"cancel_queued", future_cancel_queued, METH_NOARGS,
     "cancel_queued($self, /)\n--\n\nEnds the call if no worker has begun it, and returns whether it did."},
    {"started", future_started, METH_NOARGS,
     "started($self, /)\n--\n\nWhether a worker has begun the call, or it has ended."},
    {"progress", future_progress, METH_NOARGS,
     "progress($self, /)\n--\n\nWhat the running task last reported, as (done, total); None when it has reported "
     "nothing."},
    {"_watch", as_method(future_watch), METH_FASTCALL, nullptr},
    {nullptr, nullptr, 0, nullptr},
};

PyMemberDef future_members[] = {
    {"__weaklistoffset__", T_PYSSIZET, offsetof(FutureObject, weak_references), READONLY, nullptr},
    {"__dictoffset__", T_PYSSIZET, offsetof(FutureObject, dictionary), READONLY, nullptr},
    {nullptr, 0, 0, 0, nullptr},
};

}  // namespace

PyObject* make_future(PyTypeObject* type, Future<Reply> future, Decode decode, PyObject* context) {
  PyObject* const self = type->tp_alloc(type, 0);
  if (self != nullptr) {
    FutureObject* const object = as_future(self);
    object->decode = decode;
    object->context = Py_XNewRef(context);
    new (&object->future) ProcessBound<Future<Reply>>(std::move(future));
  }
  return self;
}

Ref make_future_type(PyObject* module) {
  PyType_Slot slots[] = {
      {Py_tp_new, reinterpret_cast<void*>(future_new)},
      {Py_tp_dealloc, reinterpret_cast<void*>(future_dealloc)},
      {Py_tp_traverse, reinterpret_cast<void*>(future_traverse)},
      {Py_tp_clear, reinterpret_cast<void*>(future_clear)},
      {Py_tp_methods, future_methods},
      {Py_tp_members, future_members},
      {Py_tp_doc, const_cast<char*>("A call that is under way.")},
      {0, nullptr},
  };
  PyType_Spec spec = {"tenon._tenon.Future", sizeof(FutureObject), 0,
                      Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC, slots};
  return Ref::steal(PyType_FromModuleAndSpec(module, &spec, nullptr));
}

}  // namespace tenon::python
