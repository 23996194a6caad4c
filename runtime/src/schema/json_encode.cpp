// A tree of values (JSON, TOML) to a FlatBuffer by a schema that is known only at run time. Each error names the value
// that it is about.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include <flatbuffers/flatbuffers.h>
#include <sodium.h>

#include "base/text.hpp"
#include "schema/json_document.hpp"
#include "schema/json_text.hpp"
#include "schema/schema_operations.hpp"

namespace tenon::internal {
namespace {

/// No text of this size makes a buffer larger than FlatBuffers can hold: an element grows at most from two characters
/// ("0,") to eight bytes.
constexpr std::size_t kMaxJsonBytes = std::size_t{128} << 20;

using AnyOffset = flatbuffers::Offset<flatbuffers::String>;  // Stands for whatever the schema says.

/// A scalar of any type, widened. Unsigned 64-bit values keep their bits in `integer`.
struct Scalar {
  std::int64_t integer = 0;
  double real = 0;
};

template <typename Visitor>
void visit_scalar(BaseType type, const Scalar& value, Visitor visitor) {
  switch (type) {
    case BaseType::kBool:
    case BaseType::kUType:
    case BaseType::kUByte:
      return visitor(static_cast<std::uint8_t>(value.integer));
    case BaseType::kByte:
      return visitor(static_cast<std::int8_t>(value.integer));
    case BaseType::kShort:
      return visitor(static_cast<std::int16_t>(value.integer));
    case BaseType::kUShort:
      return visitor(static_cast<std::uint16_t>(value.integer));
    case BaseType::kInt:
      return visitor(static_cast<std::int32_t>(value.integer));
    case BaseType::kUInt:
      return visitor(static_cast<std::uint32_t>(value.integer));
    case BaseType::kLong:
      return visitor(value.integer);
    case BaseType::kULong:
      return visitor(static_cast<std::uint64_t>(value.integer));
    case BaseType::kFloat:
      return visitor(static_cast<float>(value.real));
    default:
      return visitor(value.real);
  }
}

/// The least value of an integer type, and the greatest.
std::pair<std::int64_t, std::uint64_t> integer_range(BaseType type) {
  const std::uint32_t bits = 8 * scalar_size_bytes(type);
  const bool is_signed =
      type == BaseType::kByte || type == BaseType::kShort || type == BaseType::kInt || type == BaseType::kLong;
  if (is_signed) {
    const auto greatest = std::numeric_limits<std::int64_t>::max() >> (64 - bits);
    return {-greatest - 1, static_cast<std::uint64_t>(greatest)};
  }
  return {0, std::numeric_limits<std::uint64_t>::max() >> (64 - bits)};
}

class Encoder {
 public:
  Encoder(const SchemaModel& model, TreeProblem& problem) : model_(model), problem_(problem) {}

  std::optional<Buffer> encode(const ObjectModel& root, const JsonValue& value) {
    AnyOffset offset;
    if (!encode_table(root, value, offset)) {
      return std::nullopt;
    }
    builder_.Finish(offset);
    return Buffer(builder_.GetBufferPointer(), builder_.GetBufferPointer() + builder_.GetSize());
  }

 private:
  bool refuse(std::size_t offset, std::string message, std::string_view hint = {}) {
    problem_.offset = offset;
    problem_.path.clear();
    for (const std::string& step : path_) {
      problem_.path += (problem_.path.empty() || step.front() == '[' ? "" : ".") + step;
    }
    problem_.message = std::move(message);
    problem_.hint = hint;
    return false;
  }

  bool refuse_kind(const JsonValue& value, const std::string& expected) {
    return refuse(value.offset, "expected " + expected + ", found " + std::string(value.kind_text()));
  }

  bool refuse_name(std::size_t offset, const std::string& message, std::string_view name,
                   const std::vector<std::string>& known) {
    const auto nearest = nearest_names(name, known, 1);
    std::string listed;
    for (std::size_t i = 0; i < known.size() && i < 20; ++i) {
      listed += (i == 0 ? "" : ", ") + known[i];
    }
    return refuse(offset, message + (nearest.empty() && !listed.empty() ? "; known are " + listed : ""),
                  nearest.empty() ? std::string_view{} : nearest.front());
  }

