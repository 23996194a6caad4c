/// python/codec/wire.hpp: the representation of Python objects in a FlexBuffer. DESIGN.md explains the choices.
///
/// Types that FlexBuffers support are used directly: None, bool, integers of 64 bits, float, str, short bytes, list (a
/// vector; a typed one if all elements are integers, floats or bools), and a dict whose keys are strings in ascending
/// order (a map). Everything else is an extended vector, whose first element is a key (FBT_KEY), the tag. No Python
/// object becomes a key elsewhere, so a tag cannot be mistaken for data.
///
///   tag            further elements
///   t              the elements of a tuple
///   r              a typed vector of keys, then the values of a dict with these keys in this order
///   d              key, value, key, value ... of any other dict
///   int            blob: two's complement, little endian
///   str            blob: UTF-8 with lone surrogates
///   bytes          number of an out-of-band buffer
///   bytearray      data
///   set frozenset  the elements
///   complex        real part, imaginary part
///   ndarray        dtype, shape as a list, "C" or "F", data
///   array          type code, item size, data
///   memoryview     format, shape as a list, whether it is read-only, data
///
/// `data` is a blob, or the number of an out-of-band buffer. Other tags belong to the Python half, tenon/_codec.py.
/// WIRE: both sides of a call come from one build, so tags may change between versions, but not within one.
#pragma once

#include <cstddef>
#include <cstdint>

namespace tenon::python {

/// The types of FlexBuffers; the numbers are the format's.
enum class FlexType : std::uint8_t {
  kNull = 0,
  kInt = 1,
  kUInt = 2,
  kFloat = 3,
  kKey = 4,
  kString = 5,
  kIndirectInt = 6,
  kIndirectUInt = 7,
  kIndirectFloat = 8,
  kMap = 9,
  kVector = 10,
  kVectorInt = 11,
  kVectorUInt = 12,
  kVectorFloat = 13,
  kVectorKey = 14,
  kVectorString = 15,
  kVectorInt2 = 16,
  kVectorFloat4 = 24,
  kBlob = 25,
  kBool = 26,
  kVectorBool = 36,
};

/// Whether an element of this type is the value itself rather than an offset to it.
constexpr bool is_inline(FlexType type) noexcept {
  return type <= FlexType::kFloat || type == FlexType::kBool;
}

/// Maximum nesting of containers. Both sides count in the same way.
inline constexpr int kMaxDepth = 200;
/// Buffers of at least this size are sent out of band.
inline constexpr std::size_t kOutOfBandMinBytes = 4096;
/// The longest tag.
inline constexpr std::size_t kMaxTagBytes = 32;

}  // namespace tenon::python
