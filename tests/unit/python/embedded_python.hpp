/// An interpreter in this program, with the codec as the module `_codec_test` and the package
/// `tenon` from its sources.
#pragma once

#include "python/codec/python_api.hpp"

#include <string>

namespace tenon::test {

/// Starts the interpreter once for the whole program. It is never finalized, because numpy cannot
/// be started twice.
void start_python();

/// Adds a module that is built into the program. Call it before the interpreter starts, or only
/// once.
void add_python_module(const char* name, PyObject* (*make)());

/// Runs a function of a Python module beside this file. Returns "" or the traceback.
std::string run_python(const std::string& module, const std::string& function);

/// Returns the text of the current exception and clears it; "" if there is none.
std::string take_python_error();

}  // namespace tenon::test
