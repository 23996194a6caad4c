#include "python/codec/decoder.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <exception>
#include <limits>
#include <string_view>
#include <utility>

#include "python/codec/integers.hpp"
#include "python/codec/rare_types.hpp"

namespace tenon::python {
namespace {

constexpr FlexType type_of(std::uint8_t packed) noexcept {
  return static_cast<FlexType>(packed >> 2);
}
constexpr unsigned width_of(std::uint8_t packed) noexcept {
  return 1u << (packed & 3);
}

std::uint64_t read_unsigned(const std::uint8_t* at, unsigned width) noexcept {
  switch (width) {
    case 1:
      return *at;
    case 2: {
      std::uint16_t number = 0;
      std::memcpy(&number, at, sizeof number);
      return number;
    }
    case 4: {
      std::uint32_t number = 0;
      std::memcpy(&number, at, sizeof number);
      return number;
    }
    default: {
      std::uint64_t number = 0;
      std::memcpy(&number, at, sizeof number);
      return number;
    }
  }
}

std::int64_t read_signed(const std::uint8_t* at, unsigned width) noexcept {
  const unsigned unused_bits = 64 - 8 * width;
  return static_cast<std::int64_t>(read_unsigned(at, width) << unused_bits) >> unused_bits;
}

/// `width` is 4 or 8.
double read_float(const std::uint8_t* at, unsigned width) noexcept {
  if (width == 4) {
    return static_cast<double>(std::bit_cast<float>(static_cast<std::uint32_t>(read_unsigned(at, 4))));
  }
  return std::bit_cast<double>(read_unsigned(at, 8));
}

}  // namespace

void ObjectVector::take(PyObject* object) {
  Ref held(object);
  objects_.push_back(object);
  static_cast<void>(held.release());
}

void ObjectVector::clear() noexcept {
  std::vector<PyObject*> objects = std::move(objects_);
  objects_.clear();
  for (PyObject* const object : objects) {
    Py_DECREF(object);
  }
}

Decoder::Decoder(std::span<const std::uint8_t> bytes, BufferSource source) noexcept
    : begin_(bytes.data()), end_(bytes.data() + bytes.size()), source_(source), budget_(2 * bytes.size() + 64) {
  // Each honest byte is read once, except for keys, which may be read twice.
  for (const auto buffer : source.buffers) {
    budget_ += buffer.size();
  }
}

Decoder::~Decoder() = default;

bool Decoder::malformed(const char* what) {
  if (PyErr_Occurred() == nullptr) {
    PyErr_Format(PyExc_ValueError,
                 "the data are malformed: %s; the other side is broken or of another version of tenon", what);
  }
  return false;
}

bool Decoder::charge(std::size_t amount) {
  if (amount > budget_) {
    return malformed("their parts refer to each other more often than their size allows");
  }
  budget_ -= amount;
  return true;
}

// -- From outside -------------------------------------------------------------------------------

template <typename Body>
PyObject* Decoder::guarded(Body&& body) {
  try {
    return body();
  } catch (const std::exception&) {
    // The standard library throws here only if memory runs out.
    return PyErr_NoMemory();
  }
}

bool Decoder::root(const std::uint8_t*& at, unsigned& width, std::uint8_t& packed) {
  const auto size = static_cast<std::size_t>(end_ - begin_);
  if (size < 3) {
    return malformed("they are empty or cut off");
  }
  width = end_[-1];
  packed = end_[-2];
  if ((width != 1 && width != 2 && width != 4 && width != 8) || width > size - 2) {
    return malformed("the root has an impossible width");
  }
  at = end_ - 2 - width;
  return true;
}

PyObject* Decoder::decode() {
  return guarded([&]() -> PyObject* {
    const std::uint8_t* at = nullptr;
    unsigned width = 0;
    std::uint8_t packed = 0;
    return root(at, width, packed) ? value(at, width, packed) : nullptr;
  });
}

bool Decoder::decode_arguments(ObjectVector& arguments) {
  std::size_t count = 0;
  const PyObject* const done = guarded([&]() -> PyObject* {
    if (!open_calls(count)) {
      return nullptr;
    }
    for (std::size_t i = 0; i < count; ++i) {
      PyObject* const argument = value(calls_.at(i), calls_.width, calls_.type(i));
      if (argument == nullptr) {
        return nullptr;
      }
      arguments.take(argument);
    }
    return Py_None;
  });
  return done != nullptr;
}

bool Decoder::open_calls(std::size_t& count) {
  const std::uint8_t* at = nullptr;
  unsigned width = 0;
  std::uint8_t packed = 0;
  if (!root(at, width, packed) || !open_vector(at, width, packed, calls_)) {
    return malformed("the arguments are not a vector");
  }
  count = calls_.count;
  return true;
}

bool Decoder::decode_call(std::size_t index, ObjectVector& arguments) {
  const PyObject* const done = guarded([&]() -> PyObject* {
    Vector call;
    if (!open_vector(calls_.at(index), calls_.width, calls_.type(index), call)) {
      return malformed_value("the arguments of a call are not a vector");
    }
    for (std::size_t i = 0; i < call.count; ++i) {
      PyObject* const argument = value(call.at(i), call.width, call.type(i));
      if (argument == nullptr) {
        return nullptr;
      }
      arguments.take(argument);
    }
    return Py_None;
  });
  return done != nullptr;
}

// -- Checked access -----------------------------------------------------------------------------

bool Decoder::target(const std::uint8_t* at, unsigned width, const std::uint8_t*& target) {
  const std::uint64_t offset = read_unsigned(at, width);
  if (offset > static_cast<std::uint64_t>(at - begin_)) {
    return malformed("an offset leads before their start");
  }
  target = at - offset;
  return true;
}

bool Decoder::open_vector_at(const std::uint8_t* elements, unsigned width, bool typed, Vector& vector) {
  if (static_cast<std::size_t>(elements - begin_) < width) {
    return malformed("a vector has no room for its length");
  }
  const std::uint64_t count = read_unsigned(elements - width, width);
  const auto room = static_cast<std::uint64_t>(end_ - elements);
  if (count > room / (width + (typed ? 0 : 1))) {
    return malformed("a vector is longer than they are");
  }
  vector.elements = elements;
  vector.count = static_cast<std::size_t>(count);
  vector.width = width;
  vector.types = typed ? nullptr : elements + vector.count * width;
  return charge(vector.count + 1);
}

bool Decoder::open_vector(const std::uint8_t* at, unsigned width, std::uint8_t packed, Vector& vector) {
  FlexType element = FlexType::kNull;
  switch (type_of(packed)) {
    case FlexType::kVector:
      break;
    case FlexType::kVectorInt:
      element = FlexType::kInt;
      break;
    case FlexType::kVectorUInt:
      element = FlexType::kUInt;
      break;
    case FlexType::kVectorFloat:
      element = FlexType::kFloat;
      break;
    case FlexType::kVectorBool:
      element = FlexType::kBool;
      break;
    case FlexType::kVectorKey:
      element = FlexType::kKey;
      break;
    default:
      return malformed("there is another type where a vector belongs");
  }
  const std::uint8_t* elements = nullptr;
  const unsigned element_width = width_of(packed);
  vector.packed = static_cast<std::uint8_t>(static_cast<unsigned>(element) << 2 | (packed & 3u));
  return target(at, width, elements) && open_vector_at(elements, element_width, element != FlexType::kNull, vector);
}

bool Decoder::sized(const std::uint8_t* at, unsigned width, std::uint8_t packed, std::span<const std::uint8_t>& bytes) {
  const std::uint8_t* data = nullptr;
  const unsigned size_width = width_of(packed);
  if (!target(at, width, data)) {
    return false;
  }
  if (static_cast<std::size_t>(data - begin_) < size_width) {
    return malformed("a string has no room for its length");
  }
  const std::uint64_t size = read_unsigned(data - size_width, size_width);
  if (size > static_cast<std::uint64_t>(end_ - data)) {
    return malformed("a string is longer than they are");
  }
  bytes = {data, static_cast<std::size_t>(size)};
  return charge(bytes.size() + 1);
}

bool Decoder::key_text(const std::uint8_t* at, unsigned width, std::span<const char>& text) {
  const std::uint8_t* data = nullptr;
  if (!target(at, width, data)) {
    return false;
  }
  const void* const zero = std::memchr(data, 0, static_cast<std::size_t>(end_ - data));
  if (zero == nullptr) {
    return malformed("a key has no end");
  }
  text = {reinterpret_cast<const char*>(data), static_cast<std::size_t>(static_cast<const std::uint8_t*>(zero) - data)};
  return true;
}

bool Decoder::element_blob(const Vector& vector, std::size_t index, std::span<const std::uint8_t>& bytes) {
  if (index >= vector.count || type_of(vector.type(index)) != FlexType::kBlob) {
    return malformed("there is no blob where one belongs");
  }
  return sized(vector.at(index), vector.width, vector.type(index), bytes);
}

bool Decoder::element_string(const Vector& vector, std::size_t index, std::string& string) {
  std::span<const std::uint8_t> bytes;
  if (index >= vector.count || type_of(vector.type(index)) != FlexType::kString) {
    return malformed("there is no string where one belongs");
  }
  if (!sized(vector.at(index), vector.width, vector.type(index), bytes)) {
    return false;
  }
  string.assign(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  return true;
}

bool Decoder::element_integer(const Vector& vector, std::size_t index, std::int64_t& number) {
  if (index < vector.count) {
    const FlexType type = type_of(vector.type(index));
    if (type == FlexType::kInt) {
      number = read_signed(vector.at(index), vector.width);
      return true;
    }
    const std::uint64_t bits = read_unsigned(vector.at(index), vector.width);
    if ((type == FlexType::kUInt || type == FlexType::kBool) &&
        bits <= static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
      number = static_cast<std::int64_t>(bits);
      return true;
    }
  }
  return malformed("there is no number where one belongs");
}

bool Decoder::element_float(const Vector& vector, std::size_t index, double& number) {
  if (index >= vector.count || type_of(vector.type(index)) != FlexType::kFloat || vector.width < 4) {
    return malformed("there is no float where one belongs");
  }
  number = read_float(vector.at(index), vector.width);
  return true;
}

// -- Values -------------------------------------------------------------------------------------

PyObject* Decoder::value(const std::uint8_t* at, unsigned width, std::uint8_t packed) {
  std::span<const std::uint8_t> bytes;
  switch (type_of(packed)) {
    case FlexType::kString:
      return sized(at, width, packed, bytes) ? PyUnicode_DecodeUTF8(reinterpret_cast<const char*>(bytes.data()),
                                                                    static_cast<Py_ssize_t>(bytes.size()), nullptr)
                                             : nullptr;
    case FlexType::kBlob:
      return sized(at, width, packed, bytes) ? PyBytes_FromStringAndSize(reinterpret_cast<const char*>(bytes.data()),
                                                                         static_cast<Py_ssize_t>(bytes.size()))
                                             : nullptr;
    case FlexType::kNull:
    case FlexType::kInt:
    case FlexType::kUInt:
    case FlexType::kFloat:
    case FlexType::kBool:
      return inline_value(at, width, type_of(packed));
    case FlexType::kIndirectInt:
    case FlexType::kIndirectUInt:
    case FlexType::kIndirectFloat: {
      const std::uint8_t* number = nullptr;
      const unsigned number_width = width_of(packed);
      if (!target(at, width, number)) {
        return nullptr;
      }
      if (static_cast<std::size_t>(end_ - number) < number_width) {
        return malformed_value("a number lies beyond their end");
      }
      // SUBTLE: the numbers of the three direct types are five lower than those of the indirect types.
      return inline_value(number, number_width, static_cast<FlexType>((packed >> 2) - 5));
    }
    case FlexType::kKey:
      return key(at, width);
    default:
      return container(at, width, packed);
  }
}

PyObject* Decoder::inline_value(const std::uint8_t* at, unsigned width, FlexType type) {
  switch (type) {
    case FlexType::kInt:
      return PyLong_FromLongLong(read_signed(at, width));
    case FlexType::kUInt:
      return PyLong_FromUnsignedLongLong(read_unsigned(at, width));
    case FlexType::kFloat:
      return width < 4 ? malformed_value("a float has an impossible width") : PyFloat_FromDouble(read_float(at, width));
    case FlexType::kBool:
      return PyBool_FromLong(read_unsigned(at, width) != 0 ? 1 : 0);
    default:
      Py_RETURN_NONE;
  }
}

PyObject* Decoder::key(const std::uint8_t* at, unsigned width) {
  std::span<const char> text;
  if (!key_text(at, width, text) || !charge(text.size() + 1)) {
    return nullptr;
  }
  return PyUnicode_DecodeUTF8(text.data(), static_cast<Py_ssize_t>(text.size()), nullptr);
}

PyObject* Decoder::container(const std::uint8_t* at, unsigned width, std::uint8_t packed) {
  // One level more than in the encoder, which does not count a large integer; here it is a vector.
  if (depth_ > kMaxDepth) {
    return malformed_value("they are nested too deeply");
  }
  ++depth_;
  PyObject* decoded = nullptr;
  if (type_of(packed) == FlexType::kMap) {
    decoded = map(at, width, packed);
  } else {
    Vector vector;
    if (open_vector(at, width, packed, vector)) {
      if (type_of(packed) != FlexType::kVector) {
        decoded = typed_list(vector, type_of(vector.packed));
      } else if (vector.count != 0 && type_of(vector.type(0)) == FlexType::kKey) {
        decoded = extended(vector);
      } else {
        decoded = list(vector);
      }
    }
  }
  --depth_;
  return decoded;
}

PyObject* Decoder::list(const Vector& vector) {
  Ref made(PyList_New(static_cast<Py_ssize_t>(vector.count)));
  if (!made) {
    return nullptr;
  }
  for (std::size_t i = 0; i < vector.count; ++i) {
    PyObject* const element = value(vector.at(i), vector.width, vector.type(i));
    if (element == nullptr) {
      return nullptr;
    }
    PyList_SET_ITEM(made.get(), static_cast<Py_ssize_t>(i), element);
  }
  return made.release();
}

PyObject* Decoder::typed_list(const Vector& vector, FlexType type) {
  Ref made(PyList_New(static_cast<Py_ssize_t>(vector.count)));
  if (!made) {
    return nullptr;
  }
  for (std::size_t i = 0; i < vector.count; ++i) {
    PyObject* const element =
        type == FlexType::kKey ? key(vector.at(i), vector.width) : inline_value(vector.at(i), vector.width, type);
    if (element == nullptr) {
      return nullptr;
    }
    PyList_SET_ITEM(made.get(), static_cast<Py_ssize_t>(i), element);
  }
  return made.release();
}

PyObject* Decoder::tuple(const Vector& vector) {
  Ref made(PyTuple_New(static_cast<Py_ssize_t>(vector.count - 1)));
  if (!made) {
    return nullptr;
  }
  for (std::size_t i = 1; i < vector.count; ++i) {
    PyObject* const element = value(vector.at(i), vector.width, vector.type(i));
    if (element == nullptr) {
      return nullptr;
    }
    PyTuple_SET_ITEM(made.get(), static_cast<Py_ssize_t>(i - 1), element);
  }
  return made.release();
}

// -- Dicts --------------------------------------------------------------------------------------

namespace {

PyObject* new_dict(std::size_t size) {
#if PY_VERSION_HEX < 0x030D0000
  return _PyDict_NewPresized(static_cast<Py_ssize_t>(size));
#else
  static_cast<void>(size);
  return PyDict_New();
#endif
}

}  // namespace

/// Creates the first dict with these keys.
PyObject* Decoder::new_dict_of(const Vector& keys, const Vector& values, std::size_t first) {
  Ref made(new_dict(keys.count));
  for (std::size_t i = 0; made && i < keys.count; ++i) {
    const Ref one(key(keys.at(i), keys.width));
    const Ref element(one ? value(values.at(first + i), values.width, values.type(first + i)) : nullptr);
    if (!element || PyDict_SetItem(made.get(), one.get(), element.get()) < 0) {
      return nullptr;
    }
  }
  return made.release();
}

PyObject* Decoder::dict_of(const Vector& keys, const Vector& values, std::size_t first) {
  const std::uint64_t place = static_cast<std::uint64_t>(keys.elements - begin_) << 4 | keys.width;
  bool is_new = false;
  SharedKeys::Entry& entry = shared_keys_.find(place, is_new);
  if (is_new) {
    return new_dict_of(keys, values, first);
  }
  if (entry.first == SharedKeys::Entry::kNone) {
    const std::size_t begin = shared_keys_.size();
    for (std::size_t i = 0; i < keys.count; ++i) {
      PyObject* const one = key(keys.at(i), keys.width);
      if (one == nullptr) {
        return nullptr;
      }
      shared_keys_.take(one);
    }
    entry.first = begin;
  }
  // A copy, because a value may itself be a dict, and decoding it changes the table.
  const std::size_t first_key = entry.first;
  Ref made(new_dict(keys.count));
  for (std::size_t i = 0; made && i < keys.count; ++i) {
    const Ref element(value(values.at(first + i), values.width, values.type(first + i)));
    if (!element || PyDict_SetItem(made.get(), shared_keys_[first_key + i], element.get()) < 0) {
      return nullptr;
    }
  }
  return made.release();
}

PyObject* Decoder::map(const std::uint8_t* at, unsigned width, std::uint8_t packed) {
  const std::uint8_t* elements = nullptr;
  const unsigned element_width = width_of(packed);
  Vector values;
  if (!target(at, width, elements) || !open_vector_at(elements, element_width, false, values)) {
    return nullptr;
  }
  if (static_cast<std::size_t>(elements - begin_) < std::size_t{3} * element_width) {
    return malformed_value("a map has no room for its keys");
  }
  const std::uint8_t* key_elements = nullptr;
  const std::uint64_t key_width = read_unsigned(elements - 2 * element_width, element_width);
  if (key_width != 1 && key_width != 2 && key_width != 4 && key_width != 8) {
    return malformed_value("the keys of a map have an impossible width");
  }
  Vector keys;
  if (!target(elements - 3 * element_width, element_width, key_elements) ||
      !open_vector_at(key_elements, static_cast<unsigned>(key_width), true, keys)) {
    return nullptr;
  }
  if (keys.count != values.count) {
    return malformed_value("a map has more or fewer keys than values");
  }
  return dict_of(keys, values, 0);
}

PyObject* Decoder::record(const Vector& vector) {
  Vector keys;
  if (vector.count < 2 || type_of(vector.type(1)) != FlexType::kVectorKey) {
    return malformed_value("a record has no keys");
  }
  if (!open_vector(vector.at(1), vector.width, vector.type(1), keys)) {
    return nullptr;
  }
  if (keys.count != vector.count - 2) {
    return malformed_value("a record has more or fewer keys than values");
  }
  return dict_of(keys, vector, 2);
}

PyObject* Decoder::pairs(const Vector& vector) {
  if (vector.count % 2 == 0) {
    return malformed_value("a dict has a key without a value");
  }
  Ref made(PyDict_New());
  for (std::size_t i = 1; made && i < vector.count; i += 2) {
    const Ref one(value(vector.at(i), vector.width, vector.type(i)));
    const Ref element(one ? value(vector.at(i + 1), vector.width, vector.type(i + 1)) : nullptr);
    if (!element || PyDict_SetItem(made.get(), one.get(), element.get()) < 0) {
      return nullptr;
    }
  }
  return made.release();
}

PyObject* Decoder::set(const Vector& vector, bool frozen) {
  Ref made(frozen ? PyFrozenSet_New(nullptr) : PySet_New(nullptr));
  for (std::size_t i = 1; made && i < vector.count; ++i) {
    const Ref element(value(vector.at(i), vector.width, vector.type(i)));
    // A frozenset may be filled as long as no other code has seen it.
    if (!element || PySet_Add(made.get(), element.get()) < 0) {
      return nullptr;
    }
  }
  return made.release();
}

// -- Extended types -----------------------------------------------------------------------------

PyObject* Decoder::extended(const Vector& vector) {
  std::span<const char> tag;
  const std::uint8_t* data = nullptr;
  if (!target(vector.at(0), vector.width, data)) {
    return nullptr;
  }
  // Not key_text: the search for the end of a tag must not depend on the size of the data.
  const std::size_t room = std::min(static_cast<std::size_t>(end_ - data), kMaxTagBytes + 1);
  const void* const zero = std::memchr(data, 0, room);
  if (zero == nullptr) {
    return malformed_value("a tag has no end");
  }
  tag = {reinterpret_cast<const char*>(data), static_cast<std::size_t>(static_cast<const std::uint8_t*>(zero) - data)};
  const std::string_view name(tag.data(), tag.size());
  if (name.size() == 1) {
    switch (name[0]) {
      case 't':
        return tuple(vector);
      case 'r':
        return record(vector);
      case 'd':
        return pairs(vector);
      default:
        break;
    }
  }
  struct Native {
    std::string_view name;
    PyObject* (*decode)(Decoder&, const Vector&);
  };
  static constexpr Native kNative[] = {
      {"int", [](Decoder& self, const Vector& v) { return self.integer(v); }},
      {"str", [](Decoder& self, const Vector& v) { return self.text(v); }},
      {"bytes", [](Decoder& self, const Vector& v) { return self.bytes_object(v); }},
      {"ndarray", [](Decoder& self, const Vector& v) { return self.ndarray(v); }},
      {"set", [](Decoder& self, const Vector& v) { return self.set(v, false); }},
      {"frozenset", [](Decoder& self, const Vector& v) { return self.set(v, true); }},
      {"complex", [](Decoder& self, const Vector& v) { return self.complex(v); }},
      {"bytearray", [](Decoder& self, const Vector& v) { return self.bytearray(v); }},
      {"array", [](Decoder& self, const Vector& v) { return self.array_array(v); }},
      {"memoryview", [](Decoder& self, const Vector& v) { return self.memory_view(v); }},
  };
  for (const Native& native : kNative) {
    if (native.name == name) {
      return native.decode(*this, vector);
    }
  }
  return rare(vector, tag);
}

PyObject* Decoder::integer(const Vector& vector) {
  std::span<const std::uint8_t> bytes;
  return element_blob(vector, 1, bytes) ? integer_from_bytes(bytes) : nullptr;
}

PyObject* Decoder::text(const Vector& vector) {
  std::span<const std::uint8_t> bytes;
  return element_blob(vector, 1, bytes) ? PyUnicode_DecodeUTF8(reinterpret_cast<const char*>(bytes.data()),
                                                               static_cast<Py_ssize_t>(bytes.size()), "surrogatepass")
                                        : nullptr;
}

PyObject* Decoder::complex(const Vector& vector) {
  double real = 0;
  double imaginary = 0;
  return element_float(vector, 1, real) && element_float(vector, 2, imaginary) ? PyComplex_FromDoubles(real, imaginary)
                                                                               : nullptr;
}

PyObject* Decoder::rare(const Vector& vector, std::span<const char> tag) {
  PyObject* const decode_function = RareTypes::instance().decode_function();
  if (decode_function == nullptr) {
    return nullptr;
  }
  const Ref name(PyUnicode_DecodeUTF8(tag.data(), static_cast<Py_ssize_t>(tag.size()), "backslashreplace"));
  const Ref elements(name ? tuple(vector) : nullptr);
  return elements ? PyObject_CallFunctionObjArgs(decode_function, name.get(), elements.get(), nullptr) : nullptr;
}

}  // namespace tenon::python
