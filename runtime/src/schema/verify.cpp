// Verifies a FlatBuffer by a schema that is known only at run time. Every position is computed in
// 64 bits and compared with the buffer's size before a read.
#include <cstring>
#include <string>
#include <vector>

#include "schema/schema_operations.hpp"

namespace tenon::internal {
namespace {

/// FlatBuffers' own limit: signed 32-bit offsets.
constexpr std::uint64_t kMaxBufferBytes = 0x7fffffff;
/// As flatbuffers::Verifier: bounds the work that shared tables can cause.
constexpr std::uint64_t kMaxTables = 1'000'000;

class BufferVerifier {
 public:
  BufferVerifier(const SchemaModel& model, BytesView buffer)
      : model_(model), bytes_(buffer), item_budget_(buffer.size() + kMaxTables) {}

  Result<void> verify(const ObjectModel& root) {
    if (bytes_.size() > kMaxBufferBytes) {
      return fail(ErrorCode::kTooLarge,
                  "a FlatBuffer of " + std::to_string(bytes_.size()) + " bytes; at most 2147483647 are possible");
    }
    std::uint64_t table = 0;
    if (!follow(0, table) || !verify_table(root, table, 0)) {
      std::string path;
      for (const std::string& step : path_) {
        path += (path.empty() || step.front() == '[' ? "" : ".") + step;
      }
      return fail(ErrorCode::kCorrupt,
                  "not a valid " + root.name + (path.empty() ? "" : ": field " + path) + ": " + why_);
    }
    return {};
  }

 private:
  template <typename T>
  T read(std::uint64_t at) const {
    T value;
    std::memcpy(&value, bytes_.data() + at, sizeof value);  // Little endian, as the manifest's ABI tag requires.
    return value;
  }

  bool refuse(const char* why) {
    why_ = why;
    return false;
  }

  bool in_range(std::uint64_t at, std::uint64_t size_bytes, std::uint64_t alignment) {
    if (at > bytes_.size() || size_bytes > bytes_.size() - at) {
      return refuse("it reaches beyond the end of the buffer");
    }
    return at % alignment == 0 || refuse("it is not aligned");
  }

  /// Follows the offset at `at`.
  bool follow(std::uint64_t at, std::uint64_t& target) {
    if (!in_range(at, 4, 4)) {
      return false;
    }
    const auto offset = read<std::uint32_t>(at);
    if (offset == 0 || offset > kMaxBufferBytes) {
      return refuse("its offset is impossible");
    }
    target = at + offset;
    return in_range(target, 1, 1);
  }

  /// Checks the length and the extent of a vector at `at`.
  bool vector_extent(std::uint64_t at, std::uint64_t element_bytes, std::uint64_t alignment, std::uint64_t& length) {
    if (!in_range(at, 4, 4)) {
      return false;
    }
    length = read<std::uint32_t>(at);
    return length == 0 || in_range(at + 4, length * element_bytes, alignment);
  }

  bool verify_string(std::uint64_t at) {
    std::uint64_t length = 0;
    if (!vector_extent(at, 1, 1, length) || !in_range(at + 4 + length, 1, 1)) {
      return false;
    }
    return bytes_[at + 4 + length] == 0 || refuse("the string does not end with a zero");
  }

  bool verify_table(const ObjectModel& object, std::uint64_t at, int depth) {
    if (object.is_any) {
      return true;
    }
    if (depth >= kMaxDepth || ++tables_ > kMaxTables) {
      return refuse(depth >= kMaxDepth ? "tables are nested too deep" : "there are too many tables");
    }
    if (!in_range(at, 4, 4)) {
      return false;
    }
    const std::int64_t vtable_at = static_cast<std::int64_t>(at) - read<std::int32_t>(at);
    if (vtable_at < 0) {
      return refuse("its vtable lies before the buffer");
    }
    const auto vtable = static_cast<std::uint64_t>(vtable_at);
    if (!in_range(vtable, 2, 2)) {
      return false;
    }
    const std::uint64_t vtable_bytes = read<std::uint16_t>(vtable);
    if (vtable_bytes % 2 != 0 || !in_range(vtable, vtable_bytes, 2)) {
      return refuse("its vtable is broken");
    }
    const auto position = [&](const FieldModel& field) -> std::uint64_t {
      const std::uint64_t entry = field.offset + 2U <= vtable_bytes ? read<std::uint16_t>(vtable + field.offset) : 0;
      return entry == 0 ? 0 : at + entry;
    };
    for (std::size_t i = 0; i < object.fields.size(); ++i) {
      const FieldModel& field = object.fields[i];
      const std::uint64_t place = position(field);
      path_.push_back(field.name);
      if (place == 0) {
        if (field.required && !field.deprecated) {
          return refuse("it is required, but absent");
        }
      } else if (field.type.base == BaseType::kUnion || field.type.element == BaseType::kUnion) {
        // The type field is directly before it and has been verified (see Reader::check_tables).
        const std::uint64_t tag_place = position(object.fields[i - 1]);
        if (!verify_union_field(field, place, tag_place, depth)) {
          return false;
        }
      } else if (!verify_value(field.type, place, depth)) {
        return false;
      }
      path_.pop_back();
    }
    return true;
  }

