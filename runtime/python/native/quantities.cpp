#include "python/native/quantities.hpp"

#include <cmath>
#include <string>

#include "python/native/errors.hpp"

namespace tenon::python {
namespace {

std::string type_name(PyObject* value) {
  return Py_TYPE(value)->tp_name;
}

bool read_duration(const char* name, PyObject* value, bool clamps, std::optional<std::chrono::nanoseconds>& result) {
  result.reset();
  if (value == Py_None) {
    return true;
  }
  if (!PyFloat_Check(value) && !PyIndex_Check(value) && Py_TYPE(value)->tp_as_number == nullptr) {
    raise_type(std::string(name) + ": a duration is a number of seconds, not " + type_name(value));
    return false;
  }
  double seconds = PyFloat_AsDouble(value);
  if (seconds == -1.0 && PyErr_Occurred() != nullptr) {
    if (PyErr_ExceptionMatches(PyExc_TypeError)) {
      PyErr_Clear();
      raise_type(std::string(name) + ": a duration is a number of seconds, not " + type_name(value));
    }
    return false;
  }
  if (clamps && seconds < 0) {
    seconds = 0;
  }
  if (std::isnan(seconds) || seconds < 0) {
    raise(ErrorCode::kInvalidArgument,
          std::string(name) + ": " + std::to_string(seconds) + " is not a duration; it is zero or more seconds");
    return false;
  }
  // From a hundred years on, there is no deadline.
  if (constexpr double kLongest = 100.0 * 365 * 86400; seconds < kLongest) {
    result = std::chrono::nanoseconds(static_cast<std::int64_t>(std::ceil(seconds * 1e9)));
  }
  return true;
}

}  // namespace

bool read_seconds(const char* name, PyObject* value, std::optional<std::chrono::nanoseconds>& result) {
  return read_duration(name, value, false, result);
}

bool read_wait(const char* name, PyObject* value, std::optional<std::chrono::nanoseconds>& result) {
  return read_duration(name, value, true, result);
}

bool read_integer(const char* name, PyObject* value, std::int64_t from, std::int64_t to, std::int64_t& result) {
  const Ref number = PyBool_Check(value) ? Ref() : Ref::steal(PyNumber_Index(value));
  if (!number) {
    PyErr_Clear();
    raise_type(std::string(name) + ": expected an int, not " + type_name(value));
    return false;
  }
  int overflow = 0;
  result = PyLong_AsLongLongAndOverflow(number.get(), &overflow);
  if (overflow != 0 || result < from || result > to) {
    raise(ErrorCode::kInvalidArgument,
          std::string(name) + " is out of range: it is from " + std::to_string(from) + " to " + std::to_string(to));
    return false;
  }
  return true;
}

}  // namespace tenon::python
