#include "pipeline/group_field.hpp"

#include <cstddef>
#include <utility>

namespace tenon::internal {
namespace {

constexpr std::string_view kKey = "@key";

class KeyField final : public ItemField {
 public:
  KeyField(FieldShape shape, std::size_t at) : shape_(std::move(shape)), at_(at) {}
  [[nodiscard]] const FieldShape& shape() const noexcept override { return shape_; }
  [[nodiscard]] bool read(const Item& item, FieldValue& value) const override {
    value = {};
    if (item.group && at_ < item.group->key->values.size()) {
      const KeyValue& key = item.group->key->values[at_];
      value = {key.present, key.integer, key.real, key.text};
    }
    return true;
  }

 private:
  FieldShape shape_;
  std::size_t at_;
};

/// The start or the end of a window, as text.
class WindowField final : public ItemField {
 public:
  explicit WindowField(const std::string ItemGroup::*text) : text_(text) {
    shape_.kind = FieldKind::kText;
    shape_.type = "string";
  }
  [[nodiscard]] const FieldShape& shape() const noexcept override { return shape_; }
  [[nodiscard]] bool read(const Item& item, FieldValue& value) const override {
    value = {};
    if (item.group) {
      value.present = true;
      value.text = (*item.group).*text_;
    }
    return true;
  }

 private:
  const std::string ItemGroup::*text_;
  FieldShape shape_;
};

class FinalField final : public ItemField {
 public:
  FinalField() {
    shape_.kind = FieldKind::kBool;
    shape_.type = "bool";
  }
  [[nodiscard]] const FieldShape& shape() const noexcept override { return shape_; }
  [[nodiscard]] bool read(const Item& item, FieldValue& value) const override {
    value = {};
    value.present = static_cast<bool>(item.group);
    value.integer = item.group && item.group->final ? 1 : 0;
    return true;
  }

 private:
  FieldShape shape_;
};

}  // namespace

ItemFieldPointer find_group_field(const GroupShape& shape, std::string_view name) {
  for (std::size_t i = 0; i < shape.keys.size(); ++i) {
    const bool only = shape.keys.size() == 1 && name == kKey;
    if (only || (name.starts_with(kKey) && name.substr(kKey.size()) == "." + shape.keys[i].name)) {
      FieldShape field = shape.keys[i].shape;
      field.always_present = false;  // Items of a test have no key.
      return std::make_shared<KeyField>(std::move(field), i);
    }
  }
  if (shape.windows && name == "@window_start") {
    return std::make_shared<WindowField>(&ItemGroup::start);
  }
  if (shape.windows && name == "@window_end") {
    return std::make_shared<WindowField>(&ItemGroup::end);
  }
  if (shape.windows && name == "@window_final") {
    return std::make_shared<FinalField>();
  }
  return nullptr;
}

std::vector<std::string> group_field_names(const GroupShape& shape) {
  std::vector<std::string> names;
  if (shape.keys.size() == 1) {
    names.emplace_back(kKey);
  }
  for (const GroupShape::Key& key : shape.keys) {
    names.push_back(std::string(kKey) + "." + key.name);
  }
  if (shape.windows) {
    names.insert(names.end(), {"@window_start", "@window_end", "@window_final"});
  }
  return names;
}

}  // namespace tenon::internal
