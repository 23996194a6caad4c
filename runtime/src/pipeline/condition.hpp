/// Conditions of filters and routes as the file writes them: which fields have which values. Names
/// and values are checked later, against the type of the items (compile_condition.hpp).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "pipeline/diagnostics.hpp"
#include "pipeline/document.hpp"

namespace tenon::internal {

struct Condition {
  enum class Kind {
    kAll,      ///< Every part holds.
    kAny,      ///< At least one part holds.
    kNot,      ///< Its only part does not hold.
    kField,    ///< The field has one of the values.
    kPresent,  ///< The item has the field.
  };
  Kind kind = Kind::kAll;
  Place place;
  std::vector<Condition> parts;
  std::string field;          ///< Dotted.
  std::vector<Value> values;  ///< Scalars, after following references to the environment.
};

/// Reads a table of conditions. `what` names it in messages, as in "'where'". Returns nullopt after
/// reporting at least one error.
[[nodiscard]] std::optional<Condition> parse_condition(const Value& table, const std::string& what,
                                                       const Environment& environment, Reporter& reporter);

/// Returns whether two conditions are written alike, whatever their locations.
[[nodiscard]] bool same_condition(const Condition& a, const Condition& b);

}  // namespace tenon::internal
