/// python/codec/flex_writer.hpp: writes FlexBuffers, children before parents.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "python/codec/wire.hpp"

namespace tenon::python {

/// The location of something already written, for references to it.
struct FlexLocation {
  std::uint64_t at = 0;
  std::uint8_t width_log2 = 0;
};

/// Values are pushed on a stack; end_vector and similar functions pop the topmost values and push the vector made from
/// them. Unlike flexbuffers::Builder, it chooses a vector's width by one bound for all of its elements, and it never
/// deduplicates. Throws std::bad_alloc. Not thread-safe.
class FlexWriter {
 public:
  FlexWriter();
  FlexWriter(const FlexWriter&) = delete;
  FlexWriter& operator=(const FlexWriter&) = delete;
  ~FlexWriter();

  /// Drops all content; the memory is kept for the next buffer, unless it is large.
  void clear() noexcept;

  void push_null() { push(0, FlexType::kNull, 0); }
  void push_bool(bool value) { push(value ? 1 : 0, FlexType::kBool, 0); }
  void push_int(std::int64_t value) {
    const auto bits = static_cast<std::uint64_t>(value);
    // A negative number needs the width of its complement, and each number needs one more bit for the sign.
    push(bits, FlexType::kInt, width_of((value < 0 ? ~bits : bits) << 1));
  }
  void push_uint(std::uint64_t value) { push(value, FlexType::kUInt, width_of(value)); }
  void push_float(double value);
  void push_string(const char* text, std::size_t size_bytes) { push_sized(text, size_bytes, FlexType::kString); }
  void push_blob(const void* data, std::size_t size_bytes) {
    push_sized(static_cast<const char*>(data), size_bytes, FlexType::kBlob);
  }
  /// A string without zero bytes. Returns its location.
  FlexLocation push_key(const char* text, std::size_t size_bytes);
  /// A reference to a key or a vector of keys that was written before.
  void push_reference(FlexLocation location, FlexType type) { push(location.at, type, location.width_log2); }

  /// Number of values on the stack.
  [[nodiscard]] std::size_t stack_size() const noexcept { return static_cast<std::size_t>(top_ - stack_); }
  /// Makes one vector of the values from `start` on; the vector is typed if all are integers, floats or bools and
  /// `extended` is false.
  void end_vector(std::size_t start, bool extended);
  /// Makes a map from the values from `start` on and the same number of keys, in ascending order.
  void end_map(std::size_t start, FlexLocation keys);
  /// Makes a typed vector of the keys from `start` on, and also removes it from the stack.
  FlexLocation end_keys(std::size_t start);
  /// Removes the values from `start` on from the stack.
  void drop(std::size_t start) noexcept { top_ = stack_ + start; }

  /// Number of bytes written so far.
  [[nodiscard]] std::size_t size_bytes() const noexcept { return size_; }
  /// Completes the buffer; the only value on the stack becomes its root.
  void finish();
  /// The finished buffer; valid until the writer is used again.
  [[nodiscard]] std::span<const std::uint8_t> bytes() const noexcept { return {data_, size_}; }

 private:
  struct Entry {
    std::uint64_t bits;  ///< The value, or its location.
    FlexType type;
    std::uint8_t width_log2;  ///< The minimum width of an inline value, or the width of the value at the location.
  };

  static std::uint8_t width_of(std::uint64_t bits) noexcept {
    return bits < 0x100 ? 0 : bits < 0x10000 ? 1 : bits < 0x100000000 ? 2 : 3;
  }

  void push(std::uint64_t bits, FlexType type, std::uint8_t width_log2) {
    if (top_ == stack_end_) {
      grow_stack();
    }
    *top_++ = Entry{bits, type, width_log2};
  }
  void push_sized(const char* data, std::size_t size_bytes, FlexType type);
  void grow_stack();
  /// Reserves room for further bytes; returns its start.
  std::uint8_t* reserve(std::size_t size_bytes) {
    if (capacity_ - size_ < size_bytes) {
      grow(size_bytes);
    }
    return data_ + size_;
  }
  void grow(std::size_t size_bytes);
  void align(unsigned width_log2);
  /// Writes the doubles among the values from `start` on, so that their elements become offsets.
  void move_doubles_out(std::size_t start, std::size_t doubles);
  /// The common part of end_vector and end_map. `keys` is null for vectors. Returns the location of the vector.
  FlexLocation write_vector(std::size_t start, bool typed, const FlexLocation* keys);

  std::uint8_t* data_ = nullptr;
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;
  Entry* stack_ = nullptr;
  Entry* top_ = nullptr;
  Entry* stack_end_ = nullptr;
};

}  // namespace tenon::python
