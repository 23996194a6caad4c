/// python/native/log_queue.hpp: the type `LogQueue` of the module: log lines that wait for a Python thread.
///
/// A runtime passes its lines to a sink on a separate thread. The sink never waits for the GIL, because a thread that
/// waits for the runtime may hold it: the sink puts the line into a bounded queue, from which a Python thread passes it
/// to `logging`.
#pragma once

#include <tenon/log.hpp>

#include "python/native/ref.hpp"

namespace tenon::python {

/// Gets the sink of a LogQueue. False with an exception set if the object is not a LogQueue.
[[nodiscard]] bool read_log_sink(PyObject* queue, LogSink& sink);

/// Creates the type. Null with an exception set.
[[nodiscard]] Ref make_log_queue_type(PyObject* module);

}  // namespace tenon::python
