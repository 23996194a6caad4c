#include "python/codec/encoder.hpp"

#include <algorithm>
#include <cstring>
#include <exception>
#include <new>
#include <utility>

#include "python/codec/integers.hpp"
#include "python/codec/rare_types.hpp"

namespace tenon::python {

void HeldBuffers::clear() noexcept {
  // Released from a separate list, because a release may run Python code that uses this object.
  std::vector<Py_buffer> views = std::move(views_);
  views_.clear();
  for (Py_buffer& view : views) {
    PyBuffer_Release(&view);
  }
}

void HeldBuffers::take(BufferView& view) {
  views_.emplace_back();
  views_.back() = view.release();
}

Encoder::~Encoder() {
  forget_shapes();
}

void Encoder::forget_shapes() noexcept {
  if (!has_shapes_) {
    return;
  }
  has_shapes_ = false;
  for (Shape& shape : shapes_) {
    std::vector<PyObject*> keys = std::move(shape.keys);
    shape.keys.clear();
    shape.hash = 0;
    for (PyObject* const key : keys) {
      Py_DECREF(key);
    }
  }
}

void Encoder::clear() noexcept {
  forget_shapes();
  writer_.clear();
  buffers_.clear();
}

/// Each value is a separate FlexBuffer, so nothing written before can be referred to.
void Encoder::begin() {
  forget_shapes();
  writer_.clear();
  tags_ = {};
  begin_element();
}

/// Parts written by an earlier element can still be referred to.
void Encoder::begin_element() {
  depth_ = 0;
  lenient_ = 0;
  path_.clear();
  refusal_.clear();
  refused_ = Refusal::kNone;
}

// -- The public functions ------------------------------------------------------------------------

/// `name` returns the text at the start of messages; it is called only for a message.
template <typename Body, typename Name>
bool Encoder::guarded(Body&& body, Name&& name) {
  try {
    if (body()) {
      return true;
    }
    report(name());
  } catch (const std::exception&) {
    // The standard library throws here only if memory runs out.
    PyErr_NoMemory();
  }
  refused_ = Refusal::kNone;
  return false;
}

/// Sets the exception of a failure, with the path to the element.
void Encoder::report(const std::string& name) {
  switch (refused_) {
    case Refusal::kType:
      PyErr_Format(PyExc_TypeError, "%s: %s", path_.text(name).c_str(), refusal_.c_str());
      break;
    case Refusal::kCycle:
      PyErr_Format(PyExc_ValueError,
                   "%s refers back to %s: data that contains itself cannot be sent; send the parts and a name "
                   "or number for each, and connect them in the task",
                   path_.text(name, cycle_end_).c_str(), path_.text(name, cycle_start_).c_str());
      break;
    case Refusal::kDepth:
      PyErr_Format(PyExc_ValueError,
                   "%s: nested deeper than %d containers; send a flat form of it, for example a list of nodes that "
                   "name each other by index",
                   path_.text(name).c_str(), kMaxDepth);
      break;
    case Refusal::kNone:
      if (path_.depth() != 0 && PyErr_Occurred() != nullptr && !PyErr_ExceptionMatches(PyExc_MemoryError)) {
        Ref error = take_exception();
        const Ref added(
            PyObject_CallMethod(error.get(), "add_note", "s", ("while sending " + path_.text(name)).c_str()));
        PyErr_Clear();
        restore_exception(std::move(error));
      }
      break;
  }
}

bool Encoder::encode(PyObject* object, const char* name) {
  begin();
  return guarded(
      [&] {
        if (!value(object)) {
          return false;
        }
        writer_.finish();
        return true;
      },
      [name] { return std::string(name); });
}

bool Encoder::encode_arguments(PyObject* const* values, std::size_t count) {
  begin();
  return arguments(values, count) && guarded(
                                         [&] {
                                           writer_.finish();
                                           return true;
                                         },
                                         [] { return std::string("arguments"); });
}

bool Encoder::arguments(PyObject* const* values, std::size_t count) {
  const std::size_t start = writer_.stack_size();
  std::size_t i = 0;
  return guarded(
      [&] {
        for (; i < count; ++i) {
          if (!value(values[i])) {
            writer_.drop(start);
            return false;
          }
        }
        writer_.end_vector(start, false);
        return true;
      },
      [&] { return "argument " + std::to_string(i); });
}

bool Encoder::encode_keywords(PyObject* const* values, PyObject* names) {
  begin();
  const auto count = static_cast<std::size_t>(PyTuple_GET_SIZE(names));
  PyObject* const* const keys = &PyTuple_GET_ITEM(names, 0);
  std::size_t i = 0;
  return guarded(
      [&] {
        FlexLocation location;
        bool ascending = false;
        if (!find_keys(keys, count, location, ascending)) {
          if (PyErr_Occurred() == nullptr) {
            PyErr_SetString(PyExc_TypeError, "names of keyword arguments are strings without zero characters");
          }
          return false;
        }
        begin_record(location, ascending);
        for (; i < count; ++i) {
          if (!value(values[i])) {
            return false;
          }
        }
        end_record(0, location, ascending);
        writer_.finish();
        return true;
      },
      [&] { return i < count ? "keyword argument " + short_repr(keys[i]) : std::string("keyword arguments"); });
}

bool Encoder::begin_vector() {
  begin();
  return true;
}

bool Encoder::encode_element(PyObject* object, const char* name) {
  const std::size_t start = writer_.stack_size();
  return guarded(
      [&] {
        begin_element();
        if (!value(object)) {
          writer_.drop(start);
          return false;
        }
        return true;
      },
      [name] { return std::string(name); });
}

bool Encoder::encode_element_arguments(PyObject* const* values, std::size_t count) {
  begin_element();
  return arguments(values, count);
}

bool Encoder::end_vector() {
  return guarded(
      [&] {
        writer_.end_vector(0, false);
        writer_.finish();
        return true;
      },
      [] { return std::string("values"); });
}

// -- Values -------------------------------------------------------------------------------------

bool Encoder::value(PyObject* object) {
  PyTypeObject* const type = Py_TYPE(object);
  if (type == &PyUnicode_Type) {
    return text(object);
  }
  if (type == &PyLong_Type) {
    return integer(object);
  }
  if (type == &PyFloat_Type) {
    writer_.push_float(PyFloat_AS_DOUBLE(object));
    return true;
  }
  if (object == Py_None) {
    writer_.push_null();
    return true;
  }
  if (type == &PyBool_Type) {
    writer_.push_bool(object == Py_True);
    return true;
  }
  if (type == &PyBytes_Type) {
    return bytes_object(object);
  }
  return container(object, type);
}

bool Encoder::container(PyObject* object, PyTypeObject* type) {
  if (depth_ == kMaxDepth) {
    return too_deep(object);
  }
  ancestors_[static_cast<std::size_t>(depth_)] = object;
  ++depth_;
  // The object may lose its last other owner while Python code runs below.
  Py_INCREF(object);
  bool done = false;
  if (type == &PyDict_Type) {
    done = dict(object);
  } else if (type == &PyList_Type) {
    done = list(object);
  } else if (type == &PyTuple_Type) {
    done = tuple(object);
  } else if (type == &PySet_Type) {
    done = set(object, "set");
  } else if (type == &PyFrozenSet_Type) {
    done = set(object, "frozenset");
  } else if (type == &PyComplex_Type) {
    done = complex(object);
  } else if (type == &PyByteArray_Type) {
    done = bytearray(object);
  } else if (type == &PyMemoryView_Type) {
    done = memory_view(object);
  } else if (RareTypes::instance().is_ndarray(type)) {
    done = ndarray(object);
  } else if (RareTypes::instance().is_array(type)) {
    done = array_array(object);
  } else {
    done = rare(object);
  }
  Py_DECREF(object);
  --depth_;
  return done;
}

bool Encoder::integer(PyObject* object) {
  int overflow = 0;
  const long long number = PyLong_AsLongLongAndOverflow(object, &overflow);
  if (overflow == 0) {
    writer_.push_int(number);
    return true;
  }
  if (overflow > 0) {
    const unsigned long long unsigned_number = PyLong_AsUnsignedLongLong(object);
    if (PyErr_Occurred() == nullptr) {
      writer_.push_uint(unsigned_number);
      return true;
    }
    PyErr_Clear();
  }
  std::vector<std::uint8_t> bytes;
  if (!integer_to_bytes(object, bytes)) {
    return false;
  }
  const std::size_t start = writer_.stack_size();
  tag("int");
  writer_.push_blob(bytes.data(), bytes.size());
  writer_.end_vector(start, true);
  return true;
}

bool Encoder::text(PyObject* object) {
  if (PyUnicode_IS_COMPACT_ASCII(object)) {
    writer_.push_string(static_cast<const char*>(PyUnicode_DATA(object)),
                        static_cast<std::size_t>(PyUnicode_GET_LENGTH(object)));
    return true;
  }
  Py_ssize_t size = 0;
  if (const char* const utf8 = PyUnicode_AsUTF8AndSize(object, &size)) {
    writer_.push_string(utf8, static_cast<std::size_t>(size));
    return true;
  }
  if (!PyErr_ExceptionMatches(PyExc_UnicodeError)) {
    return false;
  }
  PyErr_Clear();
  const Ref bytes(PyUnicode_AsEncodedString(object, "utf-8", "surrogatepass"));
  if (!bytes) {
    return false;
  }
  const std::size_t start = writer_.stack_size();
  tag("str");
  writer_.push_blob(PyBytes_AS_STRING(bytes.get()), static_cast<std::size_t>(PyBytes_GET_SIZE(bytes.get())));
  writer_.end_vector(start, true);
  return true;
}

bool Encoder::bytes_object(PyObject* object) {
  const auto size = static_cast<std::size_t>(PyBytes_GET_SIZE(object));
  if (size < out_of_band_min_bytes_) {
    writer_.push_blob(PyBytes_AS_STRING(object), size);
    return true;
  }
  BufferView view;
  if (!view.take(object, PyBUF_SIMPLE)) {
    return false;
  }
  const std::size_t start = writer_.stack_size();
  buffers_.take(view);
  tag("bytes");
  writer_.push_uint(buffers_.size() - 1);
  writer_.end_vector(start, true);
  return true;
}

bool Encoder::list(PyObject* object) {
  const std::size_t start = writer_.stack_size();
  // The size is read each time, because Python code run by an element may change the list.
  for (Py_ssize_t i = 0; i < PyList_GET_SIZE(object); ++i) {
    if (!value(PyList_GET_ITEM(object, i))) {
      path_.add_index(i);
      return false;
    }
  }
  writer_.end_vector(start, false);
  return true;
}

bool Encoder::tuple(PyObject* object) {
  const std::size_t start = writer_.stack_size();
  tag(ShortTag::kTuple);
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(object); ++i) {
    if (!value(PyTuple_GET_ITEM(object, i))) {
      path_.add_index(i);
      return false;
    }
  }
  writer_.end_vector(start, true);
  return true;
}

