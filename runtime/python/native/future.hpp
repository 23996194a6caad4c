/// python/native/future.hpp: the type `Future` of the module: a call that is under way.
///
/// Waiting, completion and cancelling are the runtime's own, so that a caller who waits drives its worker's ring itself
/// and no other thread takes part. tenon/future.py derives the public class from this one and from
/// concurrent.futures.Future, and makes the state of the latter only when someone looks at it.
#pragma once

#include <tenon/future.hpp>

#include "python/native/process_bound.hpp"
#include "python/native/ref.hpp"

namespace tenon::python {

/// Makes the value of a future out of a reply. `context` is what make_future got. A new reference; or null with the
/// exception that the call itself failed with in `failure`; or null with an exception set, when the reply cannot be
/// decoded. With the GIL; again when a signal interrupted it.
using Decode = PyObject* (*)(PyObject* context, Reply reply, Ref& failure);

/// The Python object. `value` and `exception` are null until the outcome has been asked for.
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

/// A new object of `type`, which derives from the module's Future; its __init__ does not run. `context` is shared and
/// may be null; one that can be called is called with the exception of a call that the runtime reports as failed. Null
/// with an exception set.
[[nodiscard]] PyObject* make_future(PyTypeObject* type, Future<Reply> future, Decode decode, PyObject* context);

/// Makes the type. Null with an exception set.
[[nodiscard]] Ref make_future_type(PyObject* module);

}  // namespace tenon::python
