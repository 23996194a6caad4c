/// python/native/session.hpp: the type `Session` of the module: an open source or reduce.
#pragma once

#include <tenon/runtime.hpp>

#include "python/native/ref.hpp"

namespace tenon::python {

/// Creates the object for a session that is being opened. `plan` holds the TaskPlan. A new reference, or null with an
/// exception set.
[[nodiscard]] PyObject* make_session(PyObject* runtime, PyObject* plan, Future<Session> opening);

/// Creates the type. Null with an exception set.
[[nodiscard]] Ref make_session_type(PyObject* module);

}  // namespace tenon::python
