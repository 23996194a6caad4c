/// schema/buffer_view.hpp: reads a verified FlatBuffer by a SchemaModel.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <flatbuffers/flatbuffers.h>

#include "schema/schema_model.hpp"

namespace tenon::internal {

/// A scalar at `at` as an integer; unsigned 64-bit values keep their bits. Not for floats.
[[nodiscard]] inline std::int64_t integer_at(BaseType type, const std::uint8_t* at) {
  switch (type) {
    case BaseType::kByte:
      return flatbuffers::ReadScalar<std::int8_t>(at);
    case BaseType::kShort:
      return flatbuffers::ReadScalar<std::int16_t>(at);
    case BaseType::kUShort:
      return flatbuffers::ReadScalar<std::uint16_t>(at);
    case BaseType::kInt:
      return flatbuffers::ReadScalar<std::int32_t>(at);
    case BaseType::kUInt:
      return flatbuffers::ReadScalar<std::uint32_t>(at);
    case BaseType::kLong:
    case BaseType::kULong:
      return flatbuffers::ReadScalar<std::int64_t>(at);
    default:
      return flatbuffers::ReadScalar<std::uint8_t>(at);
  }
}

/// A float or double at `at`.
[[nodiscard]] inline double real_at(BaseType type, const std::uint8_t* at) {
  return type == BaseType::kFloat ? static_cast<double>(flatbuffers::ReadScalar<float>(at))
                                  : flatbuffers::ReadScalar<double>(at);
}

/// Follows the offset at `at`.
[[nodiscard]] inline const std::uint8_t* follow(const std::uint8_t* at) {
  return at + flatbuffers::ReadScalar<flatbuffers::uoffset_t>(at);
}

/// Number of elements of the vector at `at`; they start four bytes later.
[[nodiscard]] inline std::uint32_t vector_length(const std::uint8_t* at) {
  return flatbuffers::ReadScalar<flatbuffers::uoffset_t>(at);
}

/// The bytes of a string, or of a vector of bytes, at `at`.
[[nodiscard]] inline std::string_view string_at(const std::uint8_t* at) {
  return {reinterpret_cast<const char*>(at) + 4, vector_length(at)};
}

/// A field of the table at `table`; nullptr if it is absent.
[[nodiscard]] inline const std::uint8_t* field_at(const std::uint8_t* table, const FieldModel& field) {
  return reinterpret_cast<const flatbuffers::Table*>(table)->GetAddressOf(field.offset);
}

/// A number or enum value without quotes; an enum value by its name, if it has one.
[[nodiscard]] std::string scalar_text(const SchemaModel& model, const TypeRef& type, const std::uint8_t* at);

}  // namespace tenon::internal
