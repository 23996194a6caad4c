/// python/codec/decoder.hpp: FlexBuffers to Python objects, from bytes that may be hostile.
#pragma once

#include "python/codec/python_api.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "python/codec/shared_keys.hpp"
#include "python/codec/wire.hpp"

namespace tenon::python {

/// References that are given up together, laid out as a vector call takes them.
class ObjectVector {
 public:
  ObjectVector() = default;
  ObjectVector(const ObjectVector&) = delete;
  ObjectVector& operator=(const ObjectVector&) = delete;
  ~ObjectVector() { clear(); }

  /// Takes over a new reference. Throws std::bad_alloc, and then has given it up.
  void take(PyObject* object);
  void clear() noexcept;
  [[nodiscard]] std::size_t size() const noexcept { return objects_.size(); }
  [[nodiscard]] PyObject* const* data() const noexcept { return objects_.data(); }

 private:
  std::vector<PyObject*> objects_;
};

/// Where out-of-band buffers come from.
struct BufferSource {
  std::span<const std::span<const std::uint8_t>> buffers = {};
  /// An object whose buffer (bytes, contiguous) contains all of `buffers`. Decoded arrays and views then show that
  /// memory and keep the object alive. Null: they are copies, which can be written and kept.
  PyObject* owner = nullptr;
};

/// Decodes one FlexBuffer. Every width, offset and count is checked, and the work is bounded by the number of bytes:
/// references that many elements share cannot make it explode. Names of classes and functions are looked up by
/// `tenon._codec`, which imports their modules. Everything runs with the GIL held; the bytes must stay as they are
/// while it runs.
///
/// A function that fails returns null or false with a Python exception: ValueError for malformed bytes, or what the
/// lookup of a name or `__from_tenon__` raised.
class Decoder {
 public:
  explicit Decoder(std::span<const std::uint8_t> bytes, BufferSource source = {}) noexcept;
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;
  ~Decoder();

  /// The whole value. A new reference.
  PyObject* decode();
  /// The elements of what Encoder::encode_arguments wrote.
  bool decode_arguments(ObjectVector& arguments);

  /// What begin_vector and encode_element_arguments wrote: its number of elements, then one after another.
  bool open_calls(std::size_t& count);
  bool decode_call(std::size_t index, ObjectVector& arguments);

 private:
  /// A vector whose elements all lie inside the bytes.
  struct Vector {
    const std::uint8_t* elements = nullptr;
    const std::uint8_t* types = nullptr;  ///< Null when it is typed.
    std::size_t count = 0;
    unsigned width = 1;       ///< Of an element, in bytes.
    std::uint8_t packed = 0;  ///< Of each element, when it is typed.

    [[nodiscard]] const std::uint8_t* at(std::size_t index) const noexcept { return elements + index * width; }
    [[nodiscard]] std::uint8_t type(std::size_t index) const noexcept {
      return types != nullptr ? types[index] : packed;
    }
  };
  bool root(const std::uint8_t*& at, unsigned& width, std::uint8_t& packed);
  template <typename Body>
  PyObject* guarded(Body&& body);

  PyObject* value(const std::uint8_t* at, unsigned width, std::uint8_t packed);
  PyObject* inline_value(const std::uint8_t* at, unsigned width, FlexType type);
  PyObject* container(const std::uint8_t* at, unsigned width, std::uint8_t packed);
  PyObject* list(const Vector& vector);
  PyObject* typed_list(const Vector& vector, FlexType type);
  PyObject* map(const std::uint8_t* at, unsigned width, std::uint8_t packed);
  PyObject* key(const std::uint8_t* at, unsigned width);
  PyObject* extended(const Vector& vector);
  PyObject* tuple(const Vector& vector);
  PyObject* record(const Vector& vector);
  PyObject* pairs(const Vector& vector);
  PyObject* set(const Vector& vector, bool frozen);
  PyObject* integer(const Vector& vector);
  PyObject* text(const Vector& vector);
  PyObject* bytes_object(const Vector& vector);
  PyObject* bytearray(const Vector& vector);
  PyObject* complex(const Vector& vector);
  PyObject* memory_view(const Vector& vector);
  PyObject* array_array(const Vector& vector);
  PyObject* ndarray(const Vector& vector);
  PyObject* rare(const Vector& vector, std::span<const char> tag);

  bool target(const std::uint8_t* at, unsigned width, const std::uint8_t*& target);
  bool open_vector(const std::uint8_t* at, unsigned width, std::uint8_t packed, Vector& vector);
  /// The vector whose elements begin at `elements`.
  bool open_vector_at(const std::uint8_t* elements, unsigned width, bool typed, Vector& vector);
  bool sized(const std::uint8_t* at, unsigned width, std::uint8_t packed, std::span<const std::uint8_t>& bytes);
  bool key_text(const std::uint8_t* at, unsigned width, std::span<const char>& text);
  bool element_blob(const Vector& vector, std::size_t index, std::span<const std::uint8_t>& bytes);
  bool element_integer(const Vector& vector, std::size_t index, std::int64_t& number);
  bool element_float(const Vector& vector, std::size_t index, double& number);
  bool element_string(const Vector& vector, std::size_t index, std::string& string);
  /// A blob, or an out-of-band buffer; `number` is its number, or -1.
  bool data(const Vector& vector, std::size_t index, std::span<const std::uint8_t>& bytes, std::int64_t& number);
  /// An object that shows an out-of-band buffer without a copy. Null with an exception.
  PyObject* shared_buffer(std::span<const std::uint8_t> bytes);
  /// The shape of an array, and the product of its sizes.
  bool sizes(const Vector& vector, std::size_t index, Ref& tuple, std::size_t& product);
  /// A dict of keys and of as many values from `first` on.
  PyObject* dict_of(const Vector& keys, const Vector& values, std::size_t first);
  PyObject* new_dict_of(const Vector& keys, const Vector& values, std::size_t first);

  /// Takes `amount` from the work that the bytes allow.
  bool charge(std::size_t amount);
  bool malformed(const char* what);
  PyObject* malformed_value(const char* what) {
    malformed(what);
    return nullptr;
  }

  PyObject* copied_array(PyObject* dtype, PyObject* shape, const char* order, std::span<const std::uint8_t> bytes);

  const std::uint8_t* const begin_;
  const std::uint8_t* const end_;
  BufferSource source_;
  Ref owner_view_;
  std::size_t budget_;
  int depth_ = 0;
  Vector calls_;
  SharedKeys shared_keys_;
};

}  // namespace tenon::python
