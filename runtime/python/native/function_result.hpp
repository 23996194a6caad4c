/// python/native/function_result.hpp: results of the plugin `py` as Python objects.
#pragma once

#include <tenon/reply.hpp>

#include "python/native/ref.hpp"

namespace tenon::python {

/// The value of a py.Value, or null with the exception set that the function raised. `context` is not used.
[[nodiscard]] PyObject* decode_function_value(PyObject* context, Reply reply, Ref& failure);
/// The values of a py.Values up to its first failure, and the exception of that failure: (list, exception or None).
[[nodiscard]] PyObject* decode_function_values(PyObject* context, Reply reply, Ref& failure);

/// Creates the type of the objects that keep a reply alive for arrays that show its memory. Null with an exception set.
[[nodiscard]] Ref make_reply_memory_type(PyObject* module);

}  // namespace tenon::python
