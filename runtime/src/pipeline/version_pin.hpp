/// The pin of a plugin's version: "1.*", "1.2.3", ">=1.2", ">=1.2, <2", "*".
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include <tenon/error.hpp>

namespace tenon::internal {

/// Which versions a file accepts. Immutable.
class VersionPin {
 public:
  /// Errors: kInvalidArgument with what is expected.
  [[nodiscard]] static Result<VersionPin> parse(std::string_view text);
  /// Whether `version` ("1.2.3"; parts that are missing count as 0, anything after '-' or '+' is ignored) is accepted.
  /// A version that cannot be read is accepted by "*" alone.
  [[nodiscard]] bool accepts(std::string_view version) const;

 private:
  using Version = std::array<std::uint32_t, 3>;
  enum class Comparison { kEqual, kLess, kLessEqual, kGreater, kGreaterEqual };
  struct Term {
    Comparison comparison = Comparison::kEqual;
    Version version{};
    std::size_t parts = 0;  ///< How many parts an equality compares.
  };
  static bool read_version(std::string_view text, Version& version, std::size_t& parts, bool& wildcard);

  std::vector<Term> terms_;  ///< All must hold.
};

}  // namespace tenon::internal