  // -- objects -----------------------------------------------------------------------------------

  /// Sorts an object's members to the fields of `object`; absent ones are null.
  bool match_members(const ObjectModel& object, const JsonValue& value, std::vector<const JsonValue*>& given) {
    if (object.is_any) {
      return refuse(value.offset,
                    "tenon.Any stands for any table, so JSON cannot tell which; name the table that is really meant");
    }
    const auto* members = value.get_if<JsonObject>();
    if (members == nullptr) {
      return refuse_kind(value, "an object (" + object.name + ")");
    }
    given.assign(object.fields.size(), nullptr);
    for (const auto& [key, member] : *members) {
      const FieldModel* field = object.find_field(key.name);
      if (field == nullptr) {
        std::vector<std::string> known;
        for (const FieldModel& candidate : object.fields) {
          if (!candidate.deprecated) {
            known.push_back(candidate.name);
          }
        }
        return refuse_name(key.offset, object.name + " has no field '" + printable(key.name, 80) + "'", key.name,
                           known);
      }
      if (field->deprecated) {
        return refuse(key.offset,
                      "field '" + field->name + "' of " + object.name + " is deprecated and no longer read");
      }
      if (member.get_if<std::nullptr_t>() == nullptr) {
        given[static_cast<std::size_t>(field - object.fields.data())] = &member;
      }
    }
    return true;
  }

  bool encode_table(const ObjectModel& object, const JsonValue& value, AnyOffset& result) {
    // Each level of the tree is a step of the path. A parsed text is no deeper than this, other trees may be.
    if (path_.size() >= static_cast<std::size_t>(kMaxDepth)) {
      return refuse(value.offset, "nested deeper than " + std::to_string(kMaxDepth) + " levels");
    }
    std::vector<const JsonValue*> given;
    if (!match_members(object, value, given)) {
      return false;
    }
    // Whatever a table points at must stand before it.
    std::vector<AnyOffset> offsets(given.size());
    std::vector<Scalar> scalars(given.size());
    std::vector<Buffer> structs(given.size());
    std::vector<std::size_t> order;
    for (std::size_t i = 0; i < given.size(); ++i) {
      const FieldModel& field = object.fields[i];
      const bool is_union = field.type.base == BaseType::kUnion || field.type.element == BaseType::kUnion;
      path_.push_back(field.name);
      if (is_union && !check_union_pair(object, i, value, given)) {
        return false;
      }
      if (given[i] == nullptr) {
        if (field.required && !field.deprecated) {
          path_.pop_back();
          return refuse(value.offset, "required field '" + field.name + "' of " + object.name + " is missing");
        }
      } else {
        order.push_back(i);
        const JsonValue& member = *given[i];
        const bool done = is_scalar(field.type.base) ? parse_scalar(field.type, member, scalars[i])
                          : is_struct(field.type)    ? append_struct(model_.object(field.type), member, structs[i])
                          : is_union                 ? encode_union(field, member, *given[i - 1], offsets[i])
                                                     : encode_reference(field.type, member, offsets[i]);
        if (!done) {
          return false;
        }
      }
      path_.pop_back();
    }
    // Writing the widest fields first leaves the fewest gaps.
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
      return alignment(object.fields[a].type) > alignment(object.fields[b].type);
    });
    const auto start = builder_.StartTable();
    for (const std::size_t i : order) {
      const FieldModel& field = object.fields[i];
      if (is_scalar(field.type.base)) {
        visit_scalar(field.type.base, scalars[i], [&](auto scalar) { builder_.AddElement(field.offset, scalar); });
      } else if (is_struct(field.type)) {
        builder_.Align(alignment(field.type));
        builder_.PushBytes(structs[i].data(), structs[i].size());
        builder_.AddStructOffset(field.offset, static_cast<flatbuffers::uoffset_t>(builder_.GetSize()));
      } else {
        builder_.AddOffset(field.offset, offsets[i]);
      }
    }
    result = AnyOffset(builder_.EndTable(start));
    return true;
  }

