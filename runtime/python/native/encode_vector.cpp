#include <algorithm>
#include <cstring>

#include "python/native/encode.hpp"
#include "python/native/errors.hpp"
#include "python/native/gil.hpp"

namespace tenon::python {

using flatbuffers::uoffset_t;
using internal::BaseType;
using internal::TypeRef;

namespace {

/// FlatBuffers' own limit, signed 32-bit offsets, minus the overhead of a vector.
constexpr std::size_t kMaxBytes = 0x7fffffff - 256;
/// During copies of at least this size, other Python threads may run.
constexpr std::size_t kLongCopyBytes = std::size_t{1} << 20;
/// Vectors of bytes are aligned so that workers can read them as numbers of any type.
constexpr std::size_t kBytesAlignment = 16;

/// The buffer of a Python object during its lifetime.
class HeldBuffer {
 public:
  HeldBuffer() = default;
  HeldBuffer(const HeldBuffer&) = delete;
  HeldBuffer& operator=(const HeldBuffer&) = delete;
  ~HeldBuffer() {
    if (open_) {
      PyBuffer_Release(&view_);
    }
  }
  [[nodiscard]] bool open(PyObject* object) {
    open_ = PyObject_GetBuffer(object, &view_, PyBUF_FULL_RO) == 0;
    return open_;
  }
  [[nodiscard]] const Py_buffer& operator*() const noexcept { return view_; }
  [[nodiscard]] const Py_buffer* operator->() const noexcept { return &view_; }

  /// Copies the items in C order.
  [[nodiscard]] bool copy_to(std::uint8_t* out) const {
    if (view_.len == 0) {
      return true;
    }
    if (PyBuffer_IsContiguous(&view_, 'C') == 0) {
      return PyBuffer_ToContiguous(out, const_cast<Py_buffer*>(&view_), view_.len, 'C') == 0;
    }
    const auto size = static_cast<std::size_t>(view_.len);
    if (size < kLongCopyBytes) {
      std::memcpy(out, view_.buf, size);
    } else {
      const WithoutGil without_gil;
      std::memcpy(out, view_.buf, size);
    }
    return true;
  }

