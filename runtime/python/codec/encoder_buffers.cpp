// encoder_buffers.cpp: encodes objects that represent memory, and the rare types of the Python half.
#include "python/codec/encoder.hpp"

#include <cstring>

#include "python/codec/rare_types.hpp"

namespace tenon::python {
namespace {

/// Whether memoryview.cast() can recreate this format.
bool can_cast(const char* format) {
  return format[0] != '\0' && format[1] == '\0' && std::strchr("cbB?hHiIlLqQnNfd", format[0]) != nullptr;
}

/// Returns the text of the current exception and clears it.
std::string take_error_text() {
  const Ref error = take_exception();
  const Ref text(error ? PyObject_Str(error.get()) : nullptr);
  const char* const utf8 = text ? PyUnicode_AsUTF8(text.get()) : nullptr;
  std::string copy = utf8 != nullptr ? utf8 : "an error without a text";
  PyErr_Clear();
  return copy;
}

}  // namespace

void Encoder::data(BufferView& view) {
  const auto size = static_cast<std::size_t>(view->len);
  if (size >= out_of_band_min_bytes_) {
    buffers_.take(view);
    writer_.push_uint(buffers_.size() - 1);
  } else {
    writer_.push_blob(view->buf, size);
  }
}

bool Encoder::contiguous_view(PyObject* object, BufferView& view) {
  constexpr int kFlags = PyBUF_C_CONTIGUOUS | PyBUF_FORMAT;
  if (view.take(object, kFlags)) {
    return true;
  }
  if (!PyErr_ExceptionMatches(PyExc_BufferError)) {
    return false;
  }
  PyErr_Clear();
  const Ref copy(PyMemoryView_GetContiguous(object, PyBUF_READ, 'C'));
  return copy && view.take(copy.get(), kFlags);
}

void Encoder::shape(const Py_buffer& view) {
  const std::size_t start = writer_.stack_size();
  for (int i = 0; i < view.ndim; ++i) {
    writer_.push_int(view.shape[i]);
  }
  writer_.end_vector(start, false);
}

bool Encoder::bytearray(PyObject* object) {
  BufferView view;
  if (!view.take(object, PyBUF_SIMPLE)) {
    return false;
  }
  const std::size_t start = writer_.stack_size();
  tag("bytearray");
  data(view);
  writer_.end_vector(start, true);
  return true;
}

bool Encoder::memory_view(PyObject* object) {
  const Py_buffer* const own = PyMemoryView_GET_BUFFER(object);
  const bool readonly = own->readonly != 0;
  BufferView view;
  // A released view is reported here.
  if (!contiguous_view(object, view)) {
    return false;
  }
  const std::string format = view->format != nullptr ? view->format : "B";
  const bool empty_grid = view->len == 0 && view->ndim != 1;
  if (!can_cast(format.c_str()) || empty_grid) {
    return refuse(object, empty_grid ? "an empty memoryview of several dimensions cannot be made again; send its list"
                                     : "a memoryview of the format '" + format +
                                           "' cannot be made again; send view.tobytes() and the format, or an array");
  }
  const std::size_t start = writer_.stack_size();
  tag("memoryview");
  writer_.push_string(format.data(), format.size());
  shape(*view);
  writer_.push_bool(readonly);
  data(view);
  writer_.end_vector(start, true);
  return true;
}

bool Encoder::array_array(PyObject* object) {
  const Ref code(PyObject_GetAttrString(object, "typecode"));
  const char* const text = code ? PyUnicode_AsUTF8(code.get()) : nullptr;
  BufferView view;
  if (text == nullptr || !view.take(object, PyBUF_ND)) {
    return false;
  }
  const std::size_t start = writer_.stack_size();
  tag("array");
  writer_.push_string(text, std::strlen(text));
  writer_.push_int(view->itemsize);
  data(view);
  writer_.end_vector(start, true);
  return true;
}

bool Encoder::ndarray(PyObject* object) {
  const Ref dtype(PyObject_GetAttrString(object, "dtype"));
  const Ref kind(dtype ? PyObject_GetAttrString(dtype.get(), "kind") : nullptr);
  const char* const kind_text = kind ? PyUnicode_AsUTF8(kind.get()) : nullptr;
  if (kind_text == nullptr) {
    return false;
  }
  // For these types, the short form is complete, including the byte order.
  const bool simple = std::strchr("biufcmMSU", kind_text[0]) != nullptr;
  const Ref type(simple ? PyObject_GetAttrString(dtype.get(), "str") : nullptr);
  Ref described;
  if (!simple) {
    PyObject* const describe = RareTypes::instance().dtype_to_data_function();
    described = Ref(describe != nullptr ? PyObject_CallOneArg(describe, dtype.get()) : nullptr);
    if (!described) {
      PyObject* const refused =
          PyErr_Occurred() != nullptr && describe != nullptr ? RareTypes::instance().refused_type() : nullptr;
      if (refused != nullptr && PyErr_ExceptionMatches(refused)) {
        return refuse(object, take_error_text());
      }
      return false;
    }
  } else if (!type) {
    return false;
  }
  // No format is requested, because numpy has none for times.
  BufferView view;
  if (!view.take(object, PyBUF_ANY_CONTIGUOUS)) {
    PyErr_Clear();
    const Ref copy(PyObject_CallMethod(object, "copy", "s", "C"));
    if (!copy || !view.take(copy.get(), PyBUF_ANY_CONTIGUOUS)) {
      return false;
    }
  }
  const std::size_t start = writer_.stack_size();
  tag("ndarray");
  if (!value(simple ? type.get() : described.get())) {
    path_.add_step(".dtype");
    return false;
  }
  shape(*view);
  writer_.push_string(PyBuffer_IsContiguous(&*view, 'C') != 0 ? "C" : "F", 1);
  data(view);
  writer_.end_vector(start, true);
  return true;
}

bool Encoder::rare(PyObject* object) {
  RareTypes& types = RareTypes::instance();
  PyObject* const encode_function = types.encode_function();
  if (encode_function == nullptr) {
    return false;
  }
  const Ref parts(PyObject_CallOneArg(encode_function, object));
  if (!parts) {
    if (PyErr_ExceptionMatches(types.refused_type())) {
      return refuse(object, take_error_text());
    }
    // An exception raised by user code in `__tenon__` is passed on, unless another exception is being encoded.
    if (lenient_ != 0 && !PyErr_ExceptionMatches(PyExc_MemoryError)) {
      return replace_refused(object);
    }
    path_.add_step("");
    return false;
  }
  if (!PyTuple_CheckExact(parts.get()) || PyTuple_GET_SIZE(parts.get()) == 0 ||
      !PyUnicode_CheckExact(PyTuple_GET_ITEM(parts.get(), 0))) {
    PyErr_Format(PyExc_SystemError, "tenon._codec.encode gave no tag for a %s; this is a bug in tenon",
                 Py_TYPE(object)->tp_name);
    return false;
  }
  const char* const name = PyUnicode_AsUTF8(PyTuple_GET_ITEM(parts.get(), 0));
  if (name == nullptr) {
    return false;
  }
  const bool lenient = std::strcmp(name, "exception") == 0;
  lenient_ += lenient ? 1 : 0;
  const std::size_t start = writer_.stack_size();
  tag(name);
  bool done = true;
  for (Py_ssize_t i = 1; i < PyTuple_GET_SIZE(parts.get()); ++i) {
    PyObject* const part = PyTuple_GET_ITEM(parts.get(), i);
    if (!value(part)) {
      // The elements of objects with named parts are in one dict.
      if (PyDict_CheckExact(part) && std::strcmp(name, "dataclass") == 0) {
        path_.key_to_attribute();
      }
      path_.add_step("");
      done = false;
      break;
    }
  }
  lenient_ -= lenient ? 1 : 0;
  if (done) {
    writer_.end_vector(start, true);
  }
  return done;
}

}  // namespace tenon::python