  [[nodiscard]] bool is_struct(const TypeRef& type) const {
    return type.base == BaseType::kObject && model_.object(type).is_struct;
  }

  [[nodiscard]] std::uint32_t alignment(const TypeRef& type) const {
    const std::uint32_t size_bytes = scalar_size_bytes(type.base);
    return size_bytes != 0 ? size_bytes : is_struct(type) ? model_.object(type).alignment_bytes : 4;
  }

  bool append_struct(const ObjectModel& object, const JsonValue& value, Buffer& out) {
    std::vector<const JsonValue*> given;
    if (!match_members(object, value, given)) {
      return false;
    }
    const std::size_t base = out.size();
    out.resize(base + object.size_bytes);
    for (std::size_t i = 0; i < given.size(); ++i) {
      const FieldModel& field = object.fields[i];
      if (given[i] == nullptr) {
        return refuse(value.offset, "field '" + field.name + "' of struct " + object.name +
                                        " is missing; a struct needs all of its fields");
      }
      path_.push_back(field.name);
      if (!fill_struct_field(field.type, *given[i], out, base + field.offset)) {
        return false;
      }
      path_.pop_back();
    }
    return true;
  }

  bool fill_struct_field(const TypeRef& type, const JsonValue& value, Buffer& out, std::size_t at) {
    if (type.base == BaseType::kArray) {
      const auto* items = value.get_if<JsonArray>();
      if (items == nullptr || items->size() != type.fixed_length) {
        return refuse_kind(value, "an array of " + std::to_string(type.fixed_length) + " elements");
      }
      const TypeRef item = type.element_type();
      const std::size_t stride =
          item.base == BaseType::kObject ? model_.object(item).size_bytes : scalar_size_bytes(item.base);
      for (std::size_t i = 0; i < items->size(); ++i) {
        path_.push_back("[" + std::to_string(i) + "]");
        if (!fill_struct_field(item, (*items)[i], out, at + i * stride)) {
          return false;
        }
        path_.pop_back();
      }
      return true;
    }
    if (type.base == BaseType::kObject) {
      Buffer inner;
      if (!append_struct(model_.object(type), value, inner)) {
        return false;
      }
      std::copy(inner.begin(), inner.end(), out.begin() + static_cast<std::ptrdiff_t>(at));
      return true;
    }
    Scalar scalar;
    if (!parse_scalar(type, value, scalar)) {
      return false;
    }
    visit_scalar(type.base, scalar, [&](auto number) { std::memcpy(out.data() + at, &number, sizeof number); });
    return true;
  }

  // -- unions ------------------------------------------------------------------------------------

  /// A union and its type come together or not at all.
  bool check_union_pair(const ObjectModel& object, std::size_t i, const JsonValue& value,
                        const std::vector<const JsonValue*>& given) {
    const FieldModel& field = object.fields[i];
    const std::string& tag = object.fields[i - 1].name;
    if (given[i] != nullptr && given[i - 1] == nullptr) {
      std::string types;
      for (const EnumValueModel& member : model_.enumeration(field.type).values) {
        if (member.type.base != BaseType::kNone) {
          types += (types.empty() ? "" : ", ") + member.name;
        }
      }
      return refuse(given[i]->offset, "union '" + field.name + "' needs '" + tag +
                                          "' with the name of its type beside it; types are " + types);
    }
    if (given[i] == nullptr && given[i - 1] != nullptr) {
      Scalar number;
      if (field.type.base == BaseType::kVector || !parse_scalar(object.fields[i - 1].type, *given[i - 1], number) ||
          number.integer != 0) {
        return refuse(value.offset,
                      "'" + tag + "' says what '" + field.name + "' is, but '" + field.name + "' is missing");
      }
    }
    return true;
  }

