/// worker_module.hpp: the built-in module `_tenon_worker`, which the package `tenon` uses inside a
/// task.
#pragma once

#include "python/codec/python_api.hpp"

#include <tenon/plugin.h>

namespace py {

class CurrentCall;

/// For PyImport_AppendInittab. The module uses the worker passed to bind_worker_module.
PyObject* make_worker_module();
void bind_worker_module(CurrentCall* current, const tenon_worker_t* worker) noexcept;

/// Raises tenon.errors.Cancelled or DeadlineExceeded for a status of `poll`. Always returns false.
bool raise_stopped(int status);

}  // namespace py
