/// Parses and checks the version pin of a plugin: "1.*", "1.2.3", ">=1.2", ">=1.2, <2", "*".
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include <tenon/error.hpp>

namespace tenon::internal {

/// The versions that a file accepts. Immutable.
class VersionPin {
 public:
  /// Errors: kInvalidArgument, with the expected form.
  [[nodiscard]] static Result<VersionPin> parse(std::string_view text);
  /// Returns whether `version` is accepted ("1.2.3"; missing parts count as 0, everything after '-'
  /// or '+' is ignored). Only "*" accepts a version that cannot be parsed.
  [[nodiscard]] bool accepts(std::string_view version) const;

 private:
  using Version = std::array<std::uint32_t, 3>;
  enum class Comparison { kEqual, kLess, kLessEqual, kGreater, kGreaterEqual };
  struct Term {
    Comparison comparison = Comparison::kEqual;
    Version version{};
    std::size_t parts = 0;  ///< The number of parts that an equality compares.
  };
  static bool read_version(std::string_view text, Version& version, std::size_t& parts, bool& wildcard);

  std::vector<Term> terms_;  ///< All terms must hold.
};

}  // namespace tenon::internal
