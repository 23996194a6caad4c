#include "schema/compare_buffers.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <tuple>
#include <utility>

#include "base/text.hpp"
#include "schema/buffer_view.hpp"
#include "schema/schema_model.hpp"
#include "schema/schema_operations.hpp"

namespace tenon::internal {
namespace {

/// Vectors can be shared, so that a few bytes can cause much work. The compared bytes may exceed
/// the size of the buffers by this factor and by this number of bytes, which takes about a second.
constexpr std::uint64_t kMaxSharing = 16;
constexpr std::uint64_t kMaxExtraBytes = std::uint64_t{1} << 31;
/// How much of a text is shown before the first difference, and how much from there.
constexpr std::size_t kTextBefore = 12;
constexpr std::size_t kTextShown = 60;

bool is_union(const FieldModel& field) {
  return field.type.base == BaseType::kUnion || field.type.element == BaseType::kUnion;
}

bool is_union_tag(const FieldModel& field) {
  return field.type.base == BaseType::kUType || field.type.element == BaseType::kUType;
}

/// One side: a schema and a location in a verified buffer.
struct Side {
  const SchemaModel& model;
  TypeRef type;
  const std::uint8_t* at;  ///< The value itself, or the offset to it; nullptr if it is absent.

  [[nodiscard]] Side item(const std::uint8_t* place) const { return {model, type.element_type(), place}; }
  [[nodiscard]] std::size_t stride() const {
    const TypeRef element = type.element_type();
    if (const std::uint32_t size_bytes = scalar_size_bytes(element.base)) {
      return size_bytes;
    }
    const bool is_struct = element.base == BaseType::kObject && model.object(element).is_struct;
    return is_struct ? model.object(element).size_bytes : 4;
  }
};

/// A number of any type, or null.
struct Scalar {
  enum class Kind : std::uint8_t { kNull, kInteger, kReal } kind = Kind::kNull;
  std::int64_t integer = 0;
  double real = 0;
};

Scalar scalar_at(const Side& side) {
  if (is_float(side.type.base)) {
    return {Scalar::Kind::kReal, 0, real_at(side.type.base, side.at)};
  }
  return {Scalar::Kind::kInteger, integer_at(side.type.base, side.at), 0};
}

Scalar field_scalar(const Side& side, const FieldModel& field) {
  if (side.at != nullptr) {
    return scalar_at(side);
  }
  if (field.optional) {
    return {};
  }
  if (is_float(field.type.base)) {
    return {Scalar::Kind::kReal, 0, field.default_real};
  }
  return {Scalar::Kind::kInteger, field.default_integer, 0};
}

bool same(const Scalar& before, const Scalar& now) {
  using Kind = Scalar::Kind;
  if (before.kind == Kind::kNull || now.kind == Kind::kNull || before.kind == now.kind) {
    const bool both_nan = std::isnan(before.real) && std::isnan(now.real);
    return before.kind == now.kind && before.integer == now.integer && (before.real == now.real || both_nan);
  }
  // An integer field that became a real one: only a forced swap compares these.
  const auto real = [](const Scalar& one) {
    return one.kind == Kind::kReal ? one.real : static_cast<double>(one.integer);
  };
  return real(before) == real(now);
}

std::string quoted(std::string_view text, std::size_t difference) {
  const std::size_t begin = difference > kTextBefore + 8 ? difference - kTextBefore : 0;
  return (begin == 0 ? "'" : "'...") + printable(text.substr(begin, kTextShown + 4), kTextShown) + "'";
}

class BufferComparison {
 public:
  BufferComparison(std::uint64_t size_bytes, std::size_t max_differences)
      : budget_(size_bytes * kMaxSharing + kMaxExtraBytes), max_(std::max<std::size_t>(max_differences, 1)) {}

  std::vector<std::string> run(const Side& before, const ObjectModel& old_root, const Side& now,
                               const ObjectModel& new_root) {
    compare_tables(before, old_root, now, new_root);
    return std::move(differences_);
  }

 private:
  [[nodiscard]] bool full() const { return differences_.size() >= max_; }

