// decoder_buffers.cpp: decodes objects that represent memory.
#include "python/codec/decoder.hpp"

#include <cstring>
#include <limits>

#include "python/codec/rare_types.hpp"

namespace tenon::python {
namespace {

const char* as_chars(std::span<const std::uint8_t> bytes) {
  return reinterpret_cast<const char*>(bytes.data());
}

PyObject* bytes_of(std::span<const std::uint8_t> bytes) {
  return PyBytes_FromStringAndSize(as_chars(bytes), static_cast<Py_ssize_t>(bytes.size()));
}

PyObject* bytearray_of(std::span<const std::uint8_t> bytes) {
  return PyByteArray_FromStringAndSize(as_chars(bytes), static_cast<Py_ssize_t>(bytes.size()));
}

}  // namespace

bool Decoder::data(const Vector& vector, std::size_t index, std::span<const std::uint8_t>& bytes,
                   std::int64_t& number) {
  number = -1;
  if (index < vector.count && static_cast<FlexType>(vector.type(index) >> 2) == FlexType::kBlob) {
    return element_blob(vector, index, bytes);
  }
  if (!element_integer(vector, index, number)) {
    return false;
  }
  if (number < 0 || static_cast<std::uint64_t>(number) >= source_.buffers.size()) {
    return malformed("they name a buffer that did not come with them");
  }
  bytes = source_.buffers[static_cast<std::size_t>(number)];
  return charge(bytes.size() + 1);
}

PyObject* Decoder::shared_buffer(std::span<const std::uint8_t> bytes) {
  if (!owner_view_) {
    owner_view_ = Ref(PyMemoryView_FromObject(source_.owner));
    if (!owner_view_) {
      return nullptr;
    }
  }
  const Py_buffer* const whole = PyMemoryView_GET_BUFFER(owner_view_.get());
  const auto* const first = static_cast<const std::uint8_t*>(whole->buf);
  const bool inside = bytes.data() >= first && bytes.data() + bytes.size() <= first + whole->len;
  if (!inside || whole->ndim != 1 || whole->itemsize != 1) {
    PyErr_SetString(PyExc_SystemError, "a buffer lies outside of its owner; this is a bug in tenon");
    return nullptr;
  }
  const Py_ssize_t offset = bytes.data() - first;
  return PySequence_GetSlice(owner_view_.get(), offset, offset + static_cast<Py_ssize_t>(bytes.size()));
}

PyObject* Decoder::bytes_object(const Vector& vector) {
  std::span<const std::uint8_t> bytes;
  std::int64_t number = 0;
  return data(vector, 1, bytes, number) ? bytes_of(bytes) : nullptr;
}

PyObject* Decoder::bytearray(const Vector& vector) {
  std::span<const std::uint8_t> bytes;
  std::int64_t number = 0;
  return data(vector, 1, bytes, number) ? bytearray_of(bytes) : nullptr;
}

bool Decoder::sizes(const Vector& vector, std::size_t index, Ref& tuple, std::size_t& product) {
  Vector list;
  if (index >= vector.count || !open_vector(vector.at(index), vector.width, vector.type(index), list)) {
    return malformed("an array has no shape");
  }
  // numpy supports up to 32 dimensions, later versions 64; a memoryview supports 64.
  constexpr std::size_t kMaxDimensions = 64;
  if (list.count > kMaxDimensions) {
    return malformed("an array has too many dimensions");
  }
  tuple = Ref(PyTuple_New(static_cast<Py_ssize_t>(list.count)));
  if (!tuple) {
    return false;
  }
  product = 1;
  for (std::size_t i = 0; i < list.count; ++i) {
    std::int64_t size = 0;
    if (!element_integer(list, i, size)) {
      return false;
    }
    if (size < 0) {
      return malformed("an array has a negative size");
    }
    const auto positive = static_cast<std::size_t>(size);
    if (positive != 0 && product > std::numeric_limits<std::size_t>::max() / positive) {
      return malformed("an array is larger than memory");
    }
    product *= positive;
    PyObject* const number = PyLong_FromLongLong(size);
    if (number == nullptr) {
      return false;
    }
    PyTuple_SET_ITEM(tuple.get(), static_cast<Py_ssize_t>(i), number);
  }
  return true;
}

PyObject* Decoder::memory_view(const Vector& vector) {
  std::string format;
  Ref shape;
  std::size_t product = 0;
  std::int64_t readonly = 0;
  std::span<const std::uint8_t> bytes;
  std::int64_t number = 0;
  if (!element_string(vector, 1, format) || !sizes(vector, 2, shape, product) ||
      !element_integer(vector, 3, readonly) || !data(vector, 4, bytes, number)) {
    return nullptr;
  }
  Ref memory;
  if (number >= 0 && source_.owner != nullptr) {
    memory = Ref(shared_buffer(bytes));
  } else {
    const Ref base(readonly != 0 ? bytes_of(bytes) : bytearray_of(bytes));
    memory = Ref(base ? PyMemoryView_FromObject(base.get()) : nullptr);
  }
  const Py_ssize_t dimensions = PyTuple_GET_SIZE(shape.get());
  if (!memory || (format == "B" && dimensions == 1)) {
    return memory.release();
  }
  // cast() checks the format, and that the shape matches the size.
  return dimensions == 1 ? PyObject_CallMethod(memory.get(), "cast", "s", format.c_str())
                         : PyObject_CallMethod(memory.get(), "cast", "sO", format.c_str(), shape.get());
}

PyObject* Decoder::array_array(const Vector& vector) {
  std::string code;
  std::int64_t item_size = 0;
  std::span<const std::uint8_t> bytes;
  std::int64_t number = 0;
  if (!element_string(vector, 1, code) || !element_integer(vector, 2, item_size) || !data(vector, 3, bytes, number)) {
    return nullptr;
  }
  PyObject* const type = RareTypes::instance().array_type();
  Ref made(type != nullptr ? PyObject_CallFunction(type, "s#", code.data(), static_cast<Py_ssize_t>(code.size()))
                           : nullptr);
  const Ref own_size(made ? PyObject_GetAttrString(made.get(), "itemsize") : nullptr);
  if (!own_size) {
    return nullptr;
  }
  if (PyLong_AsLongLong(own_size.get()) != item_size) {
    return malformed_value("the items of an array have another size here");
  }
  const Ref view(
      PyMemoryView_FromMemory(const_cast<char*>(as_chars(bytes)), static_cast<Py_ssize_t>(bytes.size()), PyBUF_READ));
  const Ref filled(view ? PyObject_CallMethod(made.get(), "frombytes", "O", view.get()) : nullptr);
  return filled ? made.release() : nullptr;
}

PyObject* Decoder::copied_array(PyObject* dtype, PyObject* shape, const char* order,
                                std::span<const std::uint8_t> bytes) {
  PyObject* const empty = RareTypes::instance().numpy_empty();
  Ref made(empty != nullptr ? PyObject_CallFunction(empty, "OOs", shape, dtype, order) : nullptr);
  BufferView memory;
  if (!made || !memory.take(made.get(), PyBUF_ANY_CONTIGUOUS | PyBUF_WRITABLE)) {
    return nullptr;
  }
  if (static_cast<std::size_t>(memory->len) != bytes.size()) {
    return malformed_value("an array has another size than its shape says");
  }
  if (!bytes.empty()) {
    std::memcpy(memory->buf, bytes.data(), bytes.size());
  }
  return made.release();
}

PyObject* Decoder::ndarray(const Vector& vector) {
  RareTypes& types = RareTypes::instance();
  Ref shape;
  std::size_t product = 0;
  std::string order;
  std::span<const std::uint8_t> bytes;
  std::int64_t number = 0;
  if (vector.count != 5 || !sizes(vector, 2, shape, product) || !element_string(vector, 3, order) ||
      !data(vector, 4, bytes, number)) {
    return malformed_value("an array lacks a part");
  }
  if (order != "C" && order != "F") {
    return malformed_value("an array has an unknown order");
  }
  PyObject* const dtype_type = types.numpy_dtype();
  if (dtype_type == nullptr) {
    return nullptr;
  }
  const Ref described(value(vector.at(1), vector.width, vector.type(1)));
  if (!described) {
    return nullptr;
  }
  PyObject* const make = PyUnicode_CheckExact(described.get()) ? dtype_type : types.dtype_from_data_function();
  const Ref dtype(make != nullptr ? PyObject_CallOneArg(make, described.get()) : nullptr);
  const Ref has_objects(dtype ? PyObject_GetAttrString(dtype.get(), "hasobject") : nullptr);
  const Ref item_size_object(has_objects ? PyObject_GetAttrString(dtype.get(), "itemsize") : nullptr);
  if (!item_size_object) {
    return nullptr;
  }
  // The bytes would be used as pointers.
  if (has_objects.get() != Py_False) {
    return malformed_value("an array of objects cannot be sent");
  }
  const long long item_size = PyLong_AsLongLong(item_size_object.get());
  if (item_size <= 0 || product > std::numeric_limits<std::size_t>::max() / static_cast<std::size_t>(item_size) ||
      product * static_cast<std::size_t>(item_size) != bytes.size()) {
    return malformed_value("an array has another size than its shape says");
  }
  if (number < 0 || source_.owner == nullptr) {
    return copied_array(dtype.get(), shape.get(), order.c_str(), bytes);
  }
  const Ref memory(shared_buffer(bytes));
  PyObject* const array_type = memory ? types.numpy_ndarray() : nullptr;
  return array_type != nullptr ? PyObject_CallFunction(array_type, "OOOiOs", shape.get(), dtype.get(), memory.get(), 0,
                                                       Py_None, order.c_str())
                               : nullptr;
}

}  // namespace tenon::python
