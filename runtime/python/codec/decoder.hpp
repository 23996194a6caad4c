/// python/codec/decoder.hpp: decodes FlexBuffers from possibly hostile bytes to Python objects.
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

/// References that are released together, laid out as a vectorcall expects them.
class ObjectVector {
 public:
  ObjectVector() = default;
  ObjectVector(const ObjectVector&) = delete;
  ObjectVector& operator=(const ObjectVector&) = delete;
  ~ObjectVector() { clear(); }

  /// Takes over a new reference. If it throws std::bad_alloc, it has released the reference.
  void take(PyObject* object);
  void clear() noexcept;
  [[nodiscard]] std::size_t size() const noexcept { return objects_.size(); }
  [[nodiscard]] PyObject* const* data() const noexcept { return objects_.data(); }

 private:
  std::vector<PyObject*> objects_;
};

/// The source of out-of-band buffers.
struct BufferSource {
  std::span<const std::span<const std::uint8_t>> buffers = {};
  /// An object whose buffer (bytes, contiguous) contains all of `buffers`. Decoded arrays and views then show that
  /// memory and keep the object alive. Null: they are writable copies that can be kept.
  PyObject* owner = nullptr;
};

/// Decodes one FlexBuffer. Every width, offset and count is checked, and the work is bounded by the number of bytes,
/// even if many elements share references. `tenon._codec` looks up the names of classes and functions and imports their
/// modules. Everything runs with the GIL held; the bytes must not change meanwhile.
///
/// A function that fails returns null or false with a Python exception: ValueError for malformed bytes, or the
/// exception of the lookup of a name or of `__from_tenon__`.
class Decoder {
 public:
  explicit Decoder(std::span<const std::uint8_t> bytes, BufferSource source = {}) noexcept;
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;
  ~Decoder();

  /// Decodes the whole value. Returns a new reference.
  PyObject* decode();
  /// Decodes the elements that Encoder::encode_arguments wrote.
  bool decode_arguments(ObjectVector& arguments);

  /// Reads the output of begin_vector and encode_element_arguments: first the number of elements, then one after
  /// another.
  bool open_calls(std::size_t& count);
  bool decode_call(std::size_t index, ObjectVector& arguments);

 private:
  /// A vector whose elements all lie inside the bytes.
  struct Vector {
    const std::uint8_t* elements = nullptr;
    const std::uint8_t* types = nullptr;  ///< Null if it is typed.
    std::size_t count = 0;
    unsigned width = 1;       ///< The width of an element, in bytes.
    std::uint8_t packed = 0;  ///< The type of each element, if it is typed.

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
  /// Opens the vector whose elements start at `elements`.
  bool open_vector_at(const std::uint8_t* elements, unsigned width, bool typed, Vector& vector);
  bool sized(const std::uint8_t* at, unsigned width, std::uint8_t packed, std::span<const std::uint8_t>& bytes);
  bool key_text(const std::uint8_t* at, unsigned width, std::span<const char>& text);
  bool element_blob(const Vector& vector, std::size_t index, std::span<const std::uint8_t>& bytes);
  bool element_integer(const Vector& vector, std::size_t index, std::int64_t& number);
  bool element_float(const Vector& vector, std::size_t index, double& number);
  bool element_string(const Vector& vector, std::size_t index, std::string& string);
  /// Reads a blob or an out-of-band buffer; `number` is its number, or -1.
  bool data(const Vector& vector, std::size_t index, std::span<const std::uint8_t>& bytes, std::int64_t& number);
  /// Returns an object that shows an out-of-band buffer without a copy. Null with an exception.
  PyObject* shared_buffer(std::span<const std::uint8_t> bytes);
  /// Reads the shape of an array, and the product of its sizes.
  bool sizes(const Vector& vector, std::size_t index, Ref& tuple, std::size_t& product);
  /// Creates a dict from keys and the same number of values from `first` on.
  PyObject* dict_of(const Vector& keys, const Vector& values, std::size_t first);
  PyObject* new_dict_of(const Vector& keys, const Vector& values, std::size_t first);

  /// Subtracts `amount` from the work that the size of the data allows.
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