  void differ(const std::string& before, const std::string& now) {
    if (!full()) {
      differences_.push_back((path_.empty() ? "" : path_ + ": ") + before + " became " + now);
    }
  }

  bool spend(std::uint64_t size_bytes) {
    if (size_bytes > budget_) {
      budget_ = 0;
      if (!exhausted_ && !full()) {
        differences_.push_back("the results share their parts too often to be compared");
      }
      exhausted_ = true;
      return false;
    }
    budget_ -= size_bytes;
    return true;
  }

  template <typename Step>
  void inside(const std::string& name, const Step& step) {
    const std::size_t length = path_.size();
    path_ += (path_.empty() || name.front() == '[' ? "" : ".") + name;
    step();
    path_.resize(length);
  }

  /// `at` of both sides is the table itself.
  void compare_tables(const Side& before, const ObjectModel& old_table, const Side& now, const ObjectModel& new_table) {
    if (old_table.is_any || new_table.is_any) {
      return;
    }
    std::size_t at = 0;
    for (std::size_t i = 0; i < old_table.fields.size() && !full() && !exhausted_; ++i) {
      const FieldModel& source = old_table.fields[i];
      while (at < new_table.fields.size() && new_table.fields[at].id < source.id) {
        ++at;
      }
      if (at == new_table.fields.size()) {
        return;
      }
      const FieldModel& target = new_table.fields[at];
      if (target.id != source.id || target.name != source.name || target.deprecated || source.deprecated ||
          is_union_tag(source) || is_union_tag(target)) {
        continue;
      }
      const Side left{before.model, source.type, field_at(before.at, source)};
      const Side right{now.model, target.type, field_at(now.at, target)};
      inside(source.name, [&] {
        if (is_union(source) && is_union(target)) {
          compare_unions(left, field_at(before.at, old_table.fields[i - 1]), right,
                         field_at(now.at, new_table.fields[at - 1]));
        } else if (is_scalar(source.type.base) && is_scalar(target.type.base)) {
          compare_scalar_fields(left, source, right, target);
        } else if (left.at == nullptr || right.at == nullptr) {
          if (left.at != right.at) {
            differ(describe(left), describe(right));
          }
        } else {
          compare_values(left, right);
        }
      });
    }
  }

  void compare_scalar_fields(const Side& before, const FieldModel& source, const Side& now, const FieldModel& target) {
    if (!same(field_scalar(before, source), field_scalar(now, target))) {
      const auto text = [](const Side& side, const FieldModel& field) {
        return side.at == nullptr ? side.model.default_text(field) : scalar_text(side.model, side.type, side.at);
      };
      differ(text(before, source), text(now, target));
    }
  }

  void compare_unions(const Side& before, const std::uint8_t* old_tag, const Side& now, const std::uint8_t* new_tag) {
    if (before.type.base != now.type.base) {
      differ(before.model.type_text(before.type), now.model.type_text(now.type));
      return;
    }
    if (before.type.base == BaseType::kUnion) {
      compare_members(before, tag_at(old_tag), now, tag_at(new_tag));
      return;
    }
    if (before.at == nullptr || now.at == nullptr || old_tag == nullptr || new_tag == nullptr) {
      if ((before.at == nullptr) != (now.at == nullptr)) {
        differ(describe(before), describe(now));
      }
      return;
    }
    const std::uint8_t* old_values = follow(before.at);
    const std::uint8_t* new_values = follow(now.at);
    const std::uint32_t length = vector_length(old_values);
    if (length != vector_length(new_values)) {
      differ(describe(before), describe(now));
      return;
    }
    for (std::uint32_t i = 0; i < length && !full() && !exhausted_; ++i) {
      const std::size_t place = 4 + 4 * std::size_t{i};
      inside("[" + std::to_string(i) + "]", [&] {
        compare_members(before.item(old_values + place), follow(old_tag)[4 + i], now.item(new_values + place),
                        follow(new_tag)[4 + i]);
      });
    }
  }

  static std::int64_t tag_at(const std::uint8_t* at) { return at == nullptr ? 0 : *at; }

