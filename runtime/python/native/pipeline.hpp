/// python/native/pipeline.hpp: the type `Pipeline` of the module: a pipeline file, checked and run.
#pragma once

#include "python/native/ref.hpp"

namespace tenon::python {

/// load_pipeline(path, overrides, options) -> (Pipeline or None, diagnostics). A function of the module.
[[nodiscard]] PyObject* load_pipeline(PyObject* module, PyObject* arguments);

/// Creates the type. Null with an exception set.
[[nodiscard]] Ref make_pipeline_type(PyObject* module);

}  // namespace tenon::python
