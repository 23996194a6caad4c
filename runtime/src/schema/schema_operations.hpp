/// schema/schema_operations.hpp: what Schema does with a buffer or a text, one file each (verify, json_encode,
/// json_write, readable).
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include <tenon/bytes.hpp>
#include <tenon/error.hpp>
#include <tenon/schema.hpp>

#include "schema/json_document.hpp"
#include "schema/schema_model.hpp"

namespace tenon::internal {

/// See Schema::verify. Any bytes may be given. Afterwards every offset that the schema knows of may be followed.
[[nodiscard]] Result<void> verify_buffer(const SchemaModel& model, const ObjectModel& root, BytesView buffer);

/// What is wrong with a tree of values, in parts.
struct TreeProblem {
  std::size_t offset = 0;  ///< JsonValue::offset, or JsonKey::offset, of what it is about.
  std::string path;        ///< Field it is about, as in "file.tags[2]"; empty for the tree as a whole.
  std::string message;     ///< Without the path.
  std::string hint;        ///< Nearest known name, without quotes; empty if there is none.

  /// Path, message and hint on one line.
  [[nodiscard]] std::string to_string() const;
};

/// A tree of values as a FlatBuffer with root `root`. The trees of JSON texts and of TOML files come here. Errors:
/// kInvalidArgument, with the parts in `problem`.
[[nodiscard]] Result<Buffer> encode_tree(const SchemaModel& model, const ObjectModel& root, const JsonValue& tree,
                                         TreeProblem& problem);

/// See Schema::from_json. The error's message begins with the position; `*problem` gets its parts.
[[nodiscard]] Result<Buffer> encode_json(const SchemaModel& model, const ObjectModel& root, std::string_view json,
                                         JsonProblem& problem);

/// See Schema::to_json. `buffer` has been verified as `root`.
[[nodiscard]] Result<std::string> write_json(const SchemaModel& model, const ObjectModel& root, BytesView buffer,
                                             const JsonOptions& options);

/// `buffer` with another value of a string field of its root, which may be absent. `buffer` has been verified as
/// `root`, and `field` is one of its fields. The content is copied once and keeps its alignment. Errors: kTooLarge.
[[nodiscard]] Result<Buffer> replace_string(const ObjectModel& root, const FieldModel& field, const SchemaModel& model,
                                            BytesView buffer, std::string_view value);

/// See Schema::check_readable.
[[nodiscard]] Result<void> check_readable(const SchemaModel& writer, const ObjectModel& writer_root,
                                          const SchemaModel& reader, const ObjectModel& reader_root);

}  // namespace tenon::internal
