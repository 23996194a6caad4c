/// python/native/future.hpp: the type `Future` of the module: a running call.
///
/// Waiting, completing and cancelling use the runtime directly: a waiting caller drives its worker's ring itself, and
/// no other thread is involved. tenon/future.py derives the public class from this one and from
/// concurrent.futures.Future, and creates the state of the latter only when it is accessed.
#pragma once

#include <tenon/future.hpp>

#include "python/native/process_bound.hpp"
#include "python/native/ref.hpp"

namespace tenon::python {

/// Creates the value of a future from a reply. `context` is the one passed to make_future. Returns a new reference; or
/// null with the exception of the failed call in `failure`; or null with an exception set if the reply cannot be
/// decoded. Needs the GIL; called again if a signal interrupted it.
using Decode = PyObject* (*)(PyObject* context, Reply reply, Ref& failure);

/// The Python object. `value` and `exception` are null until the outcome has been requested.
struct FutureObject {
  PyObject ob_base;
  PyObject* weak_references;
  PyObject* dictionary;
  PyObject* context;
  PyObject* value;
  PyObject* exception;
  Decode decode;
  ProcessBound<Future<Reply>> future;
};

/// Creates an object of `type`, which derives from the module's Future; its __init__ does not run. `context` is shared
/// and may be null; if it is callable, it is called with the exception of a call that the runtime reports as failed.
/// Null with an exception set.
[[nodiscard]] PyObject* make_future(PyTypeObject* type, Future<Reply> future, Decode decode, PyObject* context);

/// Creates the type. Null with an exception set.
[[nodiscard]] Ref make_future_type(PyObject* module);

}  // namespace tenon::python