bool Encoder::set(PyObject* object, const char* name) {
  const std::size_t start = writer_.stack_size();
  tag(name);
  const Ref iterator(PyObject_GetIter(object));
  if (!iterator) {
    return false;
  }
  while (const Ref element{PyIter_Next(iterator.get())}) {
    if (!value(element.get())) {
      path_.add_member(element.get(), false);
      return false;
    }
  }
  if (PyErr_Occurred() != nullptr) {
    return false;
  }
  writer_.end_vector(start, true);
  return true;
}

bool Encoder::complex(PyObject* object) {
  const Py_complex number = PyComplex_AsCComplex(object);
  const std::size_t start = writer_.stack_size();
  tag("complex");
  writer_.push_float(number.real);
  writer_.push_float(number.imag);
  writer_.end_vector(start, true);
  return true;
}

// -- Dicts --------------------------------------------------------------------------------------

bool Encoder::plain_keys(PyObject* const* keys, std::size_t count, bool& ascending) {
  ascending = true;
  const char* before = nullptr;
  for (std::size_t i = 0; i < count; ++i) {
    if (!PyUnicode_CheckExact(keys[i])) {
      return false;
    }
    Py_ssize_t size = 0;
    const char* const utf8 = PyUnicode_AsUTF8AndSize(keys[i], &size);
    if (utf8 == nullptr) {
      PyErr_Clear();
      return false;
    }
    if (std::strlen(utf8) != static_cast<std::size_t>(size)) {
      return false;
    }
    if (before != nullptr && std::strcmp(before, utf8) >= 0) {
      ascending = false;
    }
    before = utf8;
  }
  return true;
}