  bool encode_union(const FieldModel& field, const JsonValue& value, const JsonValue& tag, AnyOffset& result) {
    const TypeRef tag_type{BaseType::kUType, BaseType::kNone, field.type.index, 0};
    if (field.type.base == BaseType::kUnion) {
      Scalar number;
      return parse_scalar(tag_type, tag, number) && encode_member(field.type, number.integer, value, result);
    }
    const auto* tags = tag.get_if<JsonArray>();
    const auto* values = value.get_if<JsonArray>();
    if (tags == nullptr || values == nullptr || tags->size() != values->size()) {
      return refuse(value.offset, "expected an array as long as that of its types");
    }
    std::vector<AnyOffset> items(values->size());
    for (std::size_t i = 0; i < values->size(); ++i) {
      path_.push_back("[" + std::to_string(i) + "]");
      Scalar number;
      if (!parse_scalar(tag_type, (*tags)[i], number) ||
          !encode_member(field.type, number.integer, (*values)[i], items[i])) {
        return false;
      }
      path_.pop_back();
    }
    result = AnyOffset(builder_.CreateVector(items.data(), items.size()).o);
    return true;
  }

  bool encode_member(const TypeRef& type, std::int64_t tag, const JsonValue& value, AnyOffset& result) {
    const EnumValueModel* member = model_.enumeration(type).find_value(tag);
    if (member == nullptr || member->type.base == BaseType::kNone) {
      return refuse(value.offset, "a union of type NONE has no value; leave it out");
    }
    if (member->type.base == BaseType::kString) {
      return encode_reference(member->type, value, result);
    }
    const ObjectModel& object = model_.object(member->type);
    if (!object.is_struct) {
      return encode_table(object, value, result);
    }
    Buffer bytes;
    if (!append_struct(object, value, bytes)) {
      return false;
    }
    builder_.Align(object.alignment_bytes);
    builder_.PushBytes(bytes.data(), bytes.size());
    result = AnyOffset(static_cast<flatbuffers::uoffset_t>(builder_.GetSize()));
    return true;
  }

  // -- strings and vectors -----------------------------------------------------------------------

  bool encode_reference(const TypeRef& type, const JsonValue& value, AnyOffset& result) {
    if (type.base == BaseType::kObject) {
      return encode_table(model_.object(type), value, result);
    }
    const auto* text = value.get_if<std::string>();
    if (type.base == BaseType::kString) {
      if (text == nullptr) {
        return refuse_kind(value, "a string");
      }
      const std::string bytes = bytes_of_json_string(*text);
      result = builder_.CreateString(bytes.data(), bytes.size());
      return true;
    }
    if (type.is_bytes() && text != nullptr) {
      return encode_base64(*text, value, result);
    }
    const auto* items = value.get_if<JsonArray>();
    if (items == nullptr) {
      return refuse_kind(value, type.is_bytes() ? "a base64 string or an array of numbers"
                                                : "an array (" + model_.type_text(type) + ")");
    }
    const TypeRef item = type.element_type();
    return is_scalar(item.base) ? encode_scalars(item, *items, result) : encode_elements(item, *items, result);
  }

  bool encode_base64(const std::string& text, const JsonValue& value, AnyOffset& result) {
    Buffer bytes(text.size() / 4 * 3 + 3);
    std::size_t size_bytes = 0;
    const char* end = nullptr;
    if (sodium_base642bin(bytes.data(), bytes.size(), text.data(), text.size(), "\n\r ", &size_bytes, &end,
                          sodium_base64_VARIANT_ORIGINAL) != 0 ||
        end != text.data() + text.size()) {
      return refuse(value.offset, "the string is not base64 (RFC 4648, with '=' at its end)");
    }
    result = AnyOffset(builder_.CreateVector(bytes.data(), size_bytes).o);
    return true;
  }

  bool encode_scalars(const TypeRef& item, const JsonArray& items, AnyOffset& result) {
    const std::size_t stride = scalar_size_bytes(item.base);
    Buffer bytes(items.size() * stride);
    for (std::size_t i = 0; i < items.size(); ++i) {
      Scalar scalar;
      if (!parse_element(i, [&] { return parse_scalar(item, items[i], scalar); })) {
        return false;
      }
      visit_scalar(item.base, scalar,
                   [&](auto number) { std::memcpy(bytes.data() + i * stride, &number, sizeof number); });
    }
    result = create_vector(bytes, items.size(), stride, stride);
    return true;
  }

