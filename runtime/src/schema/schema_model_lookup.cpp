// Finds parts of a schema by name and by number.
#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "base/text.hpp"
#include "schema/schema_model.hpp"

namespace tenon::internal {

std::uint32_t scalar_size_bytes(BaseType type) noexcept {
  switch (type) {
    case BaseType::kUType:
    case BaseType::kBool:
    case BaseType::kByte:
    case BaseType::kUByte:
      return 1;
    case BaseType::kShort:
    case BaseType::kUShort:
      return 2;
    case BaseType::kInt:
    case BaseType::kUInt:
    case BaseType::kFloat:
      return 4;
    case BaseType::kLong:
    case BaseType::kULong:
    case BaseType::kDouble:
      return 8;
    default:
      return 0;
  }
}

const FieldModel* ObjectModel::find_field(std::string_view field) const noexcept {
  const auto found = std::find_if(fields.begin(), fields.end(), [&](const auto& f) { return f.name == field; });
  return found == fields.end() ? nullptr : &*found;
}

const EnumValueModel* EnumModel::find_value(std::int64_t value) const noexcept {
  const auto found =
      std::lower_bound(values.begin(), values.end(), value, [](const auto& a, std::int64_t b) { return a.value < b; });
  return found == values.end() || found->value != value ? nullptr : &*found;
}

const EnumValueModel* EnumModel::find_name(std::string_view value_name) const noexcept {
  const auto found = std::find_if(values.begin(), values.end(), [&](const auto& v) { return v.name == value_name; });
  return found == values.end() ? nullptr : &*found;
}

const ObjectModel* SchemaModel::find_object(std::string_view name) const noexcept {
  const auto found = object_index.find(name);
  return found == object_index.end() ? nullptr : &objects[found->second];
}

const EnumModel* SchemaModel::find_enum(std::string_view name) const noexcept {
  const auto found = enum_index.find(name);
  return found == enum_index.end() ? nullptr : &enums[found->second];
}

Result<const ObjectModel*> SchemaModel::find_table(std::string_view name) const {
  const ObjectModel* model = find_object(name);
  if (model == nullptr || model->is_struct) {
    if (model != nullptr || find_enum(name) != nullptr) {
      return fail(ErrorCode::kInvalidArgument,
                  "'" + std::string(name) + "' is no table; only a table can be a whole buffer");
    }
    std::vector<std::string> known;
    for (const ObjectModel& object : objects) {
      if (!object.is_struct) {
        known.push_back(object.name);
      }
    }
    const std::string question = did_you_mean(name, known);
    return fail(ErrorCode::kNotFound, "plugin '" + plugin + "' has no table '" + std::string(name) + "'" +
                                          (question.empty() ? question : "; " + question));
  }
  return model;
}

}  // namespace tenon::internal
