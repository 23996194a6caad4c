/// python/native/log_queue.hpp: the type `LogQueue` of the module: log lines that wait for a thread of Python.
///
/// A runtime gives its lines to a sink on a thread of its own. The sink never waits for the GIL, which a thread may
/// hold that waits for the runtime: it puts the line into a bounded queue, and a thread of Python takes it from there
/// to `logging`.
#pragma once

#include <tenon/log.hpp>

#include "python/native/ref.hpp"

namespace tenon::python {

/// The sink of a LogQueue. False with an exception set when the object is something else.
[[nodiscard]] bool read_log_sink(PyObject* queue, LogSink& sink);

/// Makes the type. Null with an exception set.
[[nodiscard]] Ref make_log_queue_type(PyObject* module);

}  // namespace tenon::python