  void compare_members(const Side& before, std::int64_t old_tag, const Side& now, std::int64_t new_tag) {
    const EnumValueModel* was = before.model.enumeration(before.type).find_value(old_tag);
    const EnumValueModel* is = now.model.enumeration(now.type).find_value(new_tag);
    if (old_tag != new_tag) {
      const auto name = [](const EnumValueModel* member, std::int64_t tag) {
        return member == nullptr ? "member " + std::to_string(tag) : member->name;
      };
      differ(name(was, old_tag), name(is, new_tag));
      return;
    }
    if (old_tag == 0 || was == nullptr || is == nullptr || was->type.base != is->type.base || before.at == nullptr ||
        now.at == nullptr) {
      return;  // No member, or one that one of the schemas does not know.
    }
    const Side left{before.model, was->type, follow(before.at)};
    const Side right{now.model, is->type, follow(now.at)};
    if (was->type.base == BaseType::kString) {
      compare_strings(string_at(left.at), string_at(right.at));
    } else if (was->type.base == BaseType::kObject) {
      compare_objects(left, right);
    }
  }

  /// `at` is the table or struct itself.
  void compare_objects(const Side& before, const Side& now) {
    const ObjectModel& was = before.model.object(before.type);
    const ObjectModel& is = now.model.object(now.type);
    if (was.name != is.name || was.is_struct != is.is_struct) {
      if (!was.is_any && !is.is_any) {
        differ(was.name, is.name);
      }
    } else if (was.is_struct) {
      compare_structs(before, was, now, is);
    } else {
      compare_tables(before, was, now, is);
    }
  }

  void compare_structs(const Side& before, const ObjectModel& was, const Side& now, const ObjectModel& is) {
    if (!spend(was.size_bytes)) {
      return;
    }
    for (const FieldModel& source : was.fields) {
      const FieldModel* target = is.find_field(source.name);
      if (target == nullptr || full()) {
        continue;
      }
      const Side left{before.model, source.type, before.at + source.offset};
      const Side right{now.model, target->type, now.at + target->offset};
      inside(source.name, [&] {
        if (source.type.base == BaseType::kArray && target->type.base == BaseType::kArray) {
          compare_elements(left, left.at, source.type.fixed_length, right, right.at, target->type.fixed_length);
        } else {
          compare_values(left, right);
        }
      });
    }
  }

  void compare_values(const Side& before, const Side& now) {
    const BaseType base = before.type.base;
    const bool scalars = is_scalar(base) && is_scalar(now.type.base);
    if (!scalars && base != now.type.base) {
      differ(before.model.type_text(before.type), now.model.type_text(now.type));
    } else if (scalars) {
      if (!same_scalars(before, now)) {
        differ(scalar_text(before.model, before.type, before.at), scalar_text(now.model, now.type, now.at));
      }
    } else if (base == BaseType::kString) {
      compare_strings(string_at(follow(before.at)), string_at(follow(now.at)));
    } else if (base == BaseType::kObject) {
      compare_objects(object_of(before), object_of(now));
    } else if (base == BaseType::kVector) {
      const std::uint8_t* left = follow(before.at);
      const std::uint8_t* right = follow(now.at);
      compare_elements(before, left + 4, vector_length(left), now, right + 4, vector_length(right));
    }
  }

  static Side object_of(const Side& side) {
    const bool is_struct = side.model.object(side.type).is_struct;
    return {side.model, side.type, is_struct ? side.at : follow(side.at)};
  }

  static bool same_scalars(const Side& before, const Side& now) { return same(scalar_at(before), scalar_at(now)); }

  void compare_strings(std::string_view was, std::string_view is) {
    if (!spend(std::min(was.size(), is.size())) || was == is) {
      return;
    }
    const auto first =
        static_cast<std::size_t>(std::mismatch(was.begin(), was.end(), is.begin(), is.end()).first - was.begin());
    differ(quoted(was, first), quoted(is, first));
  }