FlexLocation Encoder::write_keys(PyObject* const* keys, std::size_t count) {
  const std::size_t start = writer_.stack_size();
  for (std::size_t i = 0; i < count; ++i) {
    Py_ssize_t size = 0;
    const char* const utf8 = PyUnicode_AsUTF8AndSize(keys[i], &size);
    writer_.push_key(utf8, static_cast<std::size_t>(size));
  }
  return writer_.end_keys(start);
}

bool Encoder::find_keys(PyObject* const* keys, std::size_t count, FlexLocation& location, bool& ascending) {
  if (count > kMaxShapeKeys) {
    if (!plain_keys(keys, count, ascending)) {
      return false;
    }
    location = write_keys(keys, count);
    return true;
  }
  // Keys are compared by identity, because those of one literal, class or parsed document are the same objects. Most
  // dicts have the same keys as the previous one.
  const auto is_shape = [&](const Shape& one) {
    return one.hash != 0 && one.keys.size() == count && std::equal(keys, keys + count, one.keys.data());
  };
  std::uint64_t hash = shapes_[last_shape_].hash;
  if (!is_shape(shapes_[last_shape_])) {
    hash = 0x9E3779B97F4A7C15 * (count + 1);
    for (std::size_t i = 0; i < count; ++i) {
      hash = (hash ^ reinterpret_cast<std::uintptr_t>(keys[i])) * 0x9E3779B97F4A7C15;
    }
    static_assert(kShapes == 32);
    last_shape_ = static_cast<std::size_t>(hash >> 59);
    // 0 means that there is no shape.
    hash |= 1;
  }
  Shape& shape = shapes_[last_shape_];
  // Offsets to distant keys would make this dict larger than writing the keys again.
  constexpr std::size_t kMaxDistance = 30000;
  const bool known = shape.hash == hash && is_shape(shape);
  if (!known) {
    if (!plain_keys(keys, count, ascending)) {
      return false;
    }
    std::vector<PyObject*> owned(keys, keys + count);
    for (PyObject* const key : owned) {
      Py_INCREF(key);
    }
    has_shapes_ = true;
    shape.keys.swap(owned);
    shape.hash = hash;
    shape.ascending = ascending;
    for (PyObject* const key : owned) {
      Py_DECREF(key);
    }
    shape.location = write_keys(keys, count);
  } else if (writer_.size_bytes() - shape.location.at > kMaxDistance) {
    shape.location = write_keys(keys, count);
  }
  location = shape.location;
  ascending = shape.ascending;
  return true;
}

