/// python/native/function_calls.hpp: the type `FunctionCalls` of the module: makes calls of Python functions in a
/// runtime, with one set of options. tenon.Executor uses it.
#pragma once

#include "python/native/ref.hpp"

namespace tenon::python {

/// Creates the type. Null with an exception set.
[[nodiscard]] Ref make_function_calls_type(PyObject* module);

/// _encode_arguments(tuple): bytes, for the settings of the plugin py.
extern PyMethodDef function_call_functions[];

}  // namespace tenon::python
