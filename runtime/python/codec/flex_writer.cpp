#include "python/codec/flex_writer.hpp"

#include <cstdlib>
#include <cstring>
#include <limits>
#include <new>
#include <utility>

namespace tenon::python {
namespace {

constexpr std::size_t kFirstBytes = 512;
constexpr std::size_t kFirstEntries = 64;
/// Larger buffers are not kept for the next message.
constexpr std::size_t kMaxKeptBytes = std::size_t{4} << 20;

template <typename T>
T* resize(T* memory, std::size_t count) {
  void* const moved = std::realloc(static_cast<void*>(memory), count * sizeof(T));
  if (moved == nullptr) {
    throw std::bad_alloc();
  }
  return static_cast<T*>(moved);
}

void put(std::uint8_t* at, std::uint64_t value, unsigned width_log2) noexcept {
  // The format is little endian, like every machine that tenon supports.
  std::memcpy(at, &value, std::size_t{1} << width_log2);
}

std::uint8_t packed(FlexType type, unsigned width_log2) noexcept {
  return static_cast<std::uint8_t>(static_cast<unsigned>(type) << 2 | width_log2);
}

/// Whether a float is sufficient: NaN never compares equal, so it is sent as a double and keeps its bits.
bool fits_float(double value) noexcept {
  // Beyond the range the conversion is undefined, so infinities are sent as doubles.
  constexpr double kMax = std::numeric_limits<float>::max();
  return value >= -kMax && value <= kMax && static_cast<double>(static_cast<float>(value)) == value;
}

}  // namespace

FlexWriter::FlexWriter() = default;

FlexWriter::~FlexWriter() {
  std::free(data_);
  std::free(stack_);
}

void FlexWriter::clear() noexcept {
  size_ = 0;
  top_ = stack_;
  if (capacity_ > kMaxKeptBytes) {
    std::free(std::exchange(data_, nullptr));
    capacity_ = 0;
  }
  if (static_cast<std::size_t>(stack_end_ - stack_) * sizeof(Entry) > kMaxKeptBytes) {
    std::free(stack_);
    stack_ = top_ = stack_end_ = nullptr;
  }
}

void FlexWriter::grow_stack() {
  const std::size_t used = stack_size();
  const std::size_t count = used == 0 ? kFirstEntries : used * 2;
  stack_ = resize(stack_, count);
  top_ = stack_ + used;
  stack_end_ = stack_ + count;
}

void FlexWriter::grow(std::size_t size_bytes) {
  if (size_bytes > std::numeric_limits<std::size_t>::max() / 4 - size_) {
    throw std::bad_alloc();
  }
  const std::size_t least = size_ + size_bytes;
  std::size_t wanted = capacity_ == 0 ? kFirstBytes : capacity_ * 2;
  wanted = wanted < least ? least + least / 4 : wanted;
  data_ = resize(data_, wanted);
  capacity_ = wanted;
}

void FlexWriter::align(unsigned width_log2) {
  const std::size_t width = std::size_t{1} << width_log2;
  const std::size_t padding = (width - (size_ & (width - 1))) & (width - 1);
  if (padding != 0) {
    std::memset(reserve(padding), 0, padding);
    size_ += padding;
  }
}

void FlexWriter::push_float(double value) {
  std::uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof bits);
  push(bits, FlexType::kFloat, fits_float(value) ? 2 : 3);
}

void FlexWriter::push_sized(const char* data, std::size_t size_bytes, FlexType type) {
  const std::uint8_t width_log2 = width_of(size_bytes);
  if (width_log2 != 0) {
    align(width_log2);
  }
  const std::size_t width = std::size_t{1} << width_log2;
  // A string ends with a zero, for readers in C; a blob does not.
  const std::size_t zero = type == FlexType::kString ? 1 : 0;
  std::uint8_t* at = reserve(width + size_bytes + zero);
  put(at, size_bytes, width_log2);
  at += width;
  if (size_bytes != 0) {
    std::memcpy(at, data, size_bytes);
  }
  if (zero != 0) {
    at[size_bytes] = 0;
  }
  push(size_ + width, type, width_log2);
  size_ += width + size_bytes + zero;
}

FlexLocation FlexWriter::push_key(const char* text, std::size_t size_bytes) {
  std::uint8_t* const at = reserve(size_bytes + 1);
  std::memcpy(at, text, size_bytes);
  at[size_bytes] = 0;
  const FlexLocation location{size_, 0};
  size_ += size_bytes + 1;
  push_reference(location, FlexType::kKey);
  return location;
}

namespace {

/// Writes the elements with a width that is known at compile time.
template <typename Unsigned, typename Entry>
void put_elements(std::uint8_t* at, std::uint64_t position, const Entry* entries, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i, at += sizeof(Unsigned), position += sizeof(Unsigned)) {
    const Entry& entry = entries[i];
    std::uint64_t bits = entry.bits;
    if (!is_inline(entry.type)) {
      bits = position - bits;
    } else if (sizeof(Unsigned) == 4 && entry.type == FlexType::kFloat) {
      double wide = 0;
      std::memcpy(&wide, &bits, sizeof wide);
      const auto narrow = static_cast<float>(wide);
      std::uint32_t narrow_bits = 0;
      std::memcpy(&narrow_bits, &narrow, sizeof narrow_bits);
      bits = narrow_bits;
    }
    const auto element = static_cast<Unsigned>(bits);
    std::memcpy(at, &element, sizeof element);
  }
}

}  // namespace

