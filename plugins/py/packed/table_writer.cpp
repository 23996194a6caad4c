#include "table_writer.hpp"

#include <cstring>
#include <limits>

namespace py {

using flatbuffers::uoffset_t;
using reflection::BaseType;
using tenon::python::BufferView;

namespace {

constexpr std::size_t kMaxDepth = 64;

bool is_outside(BaseType type) {
  return type == reflection::String || type == reflection::Obj || type == reflection::Vector;
}

template <typename T>
T load(const std::uint8_t* bytes) {
  T value;
  std::memcpy(&value, bytes, sizeof value);
  return value;
}

template <typename T>
void store(std::uint8_t* out, T value) {
  std::memcpy(out, &value, sizeof value);
}

/// The buffer protocol's format letter of items that can be copied unchanged.
char letter_of(BaseType type) {
  switch (type) {
    case reflection::Byte:
      return 'b';
    case reflection::Short:
      return 'h';
    case reflection::UShort:
      return 'H';
    case reflection::Int:
      return 'i';
    case reflection::UInt:
      return 'I';
    case reflection::Long:
      return 'q';
    case reflection::ULong:
      return 'Q';
    case reflection::Float:
      return 'f';
    case reflection::Double:
      return 'd';
    case reflection::Bool:
      return '?';
    default:
      return 'B';
  }
}

bool format_fits(const Py_buffer& view, BaseType type) {
  if (view.format == nullptr || view.ndim != 1 || static_cast<std::size_t>(view.itemsize) != size_of(type)) {
    return false;
  }
  const char* format = view.format;
  if (*format == '<' || *format == '=' || *format == '@') {
    ++format;
  }
  const char wanted = letter_of(type);
  // A C long has eight bytes here; the item size has been checked.
  const char given = *format == 'l' ? 'q' : *format == 'L' ? 'Q' : *format;
  return given == wanted && format[1] == 0;
}

template <typename T>
uoffset_t room_for(flatbuffers::FlatBufferBuilder& builder, std::size_t count, std::uint8_t** out) {
  T* items = nullptr;
  const uoffset_t offset = builder.CreateUninitializedVector<T>(count, &items).o;
  *out = reinterpret_cast<std::uint8_t*>(items);
  return offset;
}

/// An uninitialised vector of `count` numbers of `size` bytes (1, 2, 4 or 8). The untyped form is
/// deprecated in FlatBuffers 23.
uoffset_t room_for_numbers(flatbuffers::FlatBufferBuilder& builder, std::size_t count, std::size_t size,
                           std::uint8_t** out) {
  switch (size) {
    case 1:
      return room_for<std::uint8_t>(builder, count, out);
    case 2:
      return room_for<std::uint16_t>(builder, count, out);
    case 4:
      return room_for<std::uint32_t>(builder, count, out);
    default:
      return room_for<std::uint64_t>(builder, count, out);
  }
}

}  // namespace

std::string TableWriter::where() const {
  std::string text = "result";
  for (const Step& step : path_) {
    text += step.field != nullptr ? "." + std::string(step.field) : "[" + std::to_string(step.index) + "]";
  }
  return text;
}

bool TableWriter::refuse_type(const char* wanted, PyObject* value) {
  PyErr_Format(PyExc_TypeError, "%s must be %s, and is %s: %.100R", where().c_str(), wanted, Py_TYPE(value)->tp_name,
               value);
  return false;
}

bool TableWriter::has_room(std::size_t size_bytes) {
  if (size_bytes < FLATBUFFERS_MAX_BUFFER_SIZE && builder_.GetSize() + size_bytes < FLATBUFFERS_MAX_BUFFER_SIZE) {
    return true;
  }
  PyErr_Format(PyExc_OverflowError,
               "%s: the result is larger than the 2 GiB that one call can return; return it in parts, or write a file "
               "and return its path",
               where().c_str());
  return false;
}

uoffset_t TableWriter::object(const TablePlan& plan, PyObject* object) {
  if (!plan.type) {
    return fields(plan, {});
  }
  if (path_.size() > 2 * kMaxDepth) {
    PyErr_Format(PyExc_ValueError, "%s is nested too deep, or contains itself", where().c_str());
    return 0;
  }
  auto* const type = reinterpret_cast<PyTypeObject*>(plan.type.get());
  if (!PyObject_TypeCheck(object, type)) {
    refuse_type(type->tp_name, object);
    return 0;
  }
  std::vector<Ref> values;
  values.reserve(plan.fields.size());
  for (const FieldPlan& field : plan.fields) {
    values.emplace_back(PyObject_GetAttr(object, field.name.get()));
    if (!values.back()) {
      return 0;
    }
  }
  return fields(plan, values);
}

uoffset_t TableWriter::value(const TablePlan& plan, PyObject* value) {
  std::vector<Ref> values;
  values.push_back(Ref::share(value));
  return fields(plan, values);
}

uoffset_t TableWriter::fields(const TablePlan& plan, const std::vector<Ref>& values) {
  struct Made {
    uoffset_t offset = 0;
    bool present = false;
    std::uint8_t scalar[8] = {};
  };
  std::vector<Made> made(values.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    const FieldPlan& field = plan.fields[i];
    PyObject* const value = values[i].get();
    path_.push_back({field.text, 0});
    if (value == Py_None) {
      // None in a field that may be absent; a field with a default other than None cannot be None.
      if (field.required || (!is_outside(field.type) && !field.optional)) {
        refuse_type(field.required ? "a value" : "a number", value);
        return 0;
      }
    } else if (is_outside(field.type)) {
      made[i].offset = reference(field, value);
      if (made[i].offset == 0) {
        return 0;
      }
    } else {
      made[i].present = scalar(field.type, field.enumeration, value, made[i].scalar);
      if (!made[i].present) {
        return 0;
      }
    }
    path_.pop_back();
  }
  const uoffset_t start = builder_.StartTable();
  // Largest fields first, which leaves fewer gaps.
  for (const std::size_t size : {std::size_t{8}, std::size_t{4}, std::size_t{2}, std::size_t{1}}) {
    for (std::size_t i = 0; i < values.size(); ++i) {
      const FieldPlan& field = plan.fields[i];
      if (made[i].offset != 0) {
        if (size == sizeof(uoffset_t)) {
          builder_.AddOffset(field.offset, flatbuffers::Offset<void>(made[i].offset));
        }
      } else if (made[i].present && size_of(field.type) == size) {
        switch (size) {
          case 8:
            builder_.AddElement(field.offset, load<std::uint64_t>(made[i].scalar));
            break;
          case 4:
            builder_.AddElement(field.offset, load<std::uint32_t>(made[i].scalar));
            break;
          case 2:
            builder_.AddElement(field.offset, load<std::uint16_t>(made[i].scalar));
            break;
          default:
            builder_.AddElement(field.offset, made[i].scalar[0]);
        }
      }
    }
  }
  return builder_.EndTable(start);
}

uoffset_t TableWriter::reference(const FieldPlan& field, PyObject* value) {
  switch (field.type) {
    case reflection::String:
      return string(value);
    case reflection::Obj:
      return object(*field.table, value);
    default:
      return vector(field, value);
  }
}

uoffset_t TableWriter::string(PyObject* value) {
  if (!PyUnicode_Check(value)) {
    refuse_type("str", value);
    return 0;
  }
  Py_ssize_t size = 0;
  const char* text = PyUnicode_AsUTF8AndSize(value, &size);
  Ref bytes;
  if (text == nullptr) {
    // The string is a path that is not UTF-8.
    PyErr_Clear();
    bytes = Ref(PyUnicode_AsEncodedString(value, "utf-8", "surrogateescape"));
    if (!bytes) {
      return 0;
    }
    text = PyBytes_AS_STRING(bytes.get());
    size = PyBytes_GET_SIZE(bytes.get());
  }
  return has_room(static_cast<std::size_t>(size)) ? builder_.CreateString(text, static_cast<std::size_t>(size)).o : 0;
}

uoffset_t TableWriter::octets(PyObject* value) {
  BufferView view;
  if (!PyObject_CheckBuffer(value) || !view.take(value, PyBUF_CONTIG_RO)) {
    PyErr_Clear();
    refuse_type("bytes", value);
    return 0;
  }
  const auto size = static_cast<std::size_t>(view->len);
  if (!has_room(size)) {
    return 0;
  }
  builder_.ForceVectorAlignment(size, 1, 16);
  return builder_.CreateVector(static_cast<const std::uint8_t*>(view->buf), size).o;
}

uoffset_t TableWriter::vector(const FieldPlan& field, PyObject* value) {
  if (field.element == reflection::UByte && field.enumeration == nullptr) {
    return octets(value);
  }
  const bool outside = is_outside(field.element);
  if (!outside && field.enumeration == nullptr && PyObject_CheckBuffer(value) && !PyBytes_Check(value)) {
    // An array of numpy or of the standard library is copied unchanged.
    BufferView view;
    if (!view.take(value, PyBUF_CONTIG_RO | PyBUF_FORMAT)) {
      return 0;
    }
    if (format_fits(*view, field.element)) {
      const auto size = static_cast<std::size_t>(view->len);
      if (!has_room(size)) {
        return 0;
      }
      std::uint8_t* out = nullptr;
      const std::size_t item = size_of(field.element);
      const uoffset_t offset = room_for_numbers(builder_, size / item, item, &out);
      if (size != 0) {
        std::memcpy(out, view->buf, size);
      }
      return offset;
    }
  }
  if (PyUnicode_Check(value) || PyBytes_Check(value) || PyDict_Check(value)) {
    refuse_type("a list", value);
    return 0;
  }
  // A private tuple: converting an item may run code that changes a list.
  const Ref items(PySequence_Tuple(value));
  if (!items) {
    if (PyErr_ExceptionMatches(PyExc_TypeError) != 0) {
      PyErr_Clear();
      refuse_type("a list", value);
    }
    return 0;
  }
  const auto count = static_cast<std::size_t>(PyTuple_GET_SIZE(items.get()));
  const std::size_t size = size_of(field.element);
  if (!has_room(count * size)) {
    return 0;
  }
  const auto item_at = [&](std::size_t i) { return PyTuple_GET_ITEM(items.get(), static_cast<Py_ssize_t>(i)); };
  if (outside) {
    std::vector<flatbuffers::Offset<void>> offsets(count);
    for (std::size_t i = 0; i < count; ++i) {
      path_.push_back({nullptr, static_cast<Py_ssize_t>(i)});
      offsets[i] = field.element == reflection::String ? string(item_at(i)) : object(*field.table, item_at(i));
      if (offsets[i].IsNull()) {
        return 0;
      }
      path_.pop_back();
    }
    return builder_.CreateVector(offsets).o;
  }
  // Collected in separate memory first: converting an item may run code, and the builder's memory
  // may move.
  std::vector<std::uint8_t> bytes(count * size);
  for (std::size_t i = 0; i < count; ++i) {
    std::uint8_t one[8];
    path_.push_back({nullptr, static_cast<Py_ssize_t>(i)});
    if (!scalar(field.element, field.enumeration, item_at(i), one)) {
      return 0;
    }
    path_.pop_back();
    std::memcpy(bytes.data() + i * size, one, size);
  }
  std::uint8_t* out = nullptr;
  const uoffset_t offset = room_for_numbers(builder_, count, size, &out);
  if (!bytes.empty()) {
    std::memcpy(out, bytes.data(), bytes.size());
  }
  return offset;
}

bool TableWriter::scalar(BaseType type, const EnumPlan* enumeration, PyObject* value, std::uint8_t* out) {
  if (enumeration != nullptr) {
    PyObject* const number = PyDict_GetItemWithError(enumeration->numbers.get(), value);
    if (number == nullptr) {
      PyErr_Clear();
      return refuse_type(("a member of " + enumeration->name).c_str(), value);
    }
    return integer(type, number, out);
  }
  switch (type) {
    case reflection::Bool: {
      // numpy's bool is accepted too; it has no integer value.
      const bool numpy = std::strcmp(Py_TYPE(value)->tp_name, "numpy.bool_") == 0 ||
                         std::strcmp(Py_TYPE(value)->tp_name, "numpy.bool") == 0;
      if (!PyBool_Check(value) && !numpy) {
        return refuse_type("bool", value);
      }
      const int truth = PyObject_IsTrue(value);
      store<std::uint8_t>(out, truth > 0 ? 1 : 0);
      return truth >= 0;
    }
    case reflection::Float:
    case reflection::Double: {
      const double real = PyFloat_AsDouble(value);
      if (real == -1.0 && PyErr_Occurred() != nullptr) {
        if (PyErr_ExceptionMatches(PyExc_TypeError) == 0) {
          return false;
        }
        PyErr_Clear();
        return refuse_type("float", value);
      }
      type == reflection::Double ? store(out, real) : store(out, static_cast<float>(real));
      return true;
    }
    default:
      return integer(type, value, out);
  }
}

bool TableWriter::integer(BaseType type, PyObject* value, std::uint8_t* out) {
  const Ref number(PyNumber_Index(value));
  if (!number) {
    PyErr_Clear();
    return refuse_type("int", value);
  }
  const auto refuse_range = [&](int bits, bool is_signed) {
    PyErr_Clear();
    PyErr_Format(PyExc_OverflowError, "%s is %.100R, which is not in the range of %sint%d", where().c_str(),
                 number.get(), is_signed ? "" : "u", bits);
    return false;
  };
  if (type == reflection::ULong) {
    const unsigned long long wide = PyLong_AsUnsignedLongLong(number.get());
    if (wide == static_cast<unsigned long long>(-1) && PyErr_Occurred() != nullptr) {
      return refuse_range(64, false);
    }
    store<std::uint64_t>(out, wide);
    return true;
  }
  int overflow = 0;
  const long long wide = PyLong_AsLongLongAndOverflow(number.get(), &overflow);
  const auto fit = [&]<typename T>(T) {
    if (overflow != 0 || wide < static_cast<long long>(std::numeric_limits<T>::min()) ||
        wide > static_cast<long long>(std::numeric_limits<T>::max())) {
      return refuse_range(static_cast<int>(sizeof(T) * 8), std::numeric_limits<T>::is_signed);
    }
    store(out, static_cast<T>(wide));
    return true;
  };
  switch (type) {
    case reflection::Byte:
      return fit(std::int8_t{});
    case reflection::Short:
      return fit(std::int16_t{});
    case reflection::UShort:
      return fit(std::uint16_t{});
    case reflection::Int:
      return fit(std::int32_t{});
    case reflection::UInt:
      return fit(std::uint32_t{});
    case reflection::Long:
      return fit(std::int64_t{});
    default:
      return fit(std::uint8_t{});
  }
}

}  // namespace py
