/// A host in Python for the tests of the plugin `py`: the module `_host_test`.
#pragma once

#include "python/codec/python_api.hpp"

namespace tenon::test {

/// The module `_host_test`, for PyImport_AppendInittab. Its one runtime has these functions:
///   start(workers, executable, path, preload, initializer, initializer_args, environment,
///         log_level, cancel_grace_ms)
///   stop()
///   call(function, args, kwargs, timeout_ms=0, cancel_after_ms=0) -> the function's result; raises
///         the function's exception, or RuntimeError 'code: message' for errors of the runtime
///   call_many(function, [args, ...], stop_at_error) -> ([value, ...], [(index, exception), ...])
///   log() -> [(level, source, message), ...] since the last log()
PyObject* make_host_module();

}  // namespace tenon::test
