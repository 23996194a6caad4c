/// Finds the bytes that a result carries.
#pragma once

#include <optional>
#include <string>

#include <tenon/schema.hpp>

namespace tenon::cli {

/// Returns the name of the field whose content --out writes unchanged: the only [ubyte] field of
/// the table, or the one named `data` if there are several. Returns nullopt if there is none.
[[nodiscard]] std::optional<std::string> bytes_field(const Schema& schema, const std::string& type);

/// Returns the bytes of that field; empty if it is absent. `buffer` must have been verified as
/// `type`. The result is valid as long as `buffer`.
[[nodiscard]] BytesView read_bytes_field(const Schema& schema, const std::string& type, const std::string& field,
                                         BytesView buffer);

}  // namespace tenon::cli
