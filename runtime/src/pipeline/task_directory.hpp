/// The view of plugins that the loader needs. An interface, so that tests of the loader need no
/// plugin files.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <tenon/bytes.hpp>
#include <tenon/catalog.hpp>
#include <tenon/error.hpp>
#include <tenon/schema.hpp>

#include "schema/schema_operations.hpp"
#include "schema/task_files.hpp"

namespace tenon::internal {

class ItemField;

/// Reads one field of an item as text, after verifying the item. Errors: kCorrupt. [any-thread]
using ItemReader = std::function<Result<std::string>(BytesView item)>;

/// Returns a copy of an item with another value in one of its string fields, after verifying the
/// item. Errors: kCorrupt, kTooLarge. [any-thread]
/// kTooLarge. [any-thread]
using ItemRenamer = std::function<Result<Buffer>(BytesView item, std::string_view value)>;

/// Plugins by name, as the loader sees them. Immutable; [any-thread].
class TaskDirectory {
 public:
  struct Plugin {
    std::string name;
    std::string version;
    std::string settings_type;           ///< Empty if it has no settings.
    std::vector<std::string> tasks;      ///< Method names.
    std::optional<std::string> problem;  ///< Why it cannot be used.
  };

  TaskDirectory() = default;
  TaskDirectory(const TaskDirectory&) = delete;
  TaskDirectory& operator=(const TaskDirectory&) = delete;
  virtual ~TaskDirectory() = default;

  [[nodiscard]] virtual std::vector<std::string> plugin_names() const = 0;
  [[nodiscard]] virtual std::optional<Plugin> find_plugin(std::string_view name) const = 0;
  /// Returns a task of a usable plugin; nullopt if there is none.
  [[nodiscard]] virtual std::optional<TaskInfo> find_task(std::string_view plugin, std::string_view method) const = 0;
  /// Returns which files a task reads and writes; empty for a task that declares none.
  [[nodiscard]] virtual TaskFiles find_files(std::string_view plugin, std::string_view method) const = 0;
  [[nodiscard]] virtual std::optional<TypeInfo> find_type(std::string_view plugin, std::string_view type) const = 0;
  /// Returns the names of a union's types; nullopt for a type that is not a union.
  [[nodiscard]] virtual std::optional<std::vector<std::string>> union_members(std::string_view plugin,
                                                                              std::string_view type) const = 0;
  /// Encodes a tree of values as a FlatBuffer of `type`. Errors: kInvalidArgument, with the parts
  /// in `problem`; kNotFound, kOutOfMemory, with an empty `problem`.
  [[nodiscard]] virtual Result<Buffer> encode(std::string_view plugin, std::string_view type, const JsonValue& tree,
                                              TreeProblem& problem) const = 0;
  /// Like Schema::check_readable.
  [[nodiscard]] virtual Result<void> check_readable(std::string_view writer_plugin, std::string_view writer_type,
                                                    std::string_view reader_plugin,
                                                    std::string_view reader_type) const = 0;
  /// Returns a reader of a dotted field path. Errors: kNotFound, kInvalidArgument.
  [[nodiscard]] virtual Result<ItemReader> field_reader(std::string_view plugin, std::string_view type,
                                                        std::string_view path) const = 0;
  /// Returns a field that is read without verifying the item, by its dotted path. Errors:
  /// kNotFound; kInvalidArgument for a path through a field that is not a table.
  [[nodiscard]] virtual Result<std::shared_ptr<const ItemField>> item_field(std::string_view plugin,
                                                                            std::string_view type,
                                                                            std::string_view path) const = 0;
  /// Returns a function that replaces a string field of the root table. Errors: kNotFound.
  [[nodiscard]] virtual Result<ItemRenamer> renamer(std::string_view plugin, std::string_view type,
                                                    std::string_view field) const = 0;
};

/// Creates a directory over a catalog.
[[nodiscard]] std::unique_ptr<TaskDirectory> make_catalog_directory(const Catalog& catalog);

}  // namespace tenon::internal
