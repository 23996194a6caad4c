/// python/codec/encoder.hpp: encodes Python objects as FlexBuffers.
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

/// Out-of-band buffers: the memory of Python objects, which are kept alive until clear() or the destructor.
class HeldBuffers {
 public:
  HeldBuffers() = default;
  HeldBuffers(const HeldBuffers&) = delete;
  HeldBuffers& operator=(const HeldBuffers&) = delete;
  ~HeldBuffers() { clear(); }

  [[nodiscard]] std::size_t size() const noexcept { return views_.size(); }
  /// The bytes of one buffer; contiguous.
  [[nodiscard]] std::span<const std::uint8_t> operator[](std::size_t index) const noexcept {
    return {static_cast<const std::uint8_t*>(views_[index].buf), static_cast<std::size_t>(views_[index].len)};
  }
  void clear() noexcept;
  /// Takes over a view. If it throws std::bad_alloc, the caller keeps the view.
  void take(BufferView& view);

 private:
  std::vector<Py_buffer> views_;
};

/// Converts objects to the format of wire.hpp. One encoder can encode many messages, one after another; the buffers of
/// all values of one message are numbered consecutively. Everything runs with the GIL held and may run Python code
/// (`__tenon__`, the rare types); calls made by that code need another encoder.
///
/// A function that fails returns false with a Python exception: TypeError for an object that is not data, with the path
/// to the element and advice; ValueError for an object that contains itself or is nested too deeply; MemoryError; or
/// the exception that `__tenon__` raised.
class Encoder {
 public:
  explicit Encoder(std::size_t out_of_band_min_bytes = kOutOfBandMinBytes) noexcept
      : out_of_band_min_bytes_(out_of_band_min_bytes) {}
  Encoder(const Encoder&) = delete;
  Encoder& operator=(const Encoder&) = delete;
  ~Encoder();

  /// Starts a new message: drops bytes and buffers.
  void clear() noexcept;

  /// Encodes one value. `name` is its name in messages: "result", "argument 2".
  bool encode(PyObject* value, const char* name);
  /// Encodes positional arguments as a vector.
  bool encode_arguments(PyObject* const* values, std::size_t count);
  /// Encodes keyword arguments: `names` is a tuple with as many strings as there are values.
  bool encode_keywords(PyObject* const* values, PyObject* names);

  /// Encodes a vector whose elements are added one by one: begin_vector, encode_element for each, end_vector.
  bool begin_vector();
  bool encode_element(PyObject* value, const char* name);
  /// Like encode_element, for a vector of positional arguments.
  bool encode_element_arguments(PyObject* const* values, std::size_t count);
  bool end_vector();

  /// The output of the last function; valid until the next call.
  [[nodiscard]] std::span<const std::uint8_t> bytes() const noexcept { return writer_.bytes(); }
  /// All buffers of the message, to which its values refer by number.
  [[nodiscard]] const HeldBuffers& buffers() const noexcept { return buffers_; }

 private:
  /// The keys of similar dicts, which are written only once.
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

  /// Gets the buffer of an object in C order; makes a copy if the object has another order. False with an exception.
  static bool contiguous_view(PyObject* object, BufferView& view);
  void shape(const Py_buffer& view);
  /// Encodes a view as a blob, or as the number of an out-of-band buffer, which takes over the view.
  void data(BufferView& view);
  bool plain_keys(PyObject* const* keys, std::size_t count, bool& ascending);
  FlexLocation write_keys(PyObject* const* keys, std::size_t count);
  /// Finds the keys of a record or map, or writes them; false if they must be sent as pairs.
  bool find_keys(PyObject* const* keys, std::size_t count, FlexLocation& location, bool& ascending);
  /// Pushes the part of a record that precedes its values.
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
  /// Set inside an exception: parts that are not data are replaced by their text, so that an exception can always be
  /// sent.
  int lenient_ = 0;
  std::array<PyObject*, kMaxDepth> ancestors_;
  std::array<Shape, kShapes> shapes_;
  bool has_shapes_ = false;
  std::size_t last_shape_ = 0;
  /// Locations at which the tags "t", "r" and "d" were last written, plus one.
  std::array<std::uint64_t, 3> tags_{};

  ErrorPath path_;
  /// The reason of a refusal, without the path to the element; empty if there is another exception.
  std::string refusal_;
  /// Number of steps to an object that contains itself, and to where it occurs again.
  std::size_t cycle_start_ = 0;
  std::size_t cycle_end_ = 0;
  enum class Refusal { kNone, kType, kCycle, kDepth } refused_ = Refusal::kNone;
};

}  // namespace tenon::python
