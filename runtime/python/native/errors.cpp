#include "python/native/errors.hpp"

#include <new>
#include <string>

#include "python/native/wait.hpp"

namespace tenon::python {
namespace {

/// A function of tenon.errors, imported at its first use: most programs never need one.
Ref errors_function(const char* name) {
  Ref module = Ref::steal(PyImport_ImportModule("tenon.errors"));
  return module ? Ref::steal(PyObject_GetAttrString(module.get(), name)) : Ref();
}

/// Adds an entry to a context, unless `value` is null.
bool put(const Ref& context, const char* key, Ref value) {
  return value && PyDict_SetItemString(context.get(), key, value.get()) == 0;
}

Ref context_of(const ErrorContext& context) {
  Ref result = Ref::steal(PyDict_New());
  if (!result) {
    return {};
  }
  const auto put_text = [&](const char* key, const std::string& value) {
    return value.empty() || put(result, key, text(value));
  };
  const auto put_number = [&](const char* key, std::uint64_t value) {
    return value == 0 || put(result, key, Ref::steal(PyLong_FromUnsignedLongLong(value)));
  };
  const bool filled =
      put_text("task", context.task) && put_text("plugin", context.plugin) && put_number("call_id", context.call_id) &&
      put_number("attempts", context.attempt) &&
      (context.os_code == 0 || put(result, "os_code", Ref::steal(PyLong_FromLong(context.os_code)))) &&
      (context.signal == 0 || put(result, "signal", Ref::steal(PyLong_FromLong(context.signal)))) &&
      (!context.exit_code || put(result, "exit_code", Ref::steal(PyLong_FromLong(*context.exit_code)))) &&
      (!context.charged || put(result, "charged", Ref::share(Py_True))) &&
      put_text("stderr_tail", context.stderr_tail) && put_text("stdout_tail", context.stdout_tail);
  return filled ? std::move(result) : Ref();
}

}  // namespace

Ref text(std::string_view utf8) {
  return Ref::steal(PyUnicode_DecodeUTF8(utf8.data(), static_cast<Py_ssize_t>(utf8.size()), "surrogateescape"));
}

Ref make_exception(const Error& error) {
  const Ref make = errors_function("_from_native");
  const Ref message = text(error.message);
  const Ref context = context_of(error.context);
  if (!make || !message || !context) {
    return {};
  }
  return Ref::steal(
      PyObject_CallFunction(make.get(), "iOO", static_cast<int>(error.code), message.get(), context.get()));
}

std::nullptr_t raise(const Error& error) {
  const bool ended_runtime = error.code == ErrorCode::kCancelled || error.code == ErrorCode::kRejected ||
                             error.code == ErrorCode::kUnavailable;
  if (ended_runtime && must_end_quietly()) {
    // On this exception, `threading` ends a thread silently. A traceback would be printed while the interpreter closes
    // stderr, which Python treats as a fatal error.
    PyErr_SetNone(PyExc_SystemExit);
    return nullptr;
  }
  if (const Ref exception = make_exception(error)) {
    PyErr_SetObject(reinterpret_cast<PyObject*>(Py_TYPE(exception.get())), exception.get());
  }
  return nullptr;
}

std::nullptr_t raise(ErrorCode code, std::string_view message) {
  return raise(Error{code, std::string(message), {}});
}

std::nullptr_t raise_type(std::string_view message) {
  const Ref type = errors_function("InvalidType");
  const Ref words = text(message);
  if (type && words) {
    if (const Ref exception = Ref::steal(PyObject_CallFunction(type.get(), "sO", "invalid_argument", words.get()))) {
      PyErr_SetObject(type.get(), exception.get());
    }
  }
  return nullptr;
}

void raise_thrown() noexcept {
  try {
    throw;
  } catch (const std::bad_alloc&) {
    PyErr_NoMemory();
  } catch (const std::exception& exception) {
    PyErr_SetString(PyExc_RuntimeError, exception.what());
  } catch (...) {
    PyErr_SetString(PyExc_RuntimeError, "something was thrown that is not an exception of the standard library");
  }
}

}  // namespace tenon::python
