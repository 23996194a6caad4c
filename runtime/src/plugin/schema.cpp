#include <tenon/schema.hpp>

#include <algorithm>
#include <utility>

#include "plugin/schema_model.hpp"
#include "plugin/schema_operations.hpp"

namespace tenon {

Result<Schema> Schema::from_binary(BytesView binary, std::string_view plugin) {
  auto model = internal::read_schema_model(binary, plugin);
  if (!model) {
    return fail(std::move(model.error()));
  }
  return Schema(std::make_shared<const Impl>(Impl{std::move(*model)}));
}

const std::vector<TaskInfo>& Schema::tasks() const noexcept {
  return impl_->model.tasks;
}

const TaskInfo* Schema::find_task(std::string_view method) const noexcept {
  for (const TaskInfo& task : impl_->model.tasks) {
    if (task.name == method) {
      return &task;
    }
  }
  return nullptr;
}

std::optional<TypeInfo> Schema::find_type(std::string_view name) const {
  const internal::SchemaModel& model = impl_->model;
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

const std::string& Schema::settings_type() const noexcept {
  return impl_->model.settings_type;
}

BytesView Schema::binary() const noexcept {
  return impl_->model.binary;
}

Result<void> Schema::verify(std::string_view type, BytesView buffer) const {
  if (type == internal::kAnyTypeName) {
    return {};
  }
  auto root = impl_->model.find_table(type);
  if (!root) {
    return fail(std::move(root.error()));
  }
  return internal::verify_buffer(impl_->model, **root, buffer);
}

Result<void> Schema::check_readable(const Schema& writer, std::string_view writer_type, const Schema& reader,
                                    std::string_view reader_type) {
  if (writer_type == internal::kAnyTypeName || reader_type == internal::kAnyTypeName) {
    return {};
  }
  auto written = writer.impl_->model.find_table(writer_type);
  if (!written) {
    return fail(std::move(written.error()));
  }
  auto read = reader.impl_->model.find_table(reader_type);
  if (!read) {
    return fail(std::move(read.error()));
  }
  return internal::check_readable(writer.impl_->model, **written, reader.impl_->model, **read);
}

}  // namespace tenon
