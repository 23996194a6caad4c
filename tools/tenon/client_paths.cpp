#include "tools/tenon/client_paths.hpp"

#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

#include <flatbuffers/reflection_generated.h>
#include <nlohmann/json.hpp>

#include "base/try.hpp"
#include "base/utf8.hpp"

namespace tenon::cli {
namespace {

using nlohmann::ordered_json;

constexpr std::string_view kFileType = "tenon.File";
constexpr std::string_view kFilePath = "path";

/// Returns the value of a task's attribute; empty if it has none.
std::string attribute_of(const reflection::Schema& schema, const std::string& method, std::string_view name) {
  if (schema.services() == nullptr) {
    return {};
  }
  for (const reflection::Service* service : *schema.services()) {
    if (service->calls() == nullptr) {
      continue;
    }
    for (const reflection::RPCCall* call : *service->calls()) {
      if (call->name()->string_view() != method || call->attributes() == nullptr) {
        continue;
      }
      for (const reflection::KeyValue* attribute : *call->attributes()) {
        if (attribute->key()->string_view() == name && attribute->value() != nullptr) {
          return attribute->value()->str();
        }
      }
    }
  }
  return {};
}

const reflection::Object* object_of(const reflection::Schema& schema, std::string_view name) {
  for (const reflection::Object* object : *schema.objects()) {
    if (object->name()->string_view() == name) {
      return object;
    }
  }
  return nullptr;
}

/// Makes paths in a JSON document absolute.
class Walk {
 public:
  Walk(const reflection::Schema& schema, const std::filesystem::path& directory)
      : schema_(schema), directory_(directory) {}

  /// `named`: fields of this object itself that are paths, in addition to those of files.
  void object(const reflection::Object& type, ordered_json& json, const std::vector<std::string>& named) {
    if (!json.is_object()) {
      return;
    }
    const bool is_file = type.name()->string_view() == kFileType;
    for (const reflection::Field* field : *type.fields()) {
      const auto found = json.find(field->name()->str());
      if (found == json.end()) {
        continue;
      }
      const bool is_path = (is_file && field->name()->string_view() == kFilePath) ||
                           std::find(named.begin(), named.end(), field->name()->str()) != named.end();
      value(*field->type(), field->name()->str(), json, *found, is_path);
    }
  }

  [[nodiscard]] bool changed() const noexcept { return changed_; }

 private:
  void value(const reflection::Type& type, const std::string& name, const ordered_json& around, ordered_json& json,
             bool is_path) {
    switch (type.base_type()) {
      case reflection::BaseType::String:
        if (is_path) {
          path(json);
        }
        return;
      case reflection::BaseType::Obj:
        object(*schema_.objects()->Get(static_cast<flatbuffers::uoffset_t>(type.index())), json, {});
        return;
      case reflection::BaseType::Union:
        member(type, name, around, json);
        return;
      case reflection::BaseType::Vector:
        for (ordered_json& element : json) {
          if (type.element() == reflection::BaseType::Obj) {
            object(*schema_.objects()->Get(static_cast<flatbuffers::uoffset_t>(type.index())), element, {});
          } else if (type.element() == reflection::BaseType::String && is_path) {
            path(element);
          }
        }
        return;
      default:
        return;
    }
  }

  /// Converts the value of a union; a field of the table around it names its type.
  void member(const reflection::Type& type, const std::string& name, const ordered_json& around, ordered_json& json) {
    const auto kind = around.find(name + "_type");
    if (kind == around.end() || !kind->is_string()) {
      return;
    }
    const reflection::Enum& members = *schema_.enums()->Get(static_cast<flatbuffers::uoffset_t>(type.index()));
    for (const reflection::EnumVal* known : *members.values()) {
      const bool table =
          known->union_type() != nullptr && known->union_type()->base_type() == reflection::BaseType::Obj;
      if (table && known->name()->str() == kind->get<std::string>()) {
        object(*schema_.objects()->Get(static_cast<flatbuffers::uoffset_t>(known->union_type()->index())), json, {});
      }
    }
  }

  void path(ordered_json& json) {
    if (!json.is_string()) {
      return;
    }
    const auto& given = json.get_ref<const std::string&>();
    // An empty path names nothing; the task reports that.
    if (given.empty() || given.front() == '/') {
      return;
    }
    json = (directory_ / given).lexically_normal().string();
    changed_ = true;
  }

  const reflection::Schema& schema_;
  const std::filesystem::path& directory_;
  bool changed_ = false;
};

}  // namespace

Result<Buffer> with_absolute_paths(const Schema& schema, const TaskInfo& task, CallPart part, const std::string& type,
                                   Buffer bytes, const std::filesystem::path& directory) {
  // The Schema object was made from a verified schema.
  const reflection::Schema& types = *reflection::GetSchema(schema.binary().data());
  const reflection::Object* const root = object_of(types, type);
  if (root == nullptr || bytes.empty()) {
    return bytes;
  }
  const std::string method = task.full_name.substr(task.full_name.find('.') + 1);
  std::vector<std::string> named;
  for (const char* attribute : part == CallPart::kArgument ? std::vector<const char*>{"input_directory", "left_out"}
                                                           : std::vector<const char*>{"output_directory"}) {
    named.push_back(attribute_of(types, method, attribute));
  }
  TENON_ASSIGN(const auto text, schema.to_json(type, bytes, {.indent = -1}));
  auto document = ordered_json::parse(text, nullptr, false);
  Walk walk(types, directory);
  walk.object(*root, document, named);
  if (!walk.changed()) {
    return bytes;
  }
  if (directory.empty()) {
    return fail(ErrorCode::kNotFound, "the working directory has been removed, so relative paths are not valid");
  }
  if (!internal::is_utf8(directory.string())) {
    return fail(ErrorCode::kInvalidArgument,
                "the name of the working directory is not UTF-8, so relative paths cannot "
                "be sent to the daemon; use absolute paths");
  }
  return schema.from_json(type, document.dump());
}

}  // namespace tenon::cli
