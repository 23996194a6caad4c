/// The bytes that a result carries.
#pragma once

#include <optional>
#include <string>

#include <tenon/schema.hpp>

namespace tenon::cli {

/// Whether the table has a field that --out writes as it is: its only [ubyte] field, or the one named `data` when there
/// are several. The field's name; nullopt when there is none.
[[nodiscard]] std::optional<std::string> bytes_field(const Schema& schema, const std::string& type);

/// The bytes of that field; empty when it is absent. `buffer` has been verified as `type`. Valid as long as it.
[[nodiscard]] BytesView read_bytes_field(const Schema& schema, const std::string& type, const std::string& field,
                                         BytesView buffer);

}  // namespace tenon::cli
