/// pipeline/scalar_type.hpp: the number types of a schema, by name.
#pragma once

#include <cstdint>
#include <string_view>

namespace tenon::internal {

/// A number type of FlatBuffers.
struct ScalarType {
  std::string_view name;
  bool real;
  bool single_precision;
  std::int64_t least;  ///< For integers only, like `most`.
  std::uint64_t most;

  [[nodiscard]] constexpr bool holds(std::int64_t number) const noexcept {
    return number >= least && (number < 0 || static_cast<std::uint64_t>(number) <= most);
  }
};

/// Finds a type by either of its names, such as "ubyte" and "uint8"; nullptr for others. The result is valid for the
/// life of the process.
[[nodiscard]] const ScalarType* find_scalar(std::string_view type) noexcept;

}  // namespace tenon::internal
