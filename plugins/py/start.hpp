/// start.hpp: starts CPython in this process.
#pragma once

#include <string>

namespace py {

struct Settings;

/// Starts the interpreter that the settings name, with their environment and path. Throws tenon::TaskError:
/// TENON_NOT_FOUND for an interpreter or a virtual environment that is not there, TENON_INCOMPATIBLE for one of another
/// Python.
void start_python(const Settings& settings);

}  // namespace py
