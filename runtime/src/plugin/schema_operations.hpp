/// plugin/schema_operations.hpp: what Schema does with a buffer or a text, one file each (verify, json_encode,
/// json_write, readable).
#pragma once

#include <string>
#include <string_view>

#include <tenon/bytes.hpp>
#include <tenon/error.hpp>
#include <tenon/schema.hpp>

#include "plugin/schema_model.hpp"

namespace tenon::internal {

/// See Schema::verify. Any bytes may be given. Afterwards every offset that the schema knows of may be followed.
[[nodiscard]] Result<void> verify_buffer(const SchemaModel& model, const ObjectModel& root, BytesView buffer);

/// See Schema::from_json. The error's message begins with the position; `*problem` gets its parts.
[[nodiscard]] Result<Buffer> encode_json(const SchemaModel& model, const ObjectModel& root, std::string_view json,
                                         JsonProblem& problem);

/// See Schema::to_json. `buffer` has been verified as `root`.
[[nodiscard]] Result<std::string> write_json(const SchemaModel& model, const ObjectModel& root, BytesView buffer,
                                             const JsonOptions& options);

/// See Schema::check_readable.
[[nodiscard]] Result<void> check_readable(const SchemaModel& writer, const ObjectModel& writer_root,
                                          const SchemaModel& reader, const ObjectModel& reader_root);

}  // namespace tenon::internal
