// The half of Schema that is about text and about two schemas. It is separate because a worker does
// not need it and does not link it.
#include <tenon/schema.hpp>

#include <new>
#include <utility>

#include "base/text.hpp"
#include "base/try.hpp"
#include "schema/schema_model.hpp"
#include "schema/schema_operations.hpp"

namespace tenon {

std::optional<TypeInfo> Schema::find_type(std::string_view name) const {
  const internal::SchemaModel& model = impl_->model();
  TypeInfo info;
  if (const internal::ObjectModel* object = model.find_object(name)) {
    info.name = object->name;
    info.documentation = object->documentation;
    for (const internal::FieldModel& field : object->fields) {
      // A union's hidden type field is part of its union.
      if (field.type.base == internal::BaseType::kUType || field.type.element == internal::BaseType::kUType) {
        continue;
      }
      info.fields.push_back({field.name, model.type_text(field.type),
                             object->is_struct ? "" : model.default_text(field), field.required, field.deprecated,
                             field.documentation});
    }
    return info;
  }
  if (const internal::EnumModel* enumeration = model.find_enum(name)) {
    info.name = enumeration->name;
    info.documentation = enumeration->documentation;
    for (const internal::EnumValueModel& value : enumeration->values) {
      info.enum_values.push_back(value.name);
    }
    return info;
  }
  return std::nullopt;
}

Result<Buffer> Schema::from_json(std::string_view type, std::string_view json, JsonProblem* problem) const {
  JsonProblem parts;
  auto root = impl_->model().find_table(type);
  const auto encode = [&]() -> Result<Buffer> {
    try {
      return root ? internal::encode_json(impl_->model(), **root, json, parts) : fail(root.error());
    } catch (const std::bad_alloc&) {
      parts = {};
      return fail(ErrorCode::kOutOfMemory,
                  "out of memory while reading a JSON text of " + internal::format_size(json.size()));
    }
  };
  auto buffer = encode();
  if (problem != nullptr) {
    if (!buffer && parts.message.empty()) {
      parts.message = buffer.error().message;
    }
    *problem = std::move(parts);
  }
  return buffer;
}

Result<std::string> Schema::to_json(std::string_view type, BytesView buffer, const JsonOptions& options) const {
  TENON_ASSIGN(auto root, impl_->model().find_table(type));
  if (root->is_any) {
    return fail(ErrorCode::kInvalidArgument,
                "tenon.Any stands for any table, so its fields are not known; name the table that is really meant");
  }
  TENON_TRY(internal::verify_buffer(impl_->model(), *root, buffer));
  try {
    return internal::write_json(impl_->model(), *root, buffer, options);
  } catch (const std::bad_alloc&) {
    return fail(ErrorCode::kOutOfMemory,
                "out of memory while writing a FlatBuffer of " + internal::format_size(buffer.size()) + " as JSON");
  }
}

Result<void> Schema::check_readable(const Schema& writer, std::string_view writer_type, const Schema& reader,
                                    std::string_view reader_type) {
  if (writer_type == internal::kAnyTypeName || reader_type == internal::kAnyTypeName) {
    return {};
  }
  TENON_ASSIGN(auto written, writer.impl_->model().find_table(writer_type));
  TENON_ASSIGN(auto read, reader.impl_->model().find_table(reader_type));
  return internal::check_readable(writer.impl_->model(), *written, reader.impl_->model(), *read);
}

}  // namespace tenon