  /// Elements of vectors and arrays, the first of each at `old_at` and `new_at`.
  void compare_elements(const Side& before, const std::uint8_t* old_at, std::uint32_t old_length, const Side& now,
                        const std::uint8_t* new_at, std::uint32_t new_length) {
    const BaseType was = before.type.element;
    const BaseType is = now.type.element;
    const bool scalars = is_scalar(was) && is_scalar(is);
    if (!scalars && was != is) {
      differ(before.model.type_text(before.type), now.model.type_text(now.type));
      return;
    }
    if (old_length != new_length) {
      differ(count_text(before.type, old_length), count_text(now.type, new_length));
      return;
    }
    const std::size_t old_stride = before.stride();
    const std::size_t new_stride = now.stride();
    if (!spend(std::uint64_t{old_length} * old_stride)) {
      return;
    }
    if (scalars) {
      if (was != is || std::memcmp(old_at, new_at, old_length * old_stride) != 0) {
        compare_scalars(before, old_at, old_stride, now, new_at, new_stride, old_length);
      }
      return;
    }
    for (std::uint32_t i = 0; i < old_length && !full() && !exhausted_; ++i) {
      inside("[" + std::to_string(i) + "]",
             [&] { compare_values(before.item(old_at + i * old_stride), now.item(new_at + i * new_stride)); });
    }
  }

  /// Reports the first difference and the number of further ones: otherwise, one vector of numbers
  /// would fill the list.
  void compare_scalars(const Side& before, const std::uint8_t* old_at, std::size_t old_stride, const Side& now,
                       const std::uint8_t* new_at, std::size_t new_stride, std::uint32_t length) {
    std::uint32_t first = 0;
    std::uint32_t count = 0;
    for (std::uint32_t i = 0; i < length; ++i) {
      if (!same_scalars(before.item(old_at + i * old_stride), now.item(new_at + i * new_stride))) {
        first = count == 0 ? i : first;
        ++count;
      }
    }
    if (count == 0) {
      return;
    }
    const Side left = before.item(old_at + first * old_stride);
    const Side right = now.item(new_at + first * new_stride);
    inside("[" + std::to_string(first) + "]", [&] {
      const std::string rest = count == 1 ? "" : ", and " + count_of(count - 1, "element", "elements") + " after it";
      differ(scalar_text(left.model, left.type, left.at), scalar_text(right.model, right.type, right.at) + rest);
    });
  }

  static std::string count_text(const TypeRef& type, std::uint32_t length) {
    return type.is_bytes() ? count_of(length, "byte", "bytes") : count_of(length, "element", "elements");
  }

  /// A value that only one side has.
  static std::string describe(const Side& side) {
    if (side.at == nullptr) {
      return "absent";
    }
    if (side.type.base == BaseType::kString) {
      return quoted(string_at(follow(side.at)), 0);
    }
    if (side.type.base == BaseType::kVector) {
      return count_text(side.type, vector_length(follow(side.at)));
    }
    return is_scalar(side.type.base) ? scalar_text(side.model, side.type, side.at)
                                     : "a " + printable(side.model.type_text(side.type));
  }

  std::uint64_t budget_;
  const std::size_t max_;
  bool exhausted_ = false;
  std::string path_;
  std::vector<std::string> differences_;
};

}  // namespace

std::vector<std::string> compare_buffers(const Schema& old_schema, const Schema& new_schema, std::string_view type,
                                         BytesView old_buffer, BytesView new_buffer, std::size_t max_differences) {
  if (type == kAnyTypeName) {
    return {};
  }
  std::vector<std::string> broken;
  for (const auto& [schema, buffer, whose] : {std::tuple(&old_schema, old_buffer, "the old result: "),
                                              std::tuple(&new_schema, new_buffer, "the new result: ")}) {
    if (auto verified = schema->verify(type, buffer); !verified) {
      broken.push_back(whose + verified.error().message);
    }
  }
  if (!broken.empty()) {
    return broken;
  }
  const SchemaModel& before = SchemaAccess::model(old_schema);
  const SchemaModel& now = SchemaAccess::model(new_schema);
  return BufferComparison(old_buffer.size() + new_buffer.size(), max_differences)
      .run({before, {}, follow(old_buffer.data())}, *before.find_object(type), {now, {}, follow(new_buffer.data())},
           *now.find_object(type));
}

}  // namespace tenon::internal