  bool encode_elements(const TypeRef& item, const JsonArray& items, AnyOffset& result) {
    if (is_struct(item)) {
      Buffer bytes;
      for (std::size_t i = 0; i < items.size(); ++i) {
        if (!parse_element(i, [&] { return append_struct(model_.object(item), items[i], bytes); })) {
          return false;
        }
      }
      result = create_vector(bytes, items.size(), model_.object(item).size_bytes, model_.object(item).alignment_bytes);
      return true;
    }
    std::vector<AnyOffset> offsets(items.size());
    for (std::size_t i = 0; i < items.size(); ++i) {
      if (!parse_element(i, [&] { return encode_reference(item, items[i], offsets[i]); })) {
        return false;
      }
    }
    result = AnyOffset(builder_.CreateVector(offsets.data(), offsets.size()).o);
    return true;
  }

  template <typename Parse>
  bool parse_element(std::size_t index, Parse parse) {
    path_.push_back("[" + std::to_string(index) + "]");
    if (!parse()) {
      return false;
    }
    path_.pop_back();
    return true;
  }

  /// A vector of `count` elements of `stride` bytes from their bytes.
  AnyOffset create_vector(const Buffer& bytes, std::size_t count, std::size_t stride, std::size_t alignment_bytes) {
    builder_.ForceVectorAlignment(count, stride, alignment_bytes);
    const auto vector = builder_.CreateVector(bytes.data(), bytes.size());
    // CreateVector counted bytes; the length stands where the builder is now.
    flatbuffers::WriteScalar(builder_.GetCurrentBufferPointer(), static_cast<flatbuffers::uoffset_t>(count));
    return AnyOffset(vector.o);
  }

  // -- scalars -----------------------------------------------------------------------------------

  bool parse_scalar(const TypeRef& type, const JsonValue& value, Scalar& result) {
    if (is_float(type.base)) {
      return parse_real(type, value, result.real);
    }
    if (type.base == BaseType::kBool && type.index < 0) {
      const auto* boolean = value.get_if<bool>();
      result.integer = boolean != nullptr && *boolean ? 1 : 0;
      return boolean != nullptr || refuse_kind(value, "true or false");
    }
    if (type.index >= 0) {
      return parse_enum(model_.enumeration(type), type, value, result.integer);
    }
    return parse_integer(type, value, result.integer, "a whole number (" + model_.type_text(type) + ")");
  }

  bool parse_real(const TypeRef& type, const JsonValue& value, double& result) {
    if (const auto* real = value.get_if<double>()) {
      result = *real;
    } else if (const auto* integer = value.get_if<std::int64_t>()) {
      result = static_cast<double>(*integer);
    } else if (const auto* natural = value.get_if<std::uint64_t>()) {
      result = static_cast<double>(*natural);
    } else if (const auto* huge = value.get_if<JsonHugeNumber>()) {
      result = std::strtod(huge->digits.c_str(), nullptr);
    } else if (const auto* text = value.get_if<std::string>()) {
      const std::optional<double> special = parse_non_finite(*text);
      result = special.value_or(0);
      return special || refuse_kind(value, "a number (" + model_.type_text(type) + "), \"nan\", \"inf\" or \"-inf\"");
    } else {
      return refuse_kind(value, "a number (" + model_.type_text(type) + ")");
    }
    if (!std::isfinite(result) ||
        (type.base == BaseType::kFloat && std::abs(result) > static_cast<double>(std::numeric_limits<float>::max()))) {
      return refuse(value.offset, "the number is out of range for " + model_.type_text(type));
    }
    return true;
  }

