/// tenon/schema.hpp: a plugin's embedded schema, read without running the plugin's code.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <tenon/bytes.hpp>
#include <tenon/error.hpp>

namespace tenon {

namespace internal {
struct SchemaAccess;
}

/// The numbers of tenon_task_kind_t.
enum class TaskKind : std::int32_t { kPlain = 0, kSource = 1, kReduce = 2 };

/// One task as its schema declares it.
struct TaskInfo {
  std::string name;       ///< Method, as in "thumbnail".
  std::string full_name;  ///< "image.thumbnail".
  TaskKind kind = TaskKind::kPlain;
  bool idempotent = false;
  std::string argument_type;  ///< Fully qualified table name.
  std::string result_type;
  std::string params_type;  ///< Empty if the task has none.
  /// Table of the checkpoints of its sessions; empty if it is not declared, in which case only the
  /// task knows the format.
  std::string checkpoint_type;
  std::string documentation;  ///< The `///` lines, joined by newlines.
};

/// One field of a table, for documentation, completion and type checks.
struct FieldInfo {
  std::string name;
  std::string type;           ///< As written in a schema: "uint16", "[tenon.File]", "string".
  std::string default_value;  ///< Empty if there is none.
  bool required = false;
  bool deprecated = false;
  std::string documentation;
};

/// A table, struct or enum of the schema.
struct TypeInfo {
  std::string name;
  std::string documentation;
  std::vector<FieldInfo> fields;         ///< In the order of their ids. Empty for an enum.
  std::vector<std::string> enum_values;  ///< Empty for a table.
};

/// A position in text, from 1.
struct TextPosition {
  std::uint32_t line = 1;
  std::uint32_t column = 1;
};

/// A problem in a JSON text, in parts, for callers that compose their own message.
struct JsonProblem {
  TextPosition position;
  std::string path;     ///< The field, as in "file.tags[2]"; empty for the text as a whole.
  std::string message;  ///< Without position and path.
  std::string hint;     ///< Nearest known name, without quotes; empty if there is none.
};

/// Options of Schema::to_json.
struct JsonOptions {
  /// Spaces per level; negative: everything on one line.
  int indent = 2;
  /// Also writes fields that have their default value.
  bool defaults = false;
  /// Maximum size of the text. A small buffer may refer to one part of it many times, and the text
  /// repeats that part each time.
  std::size_t max_bytes = std::size_t{256} << 20;
};

/// A plugin's schema. Immutable; copies share; [any-thread].
class Schema {
 public:
  /// Reads a binary schema. The bytes are copied. `plugin` is the name that prefixes its tasks.
  /// Errors: kCorrupt, with what fails verification.
  [[nodiscard]] static Result<Schema> from_binary(BytesView binary, std::string_view plugin);

  /// The tasks, sorted by name.
  [[nodiscard]] const std::vector<TaskInfo>& tasks() const noexcept;
  /// A task by its method name; nullptr if there is none. Valid as long as the schema.
  [[nodiscard]] const TaskInfo* find_task(std::string_view method) const noexcept;
  /// A table, struct or enum by its fully qualified name.
  [[nodiscard]] std::optional<TypeInfo> find_type(std::string_view name) const;
  /// Name of the plugin's settings table; empty if it has none.
  [[nodiscard]] const std::string& settings_type() const noexcept;
  /// The binary schema. Valid as long as the schema.
  [[nodiscard]] BytesView binary() const noexcept;

  /// Converts JSON text to a FlatBuffer with root `type`. Byte vectors ([ubyte]) take a base64
  /// string or an array of numbers; given fields are written even if they have their default value.
  /// In strings, U+EF80 to U+EFFF stand for bytes that are not UTF-8 (see to_json). Errors:
  /// kInvalidArgument as "line:column: field: message", with the nearest known name for an unknown
  /// field, and the same in parts in `*problem` unless that is null; kNotFound for an unknown type;
  /// kOutOfMemory.
  [[nodiscard]] Result<Buffer> from_json(std::string_view type, std::string_view json,
                                         JsonProblem* problem = nullptr) const;
  /// Verifies a FlatBuffer with root `type` and converts it to JSON. [ubyte] becomes base64, enums
  /// become their names, and numbers that JSON lacks become the strings "nan", "inf" and "-inf".
  /// The text is always valid UTF-8: a byte b that is not UTF-8 becomes the private-use character
  /// U+EF00 + b, and so does each byte of a character in that range; from_json reverses this
  /// exactly. Errors: kCorrupt; kNotFound for an unknown type; kTooLarge if the text would exceed
  /// `options`; kOutOfMemory.
  [[nodiscard]] Result<std::string> to_json(std::string_view type, BytesView buffer,
                                            const JsonOptions& options = {}) const;
  /// Verifies a FlatBuffer with root `type`. Errors: kCorrupt, kNotFound for an unknown type.
  [[nodiscard]] Result<void> verify(std::string_view type, BytesView buffer) const;

  /// Whether a buffer written as `writer_type` of `writer` can be read as `reader_type` of
  /// `reader`: the name is the same, and every common field agrees in id, type and requiredness,
  /// recursively. The error (kIncompatible) names each field that does not.
  [[nodiscard]] static Result<void> check_readable(const Schema& writer, std::string_view writer_type,
                                                   const Schema& reader, std::string_view reader_type);

  class Impl;

 private:
  friend class FieldReader;
  friend struct internal::SchemaAccess;
  explicit Schema(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}
  std::shared_ptr<const Impl> impl_;
};

/// Reads one scalar, string or enum field of a verified FlatBuffer by its name, dotted for nested
/// tables ("file.extension"). Create it once and use it for each item; immutable; [any-thread].
class FieldReader {
 public:
  /// Errors: kNotFound with the nearest known name; kInvalidArgument if the field is not a scalar,
  /// string or enum.
  [[nodiscard]] static Result<FieldReader> make(const Schema& schema, std::string_view type, std::string_view path);
  /// The value as text: a number in decimal, an enum by its name, a bool as true or false; an
  /// absent string is empty. `buffer` must have been verified as `type`.
  [[nodiscard]] std::string read(BytesView buffer) const;

  struct Impl;

 private:
  explicit FieldReader(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}
  std::shared_ptr<const Impl> impl_;
};

}  // namespace tenon
