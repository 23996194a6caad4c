#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include <tenon/schema.hpp>

#include "base/text.hpp"
#include "base/try.hpp"
#include "schema/buffer_view.hpp"
#include "schema/schema_model.hpp"

namespace tenon {

struct FieldReader::Impl {
  std::shared_ptr<const Schema::Impl> schema;
  /// The tables and structs on the path, and last the field itself.
  std::vector<const internal::FieldModel*> steps;
  /// Whether steps[i] is a field of a struct.
  std::vector<bool> in_struct;
};

Result<FieldReader> FieldReader::make(const Schema& schema, std::string_view type, std::string_view path) {
  using internal::BaseType;
  auto impl = std::make_shared<Impl>();
  impl->schema = schema.impl_;
  const internal::SchemaModel& model = impl->schema->model();
  TENON_ASSIGN(auto root, model.find_table(type));
  const internal::ObjectModel* object = root;
  for (std::string_view rest = path;;) {
    const std::size_t dot = rest.find('.');
    const std::string_view name = rest.substr(0, dot);
    const internal::FieldModel* field = object->find_field(name);
    if (field == nullptr || field->deprecated) {
      std::vector<std::string> known;
      for (const internal::FieldModel& candidate : object->fields) {
        if (!candidate.deprecated) {
          known.push_back(candidate.name);
        }
      }
      const std::string question = internal::did_you_mean(name, known);
      return fail(ErrorCode::kNotFound, object->name + " has no field '" + internal::printable(name, 80) + "'" +
                                            (question.empty() ? "" : "; " + question));
    }
    impl->steps.push_back(field);
    impl->in_struct.push_back(object->is_struct);
    const bool last = dot == std::string_view::npos;
    const bool readable = internal::is_scalar(field->type.base) || field->type.base == BaseType::kString;
    if (last && readable) {
      return FieldReader(std::move(impl));
    }
    if (last || field->type.base != BaseType::kObject) {
      return fail(ErrorCode::kInvalidArgument, "field '" + std::string(path) + "' of " + root->name + ": '" +
                                                   field->name + "' is " + model.type_text(field->type) +
                                                   (last ? "; only a number, a string or an enum can be read"
                                                         : ", which has no fields that a path can name"));
    }
    object = &model.object(field->type);
    rest.remove_prefix(dot + 1);
  }
}

std::string FieldReader::read(BytesView buffer) const {
  const internal::SchemaModel& model = impl_->schema->model();
  if (buffer.size() < 8) {
    return {};
  }
  const std::uint8_t* at = internal::follow(buffer.data());
  for (std::size_t i = 0; i < impl_->steps.size(); ++i) {
    const internal::FieldModel& field = *impl_->steps[i];
    at = impl_->in_struct[i] ? at + field.offset : internal::field_at(at, field);
    if (at == nullptr) {
      // A table on the path or the value is absent: a scalar at the end of the path then has its
      // default.
      const internal::FieldModel& last = *impl_->steps.back();
      return last.optional ? std::string() : model.default_text(last);
    }
    if (field.type.base == internal::BaseType::kString) {
      return std::string(internal::string_at(internal::follow(at)));
    }
    if (field.type.base != internal::BaseType::kObject) {
      return internal::scalar_text(model, field.type, at);
    }
    if (!model.object(field.type).is_struct) {
      at = internal::follow(at);
    }
  }
  return {};
}

}  // namespace tenon