 private:
  Py_buffer view_{};
  bool open_ = false;
};

/// A format without its byte order marks, all of which mean the same on a little-endian machine.
std::string without_order(std::string_view format) {
  std::string result;
  for (const char letter : format) {
    if (letter == '>' || letter == '!') {
      return {};
    }
    if (letter != '<' && letter != '=' && letter != '@' && letter != '^') {
      result += letter;
    }
  }
  return result;
}

/// Padding may be written as "4x" or as "xxxx", and 64-bit numbers as q or l.
std::string canonical_struct(std::string_view format) {
  std::string result;
  std::string digits;
  bool in_name = false;
  for (const char letter : without_order(format)) {
    if (letter == ':') {
      in_name = !in_name;
    }
    if (in_name || letter == ':') {
      result += letter;
    } else if (letter >= '0' && letter <= '9') {
      digits += letter;
    } else if (letter == 'x') {
      result.append(digits.empty() ? 1 : static_cast<std::size_t>(std::stoul(digits)), 'x');
      digits.clear();
    } else {
      result += digits;
      digits.clear();
      result += letter == 'l' ? 'q' : letter == 'L' ? 'Q' : letter;
    }
  }
  return result;
}

}  // namespace

bool format_fits(BaseType type, const char* format, Py_ssize_t item_bytes) noexcept {
  std::string_view letters = format == nullptr ? "B" : format;
  if (!letters.empty() && (letters.front() == '@' || letters.front() == '=' || letters.front() == '<')) {
    letters.remove_prefix(1);
  }
  if (letters.size() != 1 || item_bytes != static_cast<Py_ssize_t>(internal::scalar_size_bytes(type))) {
    return false;
  }
  const char letter = letters.front();
  switch (type) {
    case BaseType::kFloat:
    case BaseType::kDouble:
      return letter == 'f' || letter == 'd';
    case BaseType::kBool:
      return letter == '?';
    case BaseType::kByte:
      return letter == 'b' || letter == 'c';
    case BaseType::kShort:
    case BaseType::kInt:
    case BaseType::kLong:
      return std::string_view("hilqn").find(letter) != std::string_view::npos;
    case BaseType::kUShort:
    case BaseType::kUInt:
    case BaseType::kULong:
      return std::string_view("HILQN").find(letter) != std::string_view::npos;
    default:
      return letter == 'B' || letter == 'c';
  }
}

TableEncoder::TableEncoder(flatbuffers::FlatBufferBuilder& builder, std::string_view what,
                           const SharedBufferObject* shared)
    : builder_(builder),
      what_(what),
      shared_(shared),
      // A growing builder may move its memory, but Python arrays are views of it. Part of the memory is for the builder
      // itself.
      max_bytes_(shared == nullptr ? kMaxBytes
                                   : static_cast<std::size_t>(shared->size_bytes) + kSharedBufferReserveBytes * 3 / 4) {
}

bool TableEncoder::check_room(std::size_t size_bytes) {
  if (size_bytes < max_bytes_ && builder_.GetSize() < max_bytes_ - size_bytes) {
    return true;
  }
  raise(ErrorCode::kTooLarge,
        located(max_bytes_ < kMaxBytes ? "beside an array in shared memory there is room for 48 KiB; pass a copy of it"
                                       : "an argument holds less than 2 GiB; split it, or write it to a file"));
  return false;
}

bool TableEncoder::take_shared(const Py_buffer& view) {
  if (shared_ == nullptr || view.buf != shared_->data || view.len != shared_->size_bytes ||
      view.itemsize != shared_->item_bytes || PyBuffer_IsContiguous(&view, 'C') == 0) {
    return false;
  }
  shared_ = nullptr;  // A second field gets a copy, if there is room.
  return true;
}

std::uint8_t* TableEncoder::make_vector(std::size_t count, std::size_t size_bytes, std::size_t alignment_bytes,
                                        uoffset_t& offset) {
  // A count whose product would overflow is too large in any case.
  if (!check_room(count > kMaxBytes / size_bytes ? kMaxBytes : count * size_bytes)) {
    return nullptr;
  }
  builder_.ForceVectorAlignment(count, size_bytes, alignment_bytes);
  std::uint8_t* items = nullptr;
  offset = builder_.CreateUninitializedVector<std::uint8_t>(count * size_bytes, &items).o;
  // The builder counted bytes; the length is at its current position.
  flatbuffers::WriteScalar(builder_.GetCurrentBufferPointer(), static_cast<uoffset_t>(count));
  return items;
}

Ref TableEncoder::sequence(const internal::SchemaModel& model, const TypeRef& type, PyObject* value) {
  const bool text = PyUnicode_Check(value) || PyDict_Check(value);
  Ref items = text ? Ref() : Ref::steal(PySequence_Fast(value, ""));
  if (!items && (text || PyErr_ExceptionMatches(PyExc_TypeError))) {
    PyErr_Clear();
    refuse_type("a sequence (" + model.type_text(type) + ")", value);
  }
  return items;
}

Ref TableEncoder::item_of(const Ref& items, std::size_t i) {
  // Converting an item may run any code, which may change the list.
  if (static_cast<Py_ssize_t>(i) >= PySequence_Fast_GET_SIZE(items.get())) {
    refuse("the sequence became shorter while it was read");
    return {};
  }
  return Ref::share(PySequence_Fast_GET_ITEM(items.get(), static_cast<Py_ssize_t>(i)));
}

uoffset_t TableEncoder::vector(SchemaPlan& schema, const TypeRef& type, PyObject* value) {
  const TypeRef item = type.element_type();
  const bool fixed =
      internal::is_scalar(item.base) || (item.base == BaseType::kObject && schema.model().object(item).is_struct);
  if (fixed && PyObject_CheckBuffer(value) && (item.base == BaseType::kObject || item.index < 0)) {
    return vector_of_buffer(schema, item, value);
  }
  const Ref items = sequence(schema.model(), type, value);
  if (!items) {
    return 0;
  }
  if (fixed) {
    return vector_of_fixed(schema, item, items);
  }
  const auto count = static_cast<std::size_t>(PySequence_Fast_GET_SIZE(items.get()));
  std::vector<flatbuffers::Offset<void>> offsets(count);
  for (std::size_t i = 0; i < count; ++i) {
    const Descent descent(*this, {{}, i});
    const Ref element = item_of(items, i);
    offsets[i].o = element ? reference(schema, item, element.get()) : 0;
    if (offsets[i].o == 0) {
      return 0;
    }
  }
  return check_room(count * sizeof(uoffset_t)) ? builder_.CreateVector(offsets.data(), count).o : 0;
}

uoffset_t TableEncoder::vector_of_fixed(SchemaPlan& schema, const TypeRef& item, const Ref& items) {
  const bool is_struct = item.base == BaseType::kObject;
  const ObjectPlan* const plan = is_struct ? schema.object(schema.model().object(item)) : nullptr;
  if (is_struct && plan == nullptr) {
    return 0;
  }
  const std::size_t size = is_struct ? plan->model->size_bytes : internal::scalar_size_bytes(item.base);
  const auto count = static_cast<std::size_t>(PySequence_Fast_GET_SIZE(items.get()));
  uoffset_t offset = 0;
  std::uint8_t* out = make_vector(count, size, is_struct ? plan->model->alignment_bytes : size, offset);
  if (out == nullptr) {
    return 0;
  }
  for (std::size_t i = 0; i < count; ++i, out += size) {
    const Descent descent(*this, {{}, i});
    const Ref element = item_of(items, i);
    if (!element || !(is_struct ? fill_struct(*plan, element.get(), out) : scalar(schema, item, element.get(), out))) {
      return 0;
    }
  }
  return offset;
}

uoffset_t TableEncoder::vector_of_buffer(SchemaPlan& schema, const TypeRef& item, PyObject* value) {
  HeldBuffer view;
  if (!view.open(value)) {
    return 0;
  }
  const bool is_struct = item.base == BaseType::kObject;
  const ObjectPlan* const plan = is_struct ? schema.object(schema.model().object(item)) : nullptr;
  if (is_struct && plan == nullptr) {
    return 0;
  }
  const std::size_t size = is_struct ? plan->model->size_bytes : internal::scalar_size_bytes(item.base);
  const bool fits = is_struct ? view->itemsize == static_cast<Py_ssize_t>(size) && view->format != nullptr &&
                                    canonical_struct(view->format) == canonical_struct(plan->format)
                              : format_fits(item.base, view->format, view->itemsize);
  if (!fits) {
    const std::string found = "an array with items '" + std::string(view->format == nullptr ? "B" : view->format) +
                              "' of " + std::to_string(view->itemsize) + " bytes does not fit ";
    refuse(is_struct
               ? found + "struct " + plan->model->name + " ('" + plan->format + "')"
               : found + scalar_name(item.base) + "; convert it, as in array.astype('" + scalar_name(item.base) + "')");
    return 0;
  }
  if (const SharedBufferObject* const shared = shared_; take_shared(*view)) {
    return shared->offset;
  }
  const std::size_t alignment = is_struct   ? plan->model->alignment_bytes
                                : size == 1 ? kBytesAlignment
                                            : std::max(size, kBytesAlignment);
  uoffset_t offset = 0;
  std::uint8_t* const out = make_vector(static_cast<std::size_t>(view->len) / size, size, alignment, offset);
  return out != nullptr && view.copy_to(out) ? offset : 0;
}

}  // namespace tenon::python
