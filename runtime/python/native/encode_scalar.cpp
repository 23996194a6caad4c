#include <cmath>
#include <cstring>
#include <limits>

#include "base/text.hpp"
#include "python/native/encode.hpp"
#include "python/native/errors.hpp"

namespace tenon::python {

using internal::BaseType;
using internal::EnumModel;
using internal::EnumValueModel;
using internal::TypeRef;

namespace {

struct Range {
  std::int64_t least;
  std::uint64_t greatest;
};

template <typename T>
constexpr Range range_of() {
  return {static_cast<std::int64_t>(std::numeric_limits<T>::min()),
          static_cast<std::uint64_t>(std::numeric_limits<T>::max())};
}

Range integer_range(BaseType type) {
  switch (type) {
    case BaseType::kByte:
      return range_of<std::int8_t>();
    case BaseType::kShort:
      return range_of<std::int16_t>();
    case BaseType::kUShort:
      return range_of<std::uint16_t>();
    case BaseType::kInt:
      return range_of<std::int32_t>();
    case BaseType::kUInt:
      return range_of<std::uint32_t>();
    case BaseType::kLong:
      return range_of<std::int64_t>();
    case BaseType::kULong:
      return range_of<std::uint64_t>();
    case BaseType::kBool:
      return {0, 1};
    default:
      return range_of<std::uint8_t>();
  }
}

/// Little endian, as the format requires and as on every machine that tenon supports.
void store(BaseType type, std::int64_t value, std::uint8_t* out) {
  std::memcpy(out, &value, internal::scalar_size_bytes(type));
}

std::string names_of(const EnumModel& model) {
  std::string names;
  for (std::size_t i = 0; i < model.values.size() && i < 20; ++i) {
    names += (i == 0 ? "" : ", ") + model.values[i].name;
  }
  return names + (model.values.size() > 20 ? ", ..." : "");
}

}  // namespace

const char* scalar_name(BaseType type) noexcept {
  switch (type) {
    case BaseType::kBool:
      return "bool";
    case BaseType::kByte:
      return "int8";
    case BaseType::kShort:
      return "int16";
    case BaseType::kUShort:
      return "uint16";
    case BaseType::kInt:
      return "int32";
    case BaseType::kUInt:
      return "uint32";
    case BaseType::kLong:
      return "int64";
    case BaseType::kULong:
      return "uint64";
    case BaseType::kFloat:
      return "float32";
    case BaseType::kDouble:
      return "float64";
    default:
      return "uint8";
  }
}

bool TableEncoder::scalar(SchemaPlan& schema, const TypeRef& type, PyObject* value, std::uint8_t* out) {
  if (internal::is_float(type.base)) {
    double number = 0;
    if (!real(type, value, number)) {
      return false;
    }
    if (type.base == BaseType::kDouble) {
      std::memcpy(out, &number, sizeof number);
    } else {
      const auto narrow = static_cast<float>(number);
      std::memcpy(out, &narrow, sizeof narrow);
    }
    return true;
  }
  std::int64_t number = 0;
  if (type.base == BaseType::kBool && type.index < 0) {
    if (PyBool_Check(value)) {
      *out = value == Py_True ? 1 : 0;
      return true;
    }
    // numpy.bool_ is not an int, and warns when it is converted to one.
    if (PyLong_Check(value) == 0 && std::string_view(Py_TYPE(value)->tp_name).find("bool") != std::string_view::npos) {
      const int truth = PyObject_IsTrue(value);
      if (truth >= 0) {
        *out = static_cast<std::uint8_t>(truth);
      }
      return truth >= 0;
    }
    if (!integer(type, value, "a bool", number)) {
      return false;
    }
  } else if (type.index >= 0) {
    if (!enumerator(schema.model().enumeration(type), type, value, number)) {
      return false;
    }
  } else if (!integer(type, value, "an int", number)) {
    return false;
  }
  store(type.base, number, out);
  return true;
}

bool TableEncoder::integer(const TypeRef& type, PyObject* value, std::string_view expected, std::int64_t& result) {
  Ref index;
  if (!PyLong_CheckExact(value)) {
    if (PyIndex_Check(value) == 0) {
      return refuse_type(std::string(expected) + " (" + scalar_name(type.base) + ")", value);
    }
    index = Ref::steal(PyNumber_Index(value));
    if (!index) {
      return false;  // The exception was raised by its __index__.
    }
    value = index.get();
  }
  const Range range = integer_range(type.base);
  int overflow = 0;
  const long long number = PyLong_AsLongLongAndOverflow(value, &overflow);
  bool fits =
      overflow == 0 && number >= range.least && (number < 0 || static_cast<std::uint64_t>(number) <= range.greatest);
  result = number;
  if (overflow > 0 && type.base == BaseType::kULong) {
    result = static_cast<std::int64_t>(PyLong_AsUnsignedLongLong(value));
    fits = PyErr_Occurred() == nullptr;
    PyErr_Clear();
  }
  return fits || refuse(shown(value) + " is out of range for " + scalar_name(type.base) + " (" +
                        std::to_string(range.least) + " to " + std::to_string(range.greatest) + ")");
}

bool TableEncoder::real(const TypeRef& type, PyObject* value, double& result) {
  if (PyFloat_CheckExact(value)) {
    result = PyFloat_AS_DOUBLE(value);
  } else {
    const PyNumberMethods* const number = Py_TYPE(value)->tp_as_number;
    if (PyUnicode_Check(value) || number == nullptr || (number->nb_float == nullptr && number->nb_index == nullptr)) {
      return refuse_type(std::string("a number (") + scalar_name(type.base) + ")", value);
    }
    result = PyFloat_AsDouble(value);
    if (result == -1.0 && PyErr_Occurred() != nullptr) {
      if (!PyErr_ExceptionMatches(PyExc_OverflowError)) {
        return false;
      }
      PyErr_Clear();
      return refuse(shown(value) + " is out of range for " + scalar_name(type.base));
    }
  }
  if (type.base == BaseType::kFloat && std::isfinite(result) &&
      std::abs(result) > static_cast<double>(std::numeric_limits<float>::max())) {
    return refuse(shown(value) + " is out of range for float32");
  }
  return true;
}

bool TableEncoder::enumerator(const EnumModel& model, const TypeRef& type, PyObject* value, std::int64_t& result) {
  Ref name;
  if (PyUnicode_Check(value)) {
    name = Ref::share(value);
  } else if (PyIndex_Check(value) == 0) {
    // A member of an enum.Enum is encoded by its name.
    name = Ref::steal(PyObject_GetAttrString(value, "name"));
    if (!name || !PyUnicode_Check(name.get())) {
      PyErr_Clear();
      return refuse_type("a name or a number of " + model.name, value);
    }
  } else {
    return integer(type, value, "a name or a number of " + model.name, result) &&
           (model.bit_flags || model.find_value(result) != nullptr ||
            refuse(std::to_string(result) + " is not a value of " + model.name + "; its values are " +
                   names_of(model)));
  }
  Py_ssize_t size = 0;
  const char* const utf8 = PyUnicode_AsUTF8AndSize(name.get(), &size);
  if (utf8 == nullptr) {
    PyErr_Clear();
    return refuse(shown(value) + " is not a value of " + model.name);
  }
  std::string_view rest(utf8, static_cast<std::size_t>(size));
  result = 0;
  // Flags are names separated by spaces or bars; the empty string means none.
  do {
    constexpr std::string_view kBetween = " |";
    std::string_view word = rest;
    if (model.bit_flags) {
      const std::size_t first = rest.find_first_not_of(kBetween);
      if (first == std::string_view::npos) {
        return true;
      }
      word = rest.substr(first);
      word = word.substr(0, word.find_first_of(kBetween));
      rest.remove_prefix(first + word.size());
    } else {
      rest = {};
    }
    const EnumValueModel* const found = model.find_name(word);
    if (found == nullptr) {
      std::vector<std::string> known;
      for (const EnumValueModel& entry : model.values) {
        known.push_back(entry.name);
      }
      const auto nearest = internal::nearest_names(word, known, 1);
      return refuse("'" + internal::printable(word, 80) + "' is not a value of " + model.name +
                    (nearest.empty() ? "; its values are " + names_of(model)
                                     : "; did you mean '" + std::string(nearest.front()) + "'?"));
    }
    result |= found->value;
  } while (!rest.empty());
  return true;
}

bool TableEncoder::refuse(const std::string& message) {
  raise(ErrorCode::kInvalidArgument, located(message));
  return false;
}

bool TableEncoder::refuse_type(const std::string& expected, PyObject* value) {
  raise_type(located("expected " + expected + ", not " + Py_TYPE(value)->tp_name));
  return false;
}

std::string TableEncoder::located(const std::string& message) const {
  std::string result(what_);
  std::string path;
  for (const Step& step : path_) {
    if (step.field.empty()) {
      path += "[" + std::to_string(step.index) + "]";
    } else {
      path += (path.empty() ? "" : ".") + std::string(step.field);
    }
  }
  // Data that contains itself has a long path.
  if (constexpr std::size_t kLongestPath = 200; path.size() > kLongestPath) {
    path.resize(kLongestPath);
    path.append("...");
  }
  if (!path.empty()) {
    path.append(": ");
  }
  result.append(": ").append(path).append(message);
  return result;
}

std::string shown(PyObject* value) {
  const Ref text = Ref::steal(PyObject_Repr(value));
  std::string result = "a value";
  if (text) {
    if (const char* const utf8 = PyUnicode_AsUTF8(text.get())) {
      result = internal::printable(utf8, 60);
    }
  }
  PyErr_Clear();
  return result;
}

}  // namespace tenon::python
