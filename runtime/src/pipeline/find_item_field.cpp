#include "pipeline/find_item_field.hpp"

#include <algorithm>
#include <limits>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "pipeline/group_field.hpp"

namespace tenon::internal {
namespace {

/// The number of an item at its source, from 1.
class IndexField final : public ItemField {
 public:
  IndexField() {
    shape_.kind = FieldKind::kNatural;
    shape_.type = "uint64";
    shape_.most = std::numeric_limits<std::uint64_t>::max();
    shape_.always_present = true;
  }
  [[nodiscard]] const FieldShape& shape() const noexcept override { return shape_; }
  [[nodiscard]] bool read(const Item& item, FieldValue& value) const override {
    value = {};
    value.present = true;
    value.integer = static_cast<std::int64_t>(item.index + 1);
    return true;
  }

 private:
  FieldShape shape_;
};

/// Reports the first name of the path that its table does not have.
void report_unknown(const EdgeType& type, const std::string& path, const Place& place, const std::string& what,
                    const TaskDirectory& directory, Reporter& reporter) {
  std::optional<TypeInfo> at = directory.find_type(type.plugin, type.name);
  std::string_view rest = path;
  std::string before;
  while (at) {
    const std::size_t dot = rest.find('.');
    const std::string name(rest.substr(0, dot));
    const auto field = std::find_if(at->fields.begin(), at->fields.end(),
                                    [&](const FieldInfo& known) { return known.name == name && !known.deprecated; });
    if (field == at->fields.end()) {
      std::vector<std::string> names;
      for (const FieldInfo& known : at->fields) {
        if (!known.deprecated) {
          names.push_back(before + known.name);
        }
      }
      reporter.error(place, what + ": " + at->name + " has no field '" + name + "'",
                     suggest(before + name, names, names.empty() ? "it has no fields" : "it has " + list_names(names)));
      return;
    }
    if (dot == std::string_view::npos) {
      break;
    }
    before += name + '.';
    at = directory.find_type(type.plugin, field->type);
    rest.remove_prefix(dot + 1);
  }
  reporter.error(place, what + ": " + type.name + " has no field '" + path + "'");
}

}  // namespace

ItemFieldPointer find_item_field(const EdgeType& type, const std::string& path, const Place& place,
                                 const std::string& what, const TaskDirectory& directory, Reporter& reporter) {
  if (path.starts_with('@')) {
    std::vector<std::string> names = {"@index"};
    if (path == names.front()) {
      return std::make_shared<IndexField>();
    }
    if (type.groups != nullptr) {
      if (ItemFieldPointer field = find_group_field(*type.groups, path)) {
        return field;
      }
      for (std::string& name : group_field_names(*type.groups)) {
        names.push_back(std::move(name));
      }
    }
    reporter.error(place, what + ": items have no '" + path + "'",
                   suggest(path, names, "they have " + list_names(names)));
    return nullptr;
  }
  if (type.name.empty()) {
    reporter.error(place, what + " cannot read '" + path + "': its items have several types",
                   "give it inputs of one type");
    return nullptr;
  }
  Result<ItemFieldPointer> field = directory.item_field(type.plugin, type.name, path);
  if (field) {
    return std::move(*field);
  }
  if (field.error().code == ErrorCode::kNotFound) {
    report_unknown(type, path, place, what, directory, reporter);
  } else {
    reporter.error(place, what + ": " + field.error().message);
  }
  return nullptr;
}

}  // namespace tenon::internal
