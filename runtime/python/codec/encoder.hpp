/// python/codec/encoder.hpp: Python objects to FlexBuffers.
#pragma once

#include "python/codec/python_api.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "python/codec/error_path.hpp"
#include "python/codec/flex_writer.hpp"
#include "python/codec/wire.hpp"

namespace tenon::python {

/// Out-of-band buffers: memory of Python objects that are kept as they are, and alive, until clear() or the destructor.
class HeldBuffers {
 public:
  HeldBuffers() = default;
  HeldBuffers(const HeldBuffers&) = delete;
  HeldBuffers& operator=(const HeldBuffers&) = delete;
  ~HeldBuffers() { clear(); }

  [[nodiscard]] std::size_t size() const noexcept { return views_.size(); }
  /// The bytes of one; contiguous.
  [[nodiscard]] std::span<const std::uint8_t> operator[](std::size_t index) const noexcept {
    return {static_cast<const std::uint8_t*>(views_[index].buf), static_cast<std::size_t>(views_[index].len)};
  }
  void clear() noexcept;
  /// Takes a view over. Throws std::bad_alloc, and then has not.
  void take(BufferView& view);

 private:
  std::vector<Py_buffer> views_;
};

/// Turns objects into the format of wire.hpp. One encoder serves many messages, one after another; the buffers of
/// several values of one message are numbered through. Everything runs with the GIL held and may run Python code
/// (`__tenon__`, the rare types), so that another encoder must serve what that code sends.
///
/// A function that fails returns false with a Python exception: TypeError for what is not data, with the way to the
/// element and what to do; ValueError for what contains itself or is nested too deeply; MemoryError; or what
/// `__tenon__` raised.
class Encoder {
 public:
  explicit Encoder(std::size_t out_of_band_min_bytes = kOutOfBandMinBytes) noexcept
      : out_of_band_min_bytes_(out_of_band_min_bytes) {}
  Encoder(const Encoder&) = delete;
  Encoder& operator=(const Encoder&) = delete;
  ~Encoder();

  /// Begins a new message: drops bytes and buffers.
  void clear() noexcept;

  /// One value. `name` is what messages call it: "result", "argument 2".
  bool encode(PyObject* value, const char* name);
  /// Positional arguments, as a vector.
  bool encode_arguments(PyObject* const* values, std::size_t count);
  /// Keyword arguments: `names` is a tuple of as many strings.
  bool encode_keywords(PyObject* const* values, PyObject* names);

  /// A vector whose elements are given one by one: begin_vector, encode_element for each, end_vector.
  bool begin_vector();
  bool encode_element(PyObject* value, const char* name);
  /// As encode_element, for a vector of positional arguments.
  bool encode_element_arguments(PyObject* const* values, std::size_t count);
  bool end_vector();

  /// What the last function wrote; valid until the next.
  [[nodiscard]] std::span<const std::uint8_t> bytes() const noexcept { return writer_.bytes(); }
  /// All buffers of the message, which its values name by number.
  [[nodiscard]] const HeldBuffers& buffers() const noexcept { return buffers_; }

 private:
  /// The keys of dicts that look alike are written once.
  struct Shape {
    std::uint64_t hash = 0;
    std::vector<PyObject*> keys;  ///< Owned.
    FlexLocation location;
    bool ascending = false;
  };
  static constexpr std::size_t kShapes = 32;
  static constexpr std::size_t kMaxShapeKeys = 32;

  void begin();
  void forget_shapes() noexcept;
  void begin_element();
  void report(const std::string& name);
  template <typename Body, typename Name>
  bool guarded(Body&& body, Name&& name);
  bool arguments(PyObject* const* values, std::size_t count);

  bool value(PyObject* object);
  bool container(PyObject* object, PyTypeObject* type);
  bool integer(PyObject* object);
  bool text(PyObject* object);
  bool bytes_object(PyObject* object);
  bool list(PyObject* object);
  bool tuple(PyObject* object);
  bool dict(PyObject* object);
  bool dict_of_pairs(PyObject* object);
  void add_key_at(PyObject* dict_object, std::size_t index);
  bool set(PyObject* object, const char* tag);
  bool complex(PyObject* object);
  bool bytearray(PyObject* object);
  bool memory_view(PyObject* object);
  bool array_array(PyObject* object);
  bool ndarray(PyObject* object);
  bool rare(PyObject* object);

  /// Takes the buffer of an object in C order; a copy where it has another. False with an exception.
  static bool contiguous_view(PyObject* object, BufferView& view);
  void shape(const Py_buffer& view);
  /// A blob, or the number of an out-of-band buffer, which takes the view over.
  void data(BufferView& view);
  bool plain_keys(PyObject* const* keys, std::size_t count, bool& ascending);
  FlexLocation write_keys(PyObject* const* keys, std::size_t count);
  /// Where the keys of a record or map lie, written now or before; false when they must be sent as pairs.
  bool find_keys(PyObject* const* keys, std::size_t count, FlexLocation& location, bool& ascending);
  /// Pushes what stands before the values of a dict of these keys.
  void begin_record(FlexLocation keys, bool ascending);
  void end_record(std::size_t start, FlexLocation keys, bool ascending);
  void tag(const char* name);
  enum class ShortTag : std::uint8_t { kTuple, kRecord, kPairs };
  void tag(ShortTag name);
  bool refuse(PyObject* object, const std::string& why);
  bool replace_refused(PyObject* object);
  bool too_deep(PyObject* object);

  const std::size_t out_of_band_min_bytes_;
  FlexWriter writer_;
  HeldBuffers buffers_;
  int depth_ = 0;
  /// Inside an exception: what is not data is replaced by its text, so that an exception can always be sent.
  int lenient_ = 0;
  std::array<PyObject*, kMaxDepth> ancestors_;
  std::array<Shape, kShapes> shapes_;
  bool has_shapes_ = false;
  std::size_t last_shape_ = 0;
  /// Where the tags "t", "r" and "d" were written last, plus one.
  std::array<std::uint64_t, 3> tags_{};

  ErrorPath path_;
  /// The reason of a refusal, without the way to the element; empty when there is another exception.
  std::string refusal_;
  /// How many steps lead to an object that contains itself, and to where it is met again.
  std::size_t cycle_start_ = 0;
  std::size_t cycle_end_ = 0;
  enum class Refusal { kNone, kType, kCycle, kDepth } refused_ = Refusal::kNone;
};

}  // namespace tenon::python
