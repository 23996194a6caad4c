#include "schema/field_path.hpp"

#include <bit>
#include <limits>
#include <type_traits>

namespace tenon::internal {
namespace {

/// FlatBuffers' own limit: signed 32-bit offsets.
constexpr std::uint64_t kMaxOffset = 0x7fffffff;

/// Reads untrusted bytes that another process may write at the same time.
class BoundedBytes {
 public:
  explicit BoundedBytes(BytesView bytes) : bytes_(bytes) {}

  [[nodiscard]] bool holds(std::uint64_t at, std::uint64_t size_bytes, std::uint64_t alignment) const noexcept {
    return at <= bytes_.size() && size_bytes <= bytes_.size() - at && at % alignment == 0;
  }
  /// SUBTLE: The read is volatile so that the value that was checked is the value that is used: the
  /// compiler must not read it a second time. The location has been checked by `holds`.
  template <typename T>
  [[nodiscard]] T load(std::uint64_t at) const noexcept {
    return *reinterpret_cast<const volatile T*>(bytes_.data() + at);
  }
  /// Follows the offset at `at`.
  [[nodiscard]] bool follow(std::uint64_t at, std::uint64_t& target) const noexcept {
    if (!holds(at, 4, 4)) {
      return false;
    }
    const auto offset = load<std::uint32_t>(at);
    target = at + offset;
    return offset > 0 && offset <= kMaxOffset && holds(target, 1, 1);
  }
  /// Finds a field of the table at `table`; `place` is 0 if it is absent.
  [[nodiscard]] bool find(std::uint64_t table, std::uint16_t slot, std::uint64_t& place) const noexcept {
    if (!holds(table, 4, 4)) {
      return false;
    }
    const std::int64_t vtable = static_cast<std::int64_t>(table) - load<std::int32_t>(table);
    if (vtable < 0 || !holds(static_cast<std::uint64_t>(vtable), 2, 2)) {
      return false;
    }
    const auto at = static_cast<std::uint64_t>(vtable);
    const auto size_bytes = load<std::uint16_t>(at);
    if (size_bytes % 2 != 0 || !holds(at, size_bytes, 2)) {
      return false;
    }
    const std::uint16_t entry = slot + 2U <= size_bytes ? load<std::uint16_t>(at + slot) : std::uint16_t{0};
    place = entry == 0 ? 0 : table + entry;
    return true;
  }
  [[nodiscard]] bool text(std::uint64_t at, std::string_view& text) const noexcept {
    if (!holds(at, 4, 4)) {
      return false;
    }
    const auto length = load<std::uint32_t>(at);
    if (!holds(at + 4, std::uint64_t{length} + 1, 1) || load<std::uint8_t>(at + 4 + length) != 0) {
      return false;
    }
    text = {reinterpret_cast<const char*>(bytes_.data()) + at + 4, length};
    return true;
  }
  template <typename T>
  [[nodiscard]] bool integer(std::uint64_t at, std::int64_t& value) const noexcept {
    if (!holds(at, sizeof(T), sizeof(T))) {
      return false;
    }
    value = static_cast<std::int64_t>(load<T>(at));
    return true;
  }

