#include "schema/schema_model.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include <flatbuffers/flatbuffers.h>
#include <flatbuffers/reflection_generated.h>

#include "base/text.hpp"
#include "base/try.hpp"
#include "schema/plugin_name.hpp"

namespace tenon::internal {
namespace {

using flatbuffers::Offset;
using flatbuffers::String;
using flatbuffers::Vector;

std::string text(const String* string) {
  return string == nullptr ? std::string() : string->str();
}

std::string documentation_text(const Vector<Offset<String>>* lines) {
  std::string joined;
  if (lines == nullptr) {
    return joined;
  }
  for (flatbuffers::uoffset_t i = 0; i < lines->size(); ++i) {
    std::string line = lines->Get(i)->str();
    if (!line.empty() && line.front() == ' ') {
      line.erase(0, 1);
    }
    while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) {
      line.pop_back();
    }
    joined += (i == 0 ? "" : "\n") + line;
  }
  return joined;
}

/// The value of an attribute; nullptr if it is absent. A linear search, because hostile bytes may
/// not be sorted.
const reflection::KeyValue* find_attribute(const Vector<Offset<reflection::KeyValue>>* attributes,
                                           std::string_view key) {
  if (attributes != nullptr) {
    for (const reflection::KeyValue* attribute : *attributes) {
      if (attribute->key()->string_view() == key) {
        return attribute;
      }
    }
  }
  return nullptr;
}

/// The first of `names` that occurs twice; nullopt if none does. Leaves the names sorted.
std::optional<std::string_view> find_twin(std::vector<std::string_view>& names) {
  std::sort(names.begin(), names.end());
  const auto twin = std::adjacent_find(names.begin(), names.end());
  return twin == names.end() ? std::nullopt : std::optional(*twin);
}

tl::unexpected<Error> corrupt(const std::string& what) {
  return fail(ErrorCode::kCorrupt, "the binary schema is broken: " + what);
}

/// "; did you mean ...?" or nothing.
std::string suggestion(std::string_view word, const std::vector<std::string>& known) {
  const std::string question = did_you_mean(word, known);
  return question.empty() ? question : "; " + question;
}

bool is_power_of_two(std::uint32_t value) {
  return value != 0 && (value & (value - 1)) == 0;
}

/// Reads one schema. The steps run in order; each relies on the checks of the earlier ones.
class Reader {
 public:
  Reader(const reflection::Schema& schema, SchemaModel& model) : schema_(schema), model_(model) {}

  Result<void> read() {
    for (auto step : {&Reader::read_enums, &Reader::read_objects, &Reader::check_enums, &Reader::check_structs,
                      &Reader::check_tables, &Reader::read_service}) {
      if (auto done = (this->*step)(); !done) {
        return done;
      }
    }
    return {};
  }

 private:
  /// `where` returns the location for error messages. It is a function because a start reads
  /// thousands of sound types.
  template <typename Where>
  Result<TypeRef> read_type(const reflection::Type* type, const Where& where) const {
    const int base = static_cast<int>(type->base_type());
    const int element = static_cast<int>(type->element());
    constexpr int kLast = static_cast<int>(BaseType::kArray);
    if (base < 0 || base > kLast || element < 0 || element > kLast) {
      return fail(ErrorCode::kIncompatible, where() + " has a type that this version of tenon does not know (number " +
                                                std::to_string(base > kLast ? base : element) +
                                                "); use an older FlatBuffers or a newer tenon");
    }
    TypeRef result{static_cast<BaseType>(base), static_cast<BaseType>(element), type->index(), type->fixed_length()};
    const bool container = result.base == BaseType::kVector || result.base == BaseType::kArray;
    const BaseType kind = container ? result.element : result.base;
    if (!container) {
      result.element = BaseType::kNone;
    } else if (kind == BaseType::kVector || kind == BaseType::kArray || kind == BaseType::kNone) {
      return corrupt(where() + " is a vector without an element type");
    }
    if (result.base == BaseType::kArray && result.fixed_length == 0) {
      return corrupt(where() + " is an array of no elements");
    }
    const bool names_object = kind == BaseType::kObject;
    const bool needs_enum = kind == BaseType::kUnion || kind == BaseType::kUType;
    const std::size_t bound = names_object ? schema_.objects()->size() : schema_.enums()->size();
    if (result.index < -1 || (result.index >= 0 && static_cast<std::size_t>(result.index) >= bound) ||
        ((names_object || needs_enum) && result.index < 0)) {
      return corrupt(where() + " refers to type number " + std::to_string(result.index) + ", which is not there");
    }
    if (result.index >= 0 && !names_object && !needs_enum && !is_integer(kind)) {
      result.index = -1;
    }
    return result;
  }

