/// schema/conformity.hpp: whether a new version of a plugin can replace the old one, judged only by
/// their schemas. See DESIGN.md, "Conformity".
///
///   for (const SchemaBreak& found : check_conformity(*old_plugin.schema, *new_plugin.schema)) {
///     log(found.to_string());   // "params of image.thumbnail: image.ThumbnailParams.edge: uint16 became uint32; ..."
///   }
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <tenon/schema.hpp>

namespace tenon::internal {

/// One difference that breaks the old version's callers, results or checkpoints. A value.
struct SchemaBreak {
  enum class Subject : std::uint8_t {
    kTask,        ///< The task itself: its name, kind or idempotence.
    kArgument,    ///< Written by old callers, read by the new version.
    kParams,      ///< As the argument.
    kResult,      ///< Written by the new version, read by old callers.
    kCheckpoint,  ///< Written by the old version, read by the new one.
    kSettings,    ///< As the argument; they belong to the plugin.
  };

  /// Full name, as in "image.thumbnail"; empty for settings. If several tasks have the same break,
  /// the first of them.
  std::string task;
  Subject subject = Subject::kTask;
  /// Qualified table and field, enum and value, or only the table: "image.ThumbnailParams.edge".
  /// For a break of the task itself or of the tables that it uses, the full name of the task.
  std::string place;
  std::string old_text;
  std::string new_text;
  /// What to do instead.
  std::string advice;

  /// Everything on one line, for people.
  [[nodiscard]] std::string to_string() const;
};

/// "task", "argument" ... Valid forever.
[[nodiscard]] std::string_view subject_name(SchemaBreak::Subject subject) noexcept;

/// All breaks between two versions of one plugin, by task, each location once; empty if the new
/// version conforms. The time is proportional to the size of both schemas. [any-thread]
[[nodiscard]] std::vector<SchemaBreak> check_conformity(const Schema& old_schema, const Schema& new_schema);

}  // namespace tenon::internal