  bool verify_value(const TypeRef& type, std::uint64_t place, int depth) {
    if (const std::uint32_t size_bytes = scalar_size_bytes(type.base)) {
      return in_range(place, size_bytes, size_bytes);
    }
    if (type.base == BaseType::kObject && model_.object(type).is_struct) {
      const ObjectModel& object = model_.object(type);
      return in_range(place, object.size_bytes, object.alignment_bytes);
    }
    std::uint64_t target = 0;
    if (!follow(place, target)) {
      return false;
    }
    switch (type.base) {
      case BaseType::kString:
        return verify_string(target);
      case BaseType::kObject:
        return verify_table(model_.object(type), target, depth + 1);
      default:
        return verify_vector(type, target, depth);
    }
  }

  bool verify_vector(const TypeRef& type, std::uint64_t at, int depth) {
    const TypeRef item = type.element_type();
    std::uint64_t length = 0;
    if (const std::uint32_t size_bytes = scalar_size_bytes(item.base)) {
      return vector_extent(at, size_bytes, size_bytes, length);
    }
    if (item.base == BaseType::kObject && model_.object(item).is_struct) {
      const ObjectModel& object = model_.object(item);
      return vector_extent(at, object.size_bytes, object.alignment_bytes, length);
    }
    if (!vector_extent(at, 4, 4, length) || !spend(length)) {
      return false;
    }
    for (std::uint64_t i = 0; i < length; ++i) {
      path_.push_back("[" + std::to_string(i) + "]");
      if (!verify_value(item, at + 4 + 4 * i, depth)) {
        return false;
      }
      path_.pop_back();
    }
    return true;
  }

  bool verify_union_field(const FieldModel& field, std::uint64_t place, std::uint64_t tag_place, int depth) {
    const EnumModel& members = model_.enumeration(field.type);
    if (field.type.base == BaseType::kUnion) {
      const std::int64_t tag = tag_place == 0 ? 0 : bytes_[tag_place];
      if (tag == 0) {
        return true;
      }
      std::uint64_t target = 0;
      return follow(place, target) && verify_member(members, tag, target, depth);
    }
    std::uint64_t values = 0;
    std::uint64_t length = 0;
    if (!follow(place, values) || !vector_extent(values, 4, 4, length) || !spend(length)) {
      return false;
    }
    if (tag_place == 0) {
      return length == 0 || refuse("a vector of unions without their types");
    }
    const std::uint64_t tags = tag_place + read<std::uint32_t>(tag_place);  // Verified with the field before.
    if (read<std::uint32_t>(tags) != length) {
      return refuse("a vector of unions and that of their types differ in length");
    }
    for (std::uint64_t i = 0; i < length; ++i) {
      const std::int64_t tag = bytes_[tags + 4 + i];
      std::uint64_t target = 0;
      path_.push_back("[" + std::to_string(i) + "]");
      if (tag != 0 && (!follow(values + 4 + 4 * i, target) || !verify_member(members, tag, target, depth))) {
        return false;
      }
      path_.pop_back();
    }
    return true;
  }

  bool verify_member(const EnumModel& members, std::int64_t tag, std::uint64_t at, int depth) {
    const EnumValueModel* member = members.find_value(tag);
    if (member == nullptr || member->type.base == BaseType::kNone) {
      return true;  // A member of a newer schema; no reader with this schema follows it.
    }
    if (member->type.base == BaseType::kString) {
      return verify_string(at);
    }
    const ObjectModel& object = model_.object(member->type);
    return object.is_struct ? in_range(at, object.size_bytes, object.alignment_bytes)
                            : verify_table(object, at, depth + 1);
  }

  /// Vectors can be shared, so that a few bytes can cause much work; in an honest buffer, each
  /// element is visited about once.
  bool spend(std::uint64_t items) {
    if (items > item_budget_) {
      return refuse("its vectors are shared too often");
    }
    item_budget_ -= items;
    return true;
  }

  const SchemaModel& model_;
  BytesView bytes_;
  std::uint64_t item_budget_;
  std::uint64_t tables_ = 0;
  std::vector<std::string> path_;
  const char* why_ = "";
};

}  // namespace

Result<void> verify_buffer(const SchemaModel& model, const ObjectModel& root, BytesView buffer) {
  return BufferVerifier(model, buffer).verify(root);
}

}  // namespace tenon::internal