void Encoder::begin_record(FlexLocation keys, bool ascending) {
  if (!ascending) {
    tag(ShortTag::kRecord);
    writer_.push_reference(keys, FlexType::kVectorKey);
  }
}

void Encoder::end_record(std::size_t start, FlexLocation keys, bool ascending) {
  if (ascending) {
    writer_.end_map(start, keys);
  } else {
    writer_.end_vector(start, true);
  }
}

bool Encoder::dict(PyObject* object) {
  const auto count = static_cast<std::size_t>(PyDict_GET_SIZE(object));
  std::array<PyObject*, kMaxShapeKeys> few_keys;
  std::vector<PyObject*> many_keys;
  PyObject** keys = few_keys.data();
  if (count > few_keys.size()) {
    many_keys.resize(count);
    keys = many_keys.data();
  }
  Py_ssize_t position = 0;
  PyObject* key = nullptr;
  PyObject* element = nullptr;
  for (std::size_t i = 0; i < count && PyDict_Next(object, &position, &key, nullptr) != 0; ++i) {
    keys[i] = key;
  }
  FlexLocation location;
  bool ascending = false;
  if (!find_keys(keys, count, location, ascending)) {
    return dict_of_pairs(object);
  }
  const std::size_t start = writer_.stack_size();
  begin_record(location, ascending);
  std::size_t index = 0;
  bool same = true;
  for (position = 0; PyDict_Next(object, &position, &key, &element) != 0; ++index) {
    // Encoding an element may run Python code, which may change the dict.
    same = index < count && key == keys[index];
    if (!same) {
      break;
    }
    if (!value(element)) {
      // The key may be gone by now if Python code has changed the dict.
      add_key_at(object, index);
      return false;
    }
  }
  if (!same || index != count) {
    PyErr_SetString(PyExc_RuntimeError, "a dict changed while it was sent; send a copy of it");
    return false;
  }
  end_record(start, location, ascending);
  return true;
}

