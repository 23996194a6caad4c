/// Schemas from a few declarations.
#pragma once

#include <string>

#include <tenon/schema.hpp>

#include "support.hpp"

namespace tenon::test {

/// Returns the schema of these declarations in namespace p, which declare a table T, with a task from
/// T to T.
inline Schema declared_schema(const std::string& declarations) {
  return *Schema::from_binary(compile_schema("namespace p; " + declarations + " rpc_service A { a(T): T; }"), "p");
}

}  // namespace tenon::test
