/// An interpreter in this program, with the codec as the module `_codec_test` and the package `tenon` from its sources.
#pragma once

#include "python/codec/python_api.hpp"

#include <string>

namespace tenon::test {

/// Starts the interpreter once for the whole program; it is never finalized, since numpy cannot be started twice.
void start_python();

/// Adds a module that the program has built in. Before the interpreter starts, or once.
void add_python_module(const char* name, PyObject* (*make)());

/// Runs a function of a Python module beside this file. Returns "" or the traceback.
std::string run_python(const std::string& module, const std::string& function);

/// The text of the exception that is set, which is cleared; "" when there is none.
std::string take_python_error();

}  // namespace tenon::test
