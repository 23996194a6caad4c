/// python/native/errors.hpp: errors of the runtime as Python exceptions.
#pragma once

#include <cstddef>
#include <exception>
#include <string_view>
#include <type_traits>

#include <tenon/error.hpp>

#include "python/native/ref.hpp"

namespace tenon::python {

/// The exception for an error: an instance of the subclass of tenon.Error for its code. Null with another exception set
/// if there is no memory for it.
[[nodiscard]] Ref make_exception(const Error& error);
/// Raises the exception for an error. Always returns null, so that a function of the C API can return this result.
///
/// Once the interpreter is exiting, a daemon thread whose runtime has ended gets SystemExit instead.
std::nullptr_t raise(const Error& error);
/// Raises an error that the module itself has detected.
std::nullptr_t raise(ErrorCode code, std::string_view message);
/// Raises tenon.InvalidType, which is also a TypeError.
std::nullptr_t raise_type(std::string_view message);

/// Converts text of the runtime to str. Paths and messages may contain bytes that are not UTF-8; these become lone
/// surrogates, as in Python's own paths. Null with an exception set.
[[nodiscard]] Ref text(std::string_view utf8);

/// Raises a Python exception for the current C++ exception. Called in an exception handler.
void raise_thrown() noexcept;

/// Runs a function of the C API in which the standard library may throw, for lack of memory or threads.
template <typename Function>
[[nodiscard]] auto guarded(Function function) noexcept -> decltype(function()) {
  try {
    return function();
  } catch (const std::exception&) {
    raise_thrown();
    if constexpr (std::is_pointer_v<decltype(function())>) {
      return nullptr;
    } else {
      return -1;
    }
  }
}

}  // namespace tenon::python
