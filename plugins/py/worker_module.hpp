/// worker_module.hpp: the built-in module `_tenon_worker`, which the package `tenon` uses inside a task.
#pragma once

#include "python/codec/python_api.hpp"

namespace py {

class Interpreter;

/// For PyImport_AppendInittab. The module belongs to the interpreter that bind_worker_module named.
PyObject* make_worker_module();
void bind_worker_module(Interpreter* interpreter) noexcept;

/// Raises tenon.errors.Cancelled or DeadlineExceeded for what `poll` gave. Always false.
bool raise_stopped(int status);

}  // namespace py
