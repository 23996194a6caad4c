#include "pipeline/scalar_type.hpp"

#include <algorithm>
#include <array>
#include <limits>

namespace tenon::internal {
namespace {

template <typename T>
constexpr ScalarType integer_type(std::string_view name) {
  return {name, false, false, static_cast<std::int64_t>(std::numeric_limits<T>::min()),
          static_cast<std::uint64_t>(std::numeric_limits<T>::max())};
}

constexpr std::array<ScalarType, 20> kScalars = {
    {{"float", true, true, 0, 0},           {"double", true, false, 0, 0},
     {"float32", true, true, 0, 0},         {"float64", true, false, 0, 0},
     integer_type<std::int8_t>("byte"),     integer_type<std::int8_t>("int8"),
     integer_type<std::uint8_t>("ubyte"),   integer_type<std::uint8_t>("uint8"),
     integer_type<std::int16_t>("short"),   integer_type<std::int16_t>("int16"),
     integer_type<std::uint16_t>("ushort"), integer_type<std::uint16_t>("uint16"),
     integer_type<std::int32_t>("int"),     integer_type<std::int32_t>("int32"),
     integer_type<std::uint32_t>("uint"),   integer_type<std::uint32_t>("uint32"),
     integer_type<std::int64_t>("long"),    integer_type<std::int64_t>("int64"),
     integer_type<std::uint64_t>("ulong"),  integer_type<std::uint64_t>("uint64")}};

}  // namespace

const ScalarType* find_scalar(std::string_view type) noexcept {
  const auto found =
      std::find_if(kScalars.begin(), kScalars.end(), [&](const ScalarType& scalar) { return scalar.name == type; });
  return found == kScalars.end() ? nullptr : &*found;
}

}  // namespace tenon::internal