  Result<void> read_enums() {
    model_.enums.reserve(schema_.enums()->size());
    for (const reflection::Enum* source : *schema_.enums()) {
      EnumModel model;
      model.name = text(source->name());
      model.documentation = documentation_text(source->documentation());
      model.is_union = source->is_union();
      model.bit_flags = find_attribute(source->attributes(), "bit_flags") != nullptr;
      const int underlying = static_cast<int>(source->underlying_type()->base_type());
      if (underlying < static_cast<int>(BaseType::kUType) || underlying > static_cast<int>(BaseType::kULong)) {
        return corrupt("enum " + model.name + " has no integer type");
      }
      model.underlying = static_cast<BaseType>(underlying);
      model.values.reserve(source->values()->size());
      for (const reflection::EnumVal* value : *source->values()) {
        EnumValueModel entry{text(value->name()), value->value(), {}};
        if (model.is_union && value->union_type() != nullptr) {
          auto type = read_type(value->union_type(), [&] { return "union member " + model.name + "." + entry.name; });
          if (!type) {
            return fail(type.error());
          }
          entry.type = *type;
        }
        model.values.push_back(std::move(entry));
      }
      std::stable_sort(model.values.begin(), model.values.end(),
                       [](const auto& a, const auto& b) { return a.value < b.value; });
      if (!model_.enum_index.emplace(model.name, model_.enums.size()).second) {
        return corrupt("two enums are called " + model.name);
      }
      model_.enums.push_back(std::move(model));
    }
    return {};
  }

  Result<void> read_objects() {
    model_.objects.reserve(schema_.objects()->size());
    std::vector<std::string_view> names;
    for (const reflection::Object* source : *schema_.objects()) {
      ObjectModel model;
      model.name = text(source->name());
      model.documentation = documentation_text(source->documentation());
      model.is_struct = source->is_struct();
      model.is_any = model.name == kAnyTypeName;
      if (source->minalign() < 1 || source->minalign() > 256 || source->bytesize() < 0 ||
          !is_power_of_two(static_cast<std::uint32_t>(source->minalign()))) {
        return corrupt("type " + model.name + " has an impossible size or alignment");
      }
      model.alignment_bytes = static_cast<std::uint32_t>(source->minalign());
      model.size_bytes = static_cast<std::uint32_t>(source->bytesize());
      names.clear();
      model.fields.reserve(source->fields()->size());
      for (const reflection::Field* field : *source->fields()) {
        auto type = read_type(field->type(), [&] { return "field " + model.name + "." + text(field->name()); });
        if (!type) {
          return fail(std::move(type.error()));
        }
        names.push_back(field->name()->string_view());
        model.fields.push_back({text(field->name()), *type, field->id(), field->offset(), field->default_integer(),
                                field->default_real(), field->deprecated(), field->required(), field->optional(),
                                field->key(), documentation_text(field->documentation())});
      }
      if (const auto twin = find_twin(names)) {
        return corrupt("field " + model.name + "." + std::string(*twin) + " is there twice");
      }
      std::stable_sort(model.fields.begin(), model.fields.end(),
                       [](const auto& a, const auto& b) { return a.id < b.id; });
      if (!model_.object_index.emplace(model.name, model_.objects.size()).second) {
        return corrupt("two types are called " + model.name);
      }
      model_.objects.push_back(std::move(model));
    }
    return {};
  }