void Encoder::add_key_at(PyObject* dict_object, std::size_t index) {
  Py_ssize_t position = 0;
  PyObject* key = nullptr;
  while (PyDict_Next(dict_object, &position, &key, nullptr) != 0) {
    if (index-- == 0) {
      const Ref held = Ref::share(key);
      path_.add_key(key);
      return;
    }
  }
  path_.add_step("[a removed key]");
}

bool Encoder::dict_of_pairs(PyObject* object) {
  const std::size_t start = writer_.stack_size();
  tag(ShortTag::kPairs);
  Py_ssize_t position = 0;
  PyObject* key_item = nullptr;
  PyObject* element_item = nullptr;
  while (PyDict_Next(object, &position, &key_item, &element_item) != 0) {
    // Encoding the key may run Python code that drops both.
    const Ref key = Ref::share(key_item);
    const Ref element = Ref::share(element_item);
    if (!value(key.get())) {
      path_.add_member(key.get(), true);
      return false;
    }
    if (!value(element.get())) {
      path_.add_key(key.get());
      return false;
    }
  }
  writer_.end_vector(start, true);
  return true;
}

void Encoder::tag(const char* name) {
  writer_.push_key(name, std::strlen(name));
}

void Encoder::tag(ShortTag name) {
  static constexpr const char* kNames[] = {"t", "r", "d"};
  // A tag takes two bytes; an offset to a tag beyond this distance would take more.
  constexpr std::uint64_t kMaxDistance = 180;
  std::uint64_t& known = tags_[static_cast<std::size_t>(name)];
  if (known != 0 && writer_.size_bytes() - (known - 1) < kMaxDistance) {
    writer_.push_reference({known - 1, 0}, FlexType::kKey);
  } else {
    known = writer_.push_key(kNames[static_cast<std::size_t>(name)], 1).at + 1;
  }
}

// -- Refusals -----------------------------------------------------------------------------------

bool Encoder::refuse(PyObject* object, const std::string& why) {
  if (lenient_ != 0) {
    return replace_refused(object);
  }
  refused_ = Refusal::kType;
  refusal_ = why;
  return false;
}

bool Encoder::replace_refused(PyObject* object) {
  PyErr_Clear();
  const std::string text = short_repr(object, 1000);
  writer_.push_string(text.data(), text.size());
  return true;
}

bool Encoder::too_deep(PyObject* object) {
  if (lenient_ != 0) {
    writer_.push_string("...", 3);
    return true;
  }
  // A cycle appears as excessive depth; it is recognised because an object is its own ancestor.
  refused_ = Refusal::kDepth;
  for (std::size_t end = 1; end <= ancestors_.size(); ++end) {
    PyObject* const last = end < ancestors_.size() ? ancestors_[end] : object;
    const auto* const first = std::find(ancestors_.data(), ancestors_.data() + end, last);
    if (first != ancestors_.data() + end) {
      refused_ = Refusal::kCycle;
      cycle_start_ = static_cast<std::size_t>(first - ancestors_.data());
      cycle_end_ = end;
      break;
    }
  }
  return false;
}

}  // namespace tenon::python