void FlexWriter::move_doubles_out(std::size_t start, std::size_t doubles) {
  align(3);
  std::uint8_t* at = reserve(doubles * sizeof(double));
  for (Entry* entry = stack_ + start; entry != top_; ++entry) {
    if (entry->type == FlexType::kFloat && entry->width_log2 == 3) {
      std::memcpy(at, &entry->bits, sizeof entry->bits);
      *entry = Entry{size_, FlexType::kIndirectFloat, 3};
      at += sizeof(double);
      size_ += sizeof(double);
    }
  }
}

FlexLocation FlexWriter::write_vector(std::size_t start, bool typed, const FlexLocation* keys) {
  const std::size_t count = stack_size() - start;
  // Offsets point backwards, so the lowest location decides how wide they must be.
  std::uint8_t width_log2 = width_of(count);
  std::uint64_t lowest = keys != nullptr ? keys->at : size_;
  std::size_t doubles = 0;
  for (const Entry* entry = stack_ + start; entry != top_; ++entry) {
    if (!is_inline(entry->type)) {
      lowest = entry->bits < lowest ? entry->bits : lowest;
    } else if (entry->width_log2 == 3 && entry->type == FlexType::kFloat) {
      ++doubles;
    } else if (entry->width_log2 > width_log2) {
      width_log2 = entry->width_log2;
    }
  }
  const std::size_t prefix = keys != nullptr ? 3 : 1;
  const auto wide_enough = [&](std::uint8_t log2) {
    // The distance from the lowest child to the last element, with the largest possible alignment.
    const std::uint64_t farthest = size_ - lowest + ((prefix + count + 1) << log2);
    return log2 == 3 || farthest < (std::uint64_t{1} << (8u << log2));
  };
  if (doubles != 0 && width_log2 < 3 && !typed) {
    // Instead of using elements of 8 bytes for a few doubles, stores these outside the vector, which takes less space.
    const std::size_t outside = doubles * sizeof(double) + sizeof(double);
    if ((count << (width_log2 < 2 ? 2 : width_log2)) + outside < count * sizeof(double)) {
      move_doubles_out(start, doubles);
      doubles = 0;
    }
  }
  if (doubles != 0) {
    width_log2 = 3;
  }
  while (!wide_enough(width_log2)) {
    ++width_log2;
  }
  const Entry* const entries = stack_ + start;

  align(width_log2);
  const std::size_t width = std::size_t{1} << width_log2;
  std::uint8_t* at = reserve((prefix + count) * width + count);
  if (keys != nullptr) {
    put(at, size_ - keys->at, width_log2);
    put(at + width, std::uint64_t{1} << keys->width_log2, width_log2);
    at += 2 * width;
    size_ += 2 * width;
  }
  put(at, count, width_log2);
  at += width;
  size_ += width;
  const FlexLocation location{size_, width_log2};
  switch (width_log2) {
    case 0:
      put_elements<std::uint8_t>(at, size_, entries, count);
      break;
    case 1:
      put_elements<std::uint16_t>(at, size_, entries, count);
      break;
    case 2:
      put_elements<std::uint32_t>(at, size_, entries, count);
      break;
    default:
      put_elements<std::uint64_t>(at, size_, entries, count);
      break;
  }
  at += count * width;
  size_ += count * width;
  if (!typed) {
    for (std::size_t i = 0; i < count; ++i) {
      const Entry& entry = entries[i];
      at[i] = packed(entry.type, is_inline(entry.type) ? width_log2 : entry.width_log2);
    }
    size_ += count;
  }
  drop(start);
  return location;
}

void FlexWriter::end_vector(std::size_t start, bool extended) {
  FlexType vector = FlexType::kVector;
  const std::size_t count = stack_size() - start;
  if (!extended && count != 0) {
    const FlexType first = stack_[start].type;
    if (first == FlexType::kInt || first == FlexType::kFloat || first == FlexType::kBool) {
      std::size_t same = 1;
      while (same < count && stack_[start + same].type == first) {
        ++same;
      }
      if (same == count) {
        vector = first == FlexType::kInt     ? FlexType::kVectorInt
                 : first == FlexType::kFloat ? FlexType::kVectorFloat
                                             : FlexType::kVectorBool;
      }
    }
  }
  push_reference(write_vector(start, vector != FlexType::kVector, nullptr), vector);
}

void FlexWriter::end_map(std::size_t start, FlexLocation keys) {
  push_reference(write_vector(start, false, &keys), FlexType::kMap);
}

FlexLocation FlexWriter::end_keys(std::size_t start) {
  return write_vector(start, true, nullptr);
}

void FlexWriter::finish() {
  const Entry root = stack_[0];
  unsigned width_log2 = root.width_log2;
  if (!is_inline(root.type)) {
    // The root is an offset from directly after the last value.
    width_log2 = 0;
    while (width_log2 < 3 && size_ + (std::size_t{1} << width_log2) - root.bits >= std::uint64_t{1}
                                                                                       << (8u << width_log2)) {
      ++width_log2;
    }
  }
  align(width_log2);
  const std::size_t width = std::size_t{1} << width_log2;
  std::uint8_t* const at = reserve(width + 2);
  switch (width_log2) {
    case 0:
      put_elements<std::uint8_t>(at, size_, &root, 1);
      break;
    case 1:
      put_elements<std::uint16_t>(at, size_, &root, 1);
      break;
    case 2:
      put_elements<std::uint32_t>(at, size_, &root, 1);
      break;
    default:
      put_elements<std::uint64_t>(at, size_, &root, 1);
      break;
  }
  at[width] = packed(root.type, is_inline(root.type) ? width_log2 : root.width_log2);
  at[width + 1] = static_cast<std::uint8_t>(width);
  size_ += width + 2;
  top_ = stack_;
}

}  // namespace tenon::python