  Result<void> check_enums() {
    std::vector<std::string_view> names;
    for (const EnumModel& model : model_.enums) {
      names.clear();
      for (const EnumValueModel& value : model.values) {
        names.emplace_back(value.name);
        const BaseType base = value.type.base;
        if (model.is_union && base != BaseType::kNone && base != BaseType::kObject && base != BaseType::kString) {
          return corrupt("union member " + model.name + "." + value.name +
                         " is neither a table, a struct nor a string");
        }
      }
      if (const auto twin = find_twin(names)) {
        return corrupt("value " + model.name + "." + std::string(*twin) + " is there twice");
      }
    }
    return {};
  }

  Result<void> check_structs() {
    std::vector<char> state(model_.objects.size(), 0);  // 1: in progress, 2: done.
    for (std::size_t i = 0; i < model_.objects.size(); ++i) {
      if (auto done = check_struct(i, state, 0); !done) {
        return done;
      }
    }
    return {};
  }

  Result<void> check_struct(std::size_t index, std::vector<char>& state, int depth) {
    const ObjectModel& model = model_.objects[index];
    if (!model.is_struct || state[index] == 2) {
      return {};
    }
    if (state[index] == 1 || depth > kMaxDepth) {
      return corrupt("struct " + model.name + " holds itself or is nested too deep");
    }
    state[index] = 1;
    for (const FieldModel& field : model.fields) {
      const auto where = [&] { return "struct field " + model.name + "." + field.name; };
      const bool array = field.type.base == BaseType::kArray;
      const TypeRef item = array ? field.type.element_type() : field.type;
      std::uint64_t size_bytes = scalar_size_bytes(item.base);
      if (item.base == BaseType::kObject && model_.object(item).is_struct) {
        if (auto done = check_struct(static_cast<std::size_t>(item.index), state, depth + 1); !done) {
          return done;
        }
        size_bytes = model_.object(item).size_bytes;
      } else if (size_bytes == 0) {
        return corrupt(where() + " is neither a number nor a struct");
      }
      size_bytes *= array ? field.type.fixed_length : 1U;
      if (field.offset + size_bytes > model.size_bytes) {
        return corrupt(where() + " lies outside its struct");
      }
    }
    state[index] = 2;
    return {};
  }

  Result<void> check_tables() {
    for (const ObjectModel& model : model_.objects) {
      if (model.is_struct) {
        continue;
      }
      for (std::size_t i = 0; i < model.fields.size(); ++i) {
        const FieldModel& field = model.fields[i];
        const auto where = [&] { return "field " + model.name + "." + field.name; };
        // Each takes 2 bytes after the vtable's own two entries; the vtable is at most 64 KiB.
        if (field.id > 0x7ff0 || field.offset != 4 + 2 * field.id || (i > 0 && model.fields[i - 1].id == field.id)) {
          return corrupt(where() + " has an id that does not fit its place");
        }
        const TypeRef& type = field.type;
        if (type.base == BaseType::kNone || type.base == BaseType::kArray) {
          return corrupt(where() + " has no type that a table can hold");
        }
        const bool is_union = type.base == BaseType::kUnion || type.element == BaseType::kUnion;
        if (is_union) {
          const FieldModel* tag = i == 0 ? nullptr : &model.fields[i - 1];
          const BaseType tag_kind = tag == nullptr                        ? BaseType::kNone
                                    : tag->type.base == BaseType::kVector ? tag->type.element
                                                                          : tag->type.base;
          if (!model_.enumeration(type).is_union || tag_kind != BaseType::kUType || tag->id + 1 != field.id ||
              tag->type.index != type.index ||
              (type.base == BaseType::kVector) != (tag->type.base == BaseType::kVector)) {
            return corrupt(where() + " is a union without its type field");
          }
        }
      }
    }
    return {};
  }

