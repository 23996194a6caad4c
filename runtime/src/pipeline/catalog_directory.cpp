#include "pipeline/task_directory.hpp"

#include <memory>
#include <new>
#include <utility>

#include <tenon/catalog.hpp>

#include "base/try.hpp"
#include "pipeline/item_field.hpp"
#include "schema/field_path.hpp"
#include "schema/schema_model.hpp"
#include "schema/schema_operations.hpp"

namespace tenon::internal {
namespace {

class CatalogField final : public ItemField {
 public:
  explicit CatalogField(FieldPath path) : path_(std::move(path)) {}
  const FieldShape& shape() const noexcept override { return path_.shape(); }
  bool read(const Item& item, FieldValue& value) const override {
    // A large result stays where its worker can write: reading one field of it needs no copy.
    return path_.read(item.reply.bytes_in_place(), value);
  }

 private:
  FieldPath path_;
};

class CatalogDirectory final : public TaskDirectory {
 public:
  explicit CatalogDirectory(const Catalog& catalog) : catalog_(catalog) {}

  std::vector<std::string> plugin_names() const override {
    std::vector<std::string> names;
    for (const auto& plugin : catalog_.plugins()) {
      names.push_back(plugin->name);
    }
    return names;
  }

  std::optional<Plugin> find_plugin(std::string_view name) const override {
    std::shared_ptr<const PluginInfo> found = catalog_.find_plugin(name);
    if (found == nullptr) {
      for (const auto& plugin : catalog_.plugins()) {
        if (plugin->name == name) {
          found = plugin;
          break;
        }
      }
    }
    if (found == nullptr) {
      return std::nullopt;
    }
    Plugin plugin;
    plugin.name = found->name;
    plugin.version = found->version;
    if (!found->usable()) {
      plugin.problem = found->problem ? found->problem->message : std::string("its schema cannot be read");
      return plugin;
    }
    plugin.settings_type = found->schema->settings_type();
    for (const TaskInfo& task : found->schema->tasks()) {
      plugin.tasks.push_back(task.name);
    }
    return plugin;
  }

  std::optional<TaskInfo> find_task(std::string_view plugin, std::string_view method) const override {
    const Schema* schema = schema_of(plugin);
    const TaskInfo* task = schema == nullptr ? nullptr : schema->find_task(method);
    return task == nullptr ? std::nullopt : std::optional<TaskInfo>(*task);
  }

  std::optional<TypeInfo> find_type(std::string_view plugin, std::string_view type) const override {
    const Schema* schema = schema_of(plugin);
    return schema == nullptr ? std::nullopt : schema->find_type(type);
  }

  TaskFiles find_files(std::string_view plugin, std::string_view method) const override {
    const Schema* schema = schema_of(plugin);
    if (schema == nullptr) {
      return {};
    }
    const auto& files = SchemaAccess::model(*schema).task_files;
    const auto found = files.find(method);
    return found == files.end() ? TaskFiles() : found->second;
  }

  std::optional<std::vector<std::string>> union_members(std::string_view plugin, std::string_view type) const override {
    const Schema* schema = schema_of(plugin);
    const EnumModel* found = schema == nullptr ? nullptr : SchemaAccess::model(*schema).find_enum(type);
    if (found == nullptr || !found->is_union) {
      return std::nullopt;
    }
    std::vector<std::string> members;
    for (const EnumValueModel& value : found->values) {
      if (value.type.base != BaseType::kNone) {
        members.push_back(value.name);
      }
    }
    return members;
  }

  Result<Buffer> encode(std::string_view plugin, std::string_view type, const JsonValue& tree,
                        TreeProblem& problem) const override {
    const Schema* schema = schema_of(plugin);
    if (schema == nullptr) {
      return missing(plugin);
    }
    const SchemaModel& model = SchemaAccess::model(*schema);
    TENON_ASSIGN(const auto root, model.find_table(type));
    try {
      return encode_tree(model, *root, tree, problem);
    } catch (const std::bad_alloc&) {
      problem = {};
      return fail(ErrorCode::kOutOfMemory, "out of memory while encoding a " + std::string(type));
    }
  }

  Result<void> check_readable(std::string_view writer_plugin, std::string_view writer_type,
                              std::string_view reader_plugin, std::string_view reader_type) const override {
    const Schema* writer = schema_of(writer_plugin);
    const Schema* reader = schema_of(reader_plugin);
    if (writer == nullptr || reader == nullptr) {
      return missing(writer == nullptr ? writer_plugin : reader_plugin);
    }
    return Schema::check_readable(*writer, writer_type, *reader, reader_type);
  }

  Result<ItemReader> field_reader(std::string_view plugin, std::string_view type,
                                  std::string_view path) const override {
    const Schema* schema = schema_of(plugin);
    if (schema == nullptr) {
      return missing(plugin);
    }
    TENON_ASSIGN(auto reader, FieldReader::make(*schema, type, path));
    return ItemReader(
        [schema = *schema, type = std::string(type), field = std::move(reader)](BytesView item) -> Result<std::string> {
          // Items come from workers, so an item must verify before anything is read from it.
          TENON_TRY(schema.verify(type, item));
          return field.read(item);
        });
  }

  Result<ItemFieldPointer> item_field(std::string_view plugin, std::string_view type,
                                      std::string_view path) const override {
    const Schema* schema = schema_of(plugin);
    if (schema == nullptr) {
      return missing(plugin);
    }
    TENON_ASSIGN(auto field, FieldPath::make(SchemaAccess::model(*schema), type, path));
    return std::make_shared<CatalogField>(std::move(field));
  }

  Result<ItemRenamer> renamer(std::string_view plugin, std::string_view type, std::string_view field) const override {
    const Schema* schema = schema_of(plugin);
    if (schema == nullptr) {
      return missing(plugin);
    }
    const ObjectModel* root = SchemaAccess::model(*schema).find_object(type);
    const FieldModel* found = root == nullptr ? nullptr : root->find_field(field);
    if (found == nullptr) {
      return fail(ErrorCode::kNotFound, std::string(type) + " has no field '" + std::string(field) + "'");
    }
    // `root` and `found` point into the schema, which this copy keeps alive.
    return ItemRenamer([schema = *schema, type = std::string(type), root, found](
                           BytesView item, std::string_view value) -> Result<Buffer> {
      TENON_TRY(schema.verify(type, item));
      return replace_string(*root, *found, SchemaAccess::model(schema), item, value);
    });
  }

 private:
  static tl::unexpected<Error> missing(std::string_view plugin) {
    return fail(ErrorCode::kNotFound, "there is no usable plugin '" + std::string(plugin) + "'");
  }

  const Schema* schema_of(std::string_view plugin) const {
    const std::shared_ptr<const PluginInfo> found = catalog_.find_plugin(plugin);
    // The catalog keeps the plugin alive.
    return found == nullptr || !found->schema ? nullptr : &*found->schema;
  }

  Catalog catalog_;
};

}  // namespace

std::unique_ptr<TaskDirectory> make_catalog_directory(const Catalog& catalog) {
  return std::make_unique<CatalogDirectory>(catalog);
}

}  // namespace tenon::internal