  bool parse_integer(const TypeRef& type, const JsonValue& value, std::int64_t& result, const std::string& expected) {
    const auto [least, greatest] = integer_range(type.base);
    bool fits = false;
    std::string digits;
    if (const auto* natural = value.get_if<std::uint64_t>()) {
      fits = *natural <= greatest;
      digits = std::to_string(*natural);
      result = static_cast<std::int64_t>(*natural);
    } else if (const auto* integer = value.get_if<std::int64_t>()) {
      fits = *integer >= least && (*integer < 0 || static_cast<std::uint64_t>(*integer) <= greatest);
      digits = std::to_string(*integer);
      result = *integer;
    } else if (const auto* huge = value.get_if<JsonHugeNumber>()) {
      digits = printable(huge->digits, 40);
    } else if (value.get_if<double>() != nullptr) {
      return refuse(value.offset, "expected " + expected + ", found a number with a fraction or an exponent");
    } else {
      return refuse_kind(value, expected);
    }
    const TypeRef plain{type.base, BaseType::kNone, -1, 0};
    return fits || refuse(value.offset, digits + " is out of range for " + model_.type_text(plain) + " (" +
                                            std::to_string(least) + " to " + std::to_string(greatest) + ")");
  }

  bool parse_enum(const EnumModel& enumeration, const TypeRef& type, const JsonValue& value, std::int64_t& result) {
    const auto* text = value.get_if<std::string>();
    if (text == nullptr) {
      if (!parse_integer(type, value, result, "a name of " + enumeration.name)) {
        return false;
      }
      return enumeration.bit_flags || enumeration.find_value(result) != nullptr ||
             refuse(value.offset, std::to_string(result) + " is no value of " + enumeration.name);
    }
    result = 0;
    std::string_view rest = *text;
    // Flags come as names with spaces between; none at all is the empty string.
    while (enumeration.bit_flags ? rest.find_first_not_of(' ') != std::string_view::npos : rest.data() != nullptr) {
      std::string_view name = rest;
      if (enumeration.bit_flags) {
        rest.remove_prefix(rest.find_first_not_of(' '));
        name = rest.substr(0, rest.find(' '));
        rest.remove_prefix(name.size());
      } else {
        rest = {};
      }
      const std::size_t dot = name.rfind('.');
      const EnumValueModel* found = enumeration.find_name(dot == std::string_view::npos ? name : name.substr(dot + 1));
      if (found == nullptr) {
        std::vector<std::string> known;
        for (const EnumValueModel& candidate : enumeration.values) {
          known.push_back(candidate.name);
        }
        return refuse_name(value.offset, enumeration.name + " has no value '" + printable(name, 80) + "'", name, known);
      }
      result |= found->value;
    }
    return true;
  }

  const SchemaModel& model_;
  TreeProblem& problem_;
  std::vector<std::string> path_;
  flatbuffers::FlatBufferBuilder builder_;
};

}  // namespace

std::string TreeProblem::to_string() const {
  return (path.empty() ? "" : path + ": ") + message + (hint.empty() ? "" : "; did you mean '" + hint + "'?");
}

Result<Buffer> encode_tree(const SchemaModel& model, const ObjectModel& root, const JsonValue& tree,
                           TreeProblem& problem) {
  if (std::optional<Buffer> buffer = Encoder(model, problem).encode(root, tree)) {
    return std::move(*buffer);
  }
  return fail(ErrorCode::kInvalidArgument, problem.to_string());
}

Result<Buffer> encode_json(const SchemaModel& model, const ObjectModel& root, std::string_view json,
                           JsonProblem& problem) {
  if (json.size() > kMaxJsonBytes) {
    return fail(ErrorCode::kTooLarge,
                "a JSON text of " + format_size(json.size()) + "; at most " + format_size(kMaxJsonBytes) + " are read");
  }
  JsonValue document;
  TreeProblem wrong;
  if (parse_json(json, document, problem)) {
    if (auto buffer = encode_tree(model, root, document, wrong)) {
      return buffer;
    }
    problem = {text_position(json, wrong.offset), wrong.path, wrong.message, wrong.hint};
  } else {
    wrong.message = problem.message;
  }
  return fail(ErrorCode::kInvalidArgument, std::to_string(problem.position.line) + ":" +
                                               std::to_string(problem.position.column) + ": " + wrong.to_string());
}

}  // namespace tenon::internal