  Result<void> read_service() {
    const auto* services = schema_.services();
    const std::size_t count = services == nullptr ? 0 : services->size();
    if (count == 0) {
      return fail(
          ErrorCode::kIncompatible,
          "the schema declares no rpc_service, so the plugin has no tasks; declare one whose methods are the tasks");
    }
    if (count > 1) {
      std::string names;
      for (const reflection::Service* service : *services) {
        names += (names.empty() ? "" : ", ") + text(service->name());
      }
      return fail(ErrorCode::kIncompatible, "the schema declares " + std::to_string(count) + " rpc_services (" + names +
                                                "); a plugin has one, so move their methods into one of them");
    }
    const reflection::Service& service = *services->Get(0);
    const std::string service_name = text(service.name());
    const std::size_t dot = service_name.rfind('.');
    namespace_ = dot == std::string::npos ? std::string() : service_name.substr(0, dot);
    if (const auto* settings = find_attribute(service.attributes(), "settings")) {
      if (auto done = read_settings(*settings, "rpc_service " + service_name); !done) {
        return done;
      }
    }
    if (service.calls() == nullptr || service.calls()->size() == 0) {
      return fail(ErrorCode::kIncompatible,
                  "rpc_service " + service_name + " has no methods, so the plugin has no tasks");
    }
    for (const reflection::RPCCall* call : *service.calls()) {
      if (auto done = read_task(*call); !done) {
        return done;
      }
    }
    std::sort(model_.tasks.begin(), model_.tasks.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
    for (std::size_t i = 1; i < model_.tasks.size(); ++i) {
      if (model_.tasks[i].name == model_.tasks[i - 1].name) {
        return corrupt("method " + model_.tasks[i].name + " is there twice");
      }
    }
    return {};
  }

  Result<void> read_task(const reflection::RPCCall& call) {
    TaskInfo task;
    task.name = text(call.name());
    task.full_name = model_.plugin + "." + task.name;
    const std::string where = "method " + task.name;
    if (!is_plugin_name(task.name)) {
      return fail(ErrorCode::kIncompatible,
                  where + " cannot name a task; use small letters, digits and '_', a letter first");
    }
    task.documentation = documentation_text(call.documentation());
    for (auto [object, type, what] : {std::tuple(call.request(), &task.argument_type, "argument"),
                                      std::tuple(call.response(), &task.result_type, "result")}) {
      *type = text(object->name());
      const ObjectModel* model = model_.find_object(*type);
      if (model == nullptr) {
        return corrupt(where + " names type " + *type + ", which is not there");
      }
      if (model->is_struct) {
        return fail(ErrorCode::kIncompatible,
                    where + " has the struct " + *type + " as its " + what + "; use a table, which can grow");
      }
    }
    if (const auto* streaming = find_attribute(call.attributes(), "streaming")) {
      const std::string value = text(streaming->value());
      if (value == "server") {
        task.kind = TaskKind::kSource;
      } else if (value == "client") {
        task.kind = TaskKind::kReduce;
      } else if (value != "none") {
        return fail(ErrorCode::kIncompatible,
                    where + " has streaming \"" + value +
                        "\"; it takes \"server\" (a source), \"client\" (a reduce) or \"none\"");
      }
    }
    task.idempotent = find_attribute(call.attributes(), "idempotent") != nullptr;
    if (const auto* params = find_attribute(call.attributes(), "params")) {
      TENON_ASSIGN(auto name, resolve_table(text(params->value()), where + " (params)"));
      task.params_type = name;
    }
    if (const auto* checkpoint = find_attribute(call.attributes(), "checkpoint")) {
      if (task.kind == TaskKind::kPlain) {
        return fail(ErrorCode::kIncompatible, where +
                                                  " has a checkpoint, but is a plain task; only sources and reduces "
                                                  "(streaming: \"server\" or \"client\") have one");
      }
      TENON_ASSIGN(auto name, resolve_table(text(checkpoint->value()), where + " (checkpoint)"));
      task.checkpoint_type = name;
    }
    if (auto done = read_files(call, where, task); !done) {
      return done;
    }
    if (const auto* settings = find_attribute(call.attributes(), "settings")) {
      if (auto done = read_settings(*settings, where); !done) {
        return done;
      }
    }
    model_.tasks.push_back(std::move(task));
    return {};
  }

  /// The attributes from which a pipeline knows the files that a task reads and writes.
  Result<void> read_files(const reflection::RPCCall& call, const std::string& where, const TaskInfo& task) {
    const bool source = task.kind == TaskKind::kSource;
    TaskFiles files;
    struct Wanted {
      const char* attribute;
      std::string& field;
      const std::string& table;
      bool list;
      bool applies;
      const char* to;
    };
    for (const Wanted& wanted :
         {Wanted{"output_name", files.output_name, task.argument_type, false, task.kind == TaskKind::kPlain,
                 "a plain task"},
          Wanted{"output_directory", files.output_directory, task.params_type, false, !task.params_type.empty(),
                 "a task with params"},
          Wanted{"input_directory", files.input_directory, task.argument_type, false, source, "a source"},
          Wanted{"left_out", files.left_out, task.argument_type, true, source, "a source"}}) {
      const auto* attribute = find_attribute(call.attributes(), wanted.attribute);
      if (attribute == nullptr) {
        continue;
      }
      const std::string what = where + " (" + wanted.attribute + ")";
      if (!wanted.applies) {
        return fail(ErrorCode::kIncompatible, what + " applies only to " + wanted.to);
      }
      const ObjectModel* table = model_.find_object(wanted.table);
      const std::string name = text(attribute->value());
      const FieldModel* field = table == nullptr ? nullptr : table->find_field(name);
      const bool fits = field != nullptr && !field->deprecated &&
                        (wanted.list ? field->type.base == BaseType::kVector && field->type.element == BaseType::kString
                                     : field->type.base == BaseType::kString);
      if (!fits) {
        return fail(ErrorCode::kIncompatible, what + " names the field '" + name + "' of " + wanted.table +
                                                  ", which must be a " + (wanted.list ? "[string]" : "string") +
                                                  (field == nullptr ? " and is not declared" : " and is not"));
      }
      wanted.field = name;
      model_.task_files[task.name] = files;
    }
    return {};
  }

  Result<void> read_settings(const reflection::KeyValue& attribute, const std::string& where) {
    TENON_ASSIGN(auto name, resolve_table(text(attribute.value()), where + " (settings)"));
    if (!model_.settings_type.empty() && model_.settings_type != name) {
      return fail(ErrorCode::kIncompatible, where + " names settings " + name + ", another place " +
                                                model_.settings_type + "; a plugin has one settings table");
    }
    model_.settings_type = name;
    return {};
  }

  /// A table named in an attribute, searched in the namespace of the service, in that of the
  /// plugin, and then as a full name.
  Result<std::string> resolve_table(const std::string& name, const std::string& where) const {
    for (const std::string& candidate :
         {namespace_.empty() ? name : namespace_ + "." + name, model_.plugin + "." + name, name}) {
      if (const ObjectModel* model = model_.find_object(candidate)) {
        if (model->is_struct) {
          return fail(ErrorCode::kIncompatible,
                      where + " names the struct " + candidate + "; use a table, which can grow");
        }
        return candidate;
      }
    }
    std::vector<std::string> known;
    for (const ObjectModel& model : model_.objects) {
      known.push_back(model.name);
    }
    return fail(ErrorCode::kIncompatible, where + " names the table '" + name + "', which the schema does not declare" +
                                              suggestion(namespace_.empty() ? name : namespace_ + "." + name, known));
  }

  const reflection::Schema& schema_;
  SchemaModel& model_;
  std::string namespace_;
};

}  // namespace

Result<SchemaModel> read_schema_model(Buffer binary, std::string_view plugin) {
  if (binary.size() > kMaxSchemaBytes) {
    return fail(ErrorCode::kTooLarge, "the binary schema has " + std::to_string(binary.size()) + " bytes; at most " +
                                          std::to_string(kMaxSchemaBytes) + " are read");
  }
  SchemaModel model;
  model.plugin = plugin;
  model.binary = std::move(binary);
  flatbuffers::Verifier verifier(model.binary.data(), model.binary.size(), kMaxDepth, 1'000'000);
  if (model.binary.size() < 12 || !reflection::VerifySchemaBuffer(verifier)) {
    return corrupt("it does not verify as reflection.fbs; build the plugin with flatc --schema -b --bfbs-comments");
  }
  TENON_TRY(Reader(*reflection::GetSchema(model.binary.data()), model).read());
  return model;
}

}  // namespace tenon::internal
