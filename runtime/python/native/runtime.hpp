/// python/native/runtime.hpp: the type `Runtime` of the module, over tenon::Runtime.
#pragma once

#include <memory>

#include <tenon/runtime.hpp>

#include "python/native/process_bound.hpp"
#include "python/native/ref.hpp"

namespace tenon::python {

/// A started runtime with what belongs to it. Shared by the Python object and by threads that shut it down.
struct RuntimeCore {
  explicit RuntimeCore(Runtime started) : runtime(std::move(started)) {}
  Runtime runtime;
};

/// The Python object. `core` is null until __init__ has succeeded; it stays when the runtime has been closed, which
/// refuses calls by itself.
struct RuntimeObject {
  PyObject ob_base;
  PyObject* weak_references;
  bool closed;  ///< With the GIL.
  ProcessBound<std::shared_ptr<RuntimeCore>> core;
};

/// The runtime behind a Python object, for a call. Null with an exception set: it was never started, or belongs to the
/// process that this one was forked from.
[[nodiscard]] RuntimeCore* usable_core(PyObject* runtime);

/// Makes the type. Null with an exception set.
[[nodiscard]] Ref make_runtime_type(PyObject* module);

}  // namespace tenon::python