 private:
  BytesView bytes_;
};

template <typename T>
void set_range(FieldShape& shape) {
  shape.kind = std::is_signed_v<T> ? FieldKind::kInteger : FieldKind::kNatural;
  shape.least = static_cast<std::int64_t>(std::numeric_limits<T>::min());
  shape.most = static_cast<std::uint64_t>(std::numeric_limits<T>::max());
}

FieldShape shape_of(const SchemaModel& model, const FieldModel& field) {
  FieldShape shape;
  shape.type = model.type_text(field.type);
  shape.optional = field.optional;
  switch (field.type.base) {
    case BaseType::kBool:
      shape.kind = FieldKind::kBool;
      shape.most = 1;
      break;
    case BaseType::kByte:
      set_range<std::int8_t>(shape);
      break;
    case BaseType::kUType:
    case BaseType::kUByte:
      set_range<std::uint8_t>(shape);
      break;
    case BaseType::kShort:
      set_range<std::int16_t>(shape);
      break;
    case BaseType::kUShort:
      set_range<std::uint16_t>(shape);
      break;
    case BaseType::kInt:
      set_range<std::int32_t>(shape);
      break;
    case BaseType::kUInt:
      set_range<std::uint32_t>(shape);
      break;
    case BaseType::kLong:
      set_range<std::int64_t>(shape);
      break;
    case BaseType::kULong:
      set_range<std::uint64_t>(shape);
      break;
    case BaseType::kFloat:
    case BaseType::kDouble:
      shape.kind = FieldKind::kReal;
      shape.single_precision = field.type.base == BaseType::kFloat;
      break;
    case BaseType::kString:
      shape.kind = FieldKind::kText;
      break;
    default:
      break;
  }
  if (is_integer(field.type.base) && field.type.index >= 0) {
    shape.kind = FieldKind::kEnum;
    for (const EnumValueModel& value : model.enumeration(field.type).values) {
      shape.names.emplace_back(value.name, value.value);
    }
  }
  return shape;
}

}  // namespace

Result<FieldPath> FieldPath::make(const SchemaModel& model, std::string_view type, std::string_view path) {
  const Result<const ObjectModel*> root = model.find_table(type);
  if (!root) {
    return tl::unexpected(root.error());
  }
  FieldPath out;
  const ObjectModel* object = *root;
  bool certain = true;  // Every table on the path is present.
  for (std::string_view rest = path;;) {
    const std::size_t dot = rest.find('.');
    const std::string_view name = rest.substr(0, dot);
    const FieldModel* field = object->find_field(name);
    if (field == nullptr || field->deprecated) {
      return fail(ErrorCode::kNotFound, object->name + " has no field '" + std::string(name) + "'");
    }
    const bool table = field->type.base == BaseType::kObject;
    const bool to_struct = table && model.object(field->type).is_struct;
    out.steps_.push_back({object->is_struct, to_struct, field->required, field->offset});
    if (dot == std::string_view::npos) {
      const bool stored = object->is_struct || field->required || (is_scalar(field->type.base) && !field->optional);
      out.base_ = field->type.base;
      out.default_integer_ = field->default_integer;
      // A schema keeps the default of a float as a double, which is not rounded.
      out.default_real_ = field->type.base == BaseType::kFloat
                              ? static_cast<double>(static_cast<float>(field->default_real))
                              : field->default_real;
      out.shape_ = shape_of(model, *field);
      out.shape_.always_present = certain && stored;
      return out;
    }
    if (!table) {
      return fail(ErrorCode::kInvalidArgument, "field '" + std::string(path) + "' of " + (*root)->name + ": '" +
                                                   field->name + "' is " + model.type_text(field->type) +
                                                   ", which has no fields that a path can name");
    }
    certain = certain && (field->required || object->is_struct);
    object = &model.object(field->type);
    rest.remove_prefix(dot + 1);
  }
}

bool FieldPath::read(BytesView buffer, FieldValue& value) const noexcept {
  const BoundedBytes bytes(buffer);
  value.present = false;
  value.integer = default_integer_;
  value.real = default_real_;
  value.text = {};
  std::uint64_t at = 0;
  if (!bytes.follow(0, at)) {
    return false;
  }
  for (std::size_t i = 0; i < steps_.size(); ++i) {
    const Step& step = steps_[i];
    const bool last = i + 1 == steps_.size();
    if (step.in_struct) {
      at += step.offset;
    } else {
      std::uint64_t place = 0;
      if (!bytes.find(at, step.offset, place)) {
        return false;
      }
      if (place == 0) {
        // A scalar that is not stored has its default. If a table on the path is absent, the value is absent.
        value.present = last && is_scalar(base_) && !shape_.optional;
        return !step.required;
      }
      at = place;
    }
    if (!last && !step.to_struct && !bytes.follow(at, at)) {
      return false;
    }
  }
  value.present = true;
  switch (base_) {
    case BaseType::kByte:
      return bytes.integer<std::int8_t>(at, value.integer);
    case BaseType::kBool:
      if (!bytes.integer<std::uint8_t>(at, value.integer)) {
        return false;
      }
      value.integer = value.integer != 0 ? 1 : 0;
      return true;
    case BaseType::kUType:
    case BaseType::kUByte:
      return bytes.integer<std::uint8_t>(at, value.integer);
    case BaseType::kShort:
      return bytes.integer<std::int16_t>(at, value.integer);
    case BaseType::kUShort:
      return bytes.integer<std::uint16_t>(at, value.integer);
    case BaseType::kInt:
      return bytes.integer<std::int32_t>(at, value.integer);
    case BaseType::kUInt:
      return bytes.integer<std::uint32_t>(at, value.integer);
    case BaseType::kLong:
    case BaseType::kULong:
      return bytes.integer<std::int64_t>(at, value.integer);
    case BaseType::kFloat:
      if (!bytes.holds(at, 4, 4)) {
        return false;
      }
      value.real = static_cast<double>(std::bit_cast<float>(bytes.load<std::uint32_t>(at)));
      return true;
    case BaseType::kDouble:
      if (!bytes.holds(at, 8, 8)) {
        return false;
      }
      value.real = std::bit_cast<double>(bytes.load<std::uint64_t>(at));
      return true;
    case BaseType::kString: {
      std::uint64_t target = 0;
      return bytes.follow(at, target) && bytes.text(target, value.text);
    }
    default:
      return true;
  }
}

}  // namespace tenon::internal
