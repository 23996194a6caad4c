/// schema/schema_model.hpp: a binary schema, checked once and laid out for use. See DESIGN.md, "Own
/// model".
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <tenon/bytes.hpp>
#include <tenon/error.hpp>
#include <tenon/schema.hpp>

#include "schema/task_files.hpp"

namespace tenon::internal {

/// The numbers of reflection::BaseType.
enum class BaseType : std::uint8_t {
  kNone = 0,
  kUType = 1,
  kBool = 2,
  kByte = 3,
  kUByte = 4,
  kShort = 5,
  kUShort = 6,
  kInt = 7,
  kUInt = 8,
  kLong = 9,
  kULong = 10,
  kFloat = 11,
  kDouble = 12,
  kString = 13,
  kVector = 14,
  kObject = 15,
  kUnion = 16,
  kArray = 17,
};

[[nodiscard]] constexpr bool is_integer(BaseType type) noexcept {
  return type >= BaseType::kUType && type <= BaseType::kULong;
}
[[nodiscard]] constexpr bool is_float(BaseType type) noexcept {
  return type == BaseType::kFloat || type == BaseType::kDouble;
}
[[nodiscard]] constexpr bool is_scalar(BaseType type) noexcept {
  return is_integer(type) || is_float(type);
}
/// Bytes of a scalar; 0 for other types.
[[nodiscard]] std::uint32_t scalar_size_bytes(BaseType type) noexcept;

/// A type. `index` is that of an object or an enum of the model, or -1; it is checked to be in
/// range.
struct TypeRef {
  BaseType base = BaseType::kNone;
  BaseType element = BaseType::kNone;  ///< For vectors and arrays.
  std::int32_t index = -1;
  std::uint16_t fixed_length = 0;  ///< For arrays.

  /// The element of a vector or an array as a type of its own.
  [[nodiscard]] TypeRef element_type() const noexcept { return {element, BaseType::kNone, index, 0}; }
  /// Exactly [ubyte], which is base64 in JSON.
  [[nodiscard]] bool is_bytes() const noexcept {
    return base == BaseType::kVector && element == BaseType::kUByte && index < 0;
  }
};

struct FieldModel {
  std::string name;
  TypeRef type;
  std::uint16_t id = 0;
  /// In a table: position in the vtable. In a struct: offset in bytes.
  std::uint16_t offset = 0;
  std::int64_t default_integer = 0;
  double default_real = 0;
  bool deprecated = false;
  bool required = false;
  bool optional = false;
  bool key = false;  ///< Vectors of its table are sorted by this field.
  std::string documentation;
};

struct ObjectModel {
  std::string name;
  std::string documentation;
  bool is_struct = false;
  bool is_any = false;  ///< tenon.Any, which stands for any table.
  std::uint32_t alignment_bytes = 1;
  std::uint32_t size_bytes = 0;    ///< For a struct.
  std::vector<FieldModel> fields;  ///< Sorted by id.

  [[nodiscard]] const FieldModel* find_field(std::string_view field) const noexcept;
};

struct EnumValueModel {
  std::string name;
  std::int64_t value = 0;
  TypeRef type;  ///< For a member of a union; kNone for NONE.
};

struct EnumModel {
  std::string name;
  std::string documentation;
  bool is_union = false;
  bool bit_flags = false;
  BaseType underlying = BaseType::kNone;
  std::vector<EnumValueModel> values;  ///< Sorted by value.

  [[nodiscard]] const EnumValueModel* find_value(std::int64_t value) const noexcept;
  [[nodiscard]] const EnumValueModel* find_name(std::string_view value_name) const noexcept;
};

/// A whole schema. Immutable after `read_schema_model`. Every index is in range, no struct contains
/// itself, and every union field follows its type field.
struct SchemaModel {
  std::string plugin;
  Buffer binary;
  std::vector<ObjectModel> objects;
  std::vector<EnumModel> enums;
  std::map<std::string, std::size_t, std::less<>> object_index;
  std::map<std::string, std::size_t, std::less<>> enum_index;
  std::vector<TaskInfo> tasks;
  std::map<std::string, TaskFiles, std::less<>> task_files;  ///< By method, for the methods that declare any.
  std::string settings_type;

  [[nodiscard]] const ObjectModel* find_object(std::string_view name) const noexcept;
  [[nodiscard]] const EnumModel* find_enum(std::string_view name) const noexcept;
  [[nodiscard]] const ObjectModel& object(const TypeRef& type) const { return objects[std::size_t(type.index)]; }
  [[nodiscard]] const EnumModel& enumeration(const TypeRef& type) const { return enums[std::size_t(type.index)]; }
  /// A table by name. Errors: kNotFound with the nearest name; kInvalidArgument for a struct or an
  /// enum.
  [[nodiscard]] Result<const ObjectModel*> find_table(std::string_view name) const;
  /// "uint16", "[tenon.File]", "[float:3]": as in the text of a schema.
  [[nodiscard]] std::string type_text(const TypeRef& type) const;
  /// A scalar's default as JSON; empty for other types.
  [[nodiscard]] std::string default_text(const FieldModel& field) const;
};

/// "a plain task", "a source", "a reduce": for messages.
[[nodiscard]] std::string_view task_kind_text(TaskKind kind) noexcept;

/// Name of the table that stands for any table.
inline constexpr std::string_view kAnyTypeName = "tenon.Any";
/// Tables nested deeper than this do not verify, in schemas, buffers and JSON alike.
inline constexpr int kMaxDepth = 64;
/// Binary schemas that are larger are refused.
inline constexpr std::size_t kMaxSchemaBytes = std::size_t{16} << 20;

/// Verifies and reads a binary schema; see Schema::from_binary. The model keeps `binary` unchanged,
/// at the same address.
[[nodiscard]] Result<SchemaModel> read_schema_model(Buffer binary, std::string_view plugin);

/// A number as JSON, exactly: the shortest text that reads back as the same number. In quotes if
/// JSON has no such number (nan, inf).
[[nodiscard]] std::string number_text(double value, bool single_precision);

/// The number that a string stands for: "nan", "inf" or "infinity", with or without a sign, in
/// upper or lower case.
[[nodiscard]] std::optional<double> parse_non_finite(std::string_view text);

}  // namespace tenon::internal

/// The schema behind the handle.
class tenon::Schema::Impl {
 public:
  explicit Impl(internal::SchemaModel model) : model_(std::move(model)) {
    std::call_once(once_, [] {});
  }
  /// For bytes that this code has read without an error before: they are read when they are needed.
  Impl(Buffer binary, std::string plugin) {
    model_.binary = std::move(binary);
    model_.plugin = std::move(plugin);
  }
  /// [any-thread]
  [[nodiscard]] const internal::SchemaModel& model() const noexcept {
    std::call_once(once_, [this] { read_known(); });
    return model_;
  }

 private:
  void read_known() const;

  mutable std::once_flag once_;  ///< Set once `model_` is complete.
  mutable internal::SchemaModel model_;
};

namespace tenon::internal {

/// The model of a schema, for code outside the class. Valid as long as the schema.
struct SchemaAccess {
  [[nodiscard]] static const SchemaModel& model(const Schema& schema) noexcept { return schema.impl_->model(); }
  /// A schema whose bytes were read without an error before; the model is made at its first use.
  [[nodiscard]] static Schema known(Buffer binary, std::string plugin) {
    return Schema(std::make_shared<const Schema::Impl>(std::move(binary), std::move(plugin)));
  }
};

}  // namespace tenon::internal
