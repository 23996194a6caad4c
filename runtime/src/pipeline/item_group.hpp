/// pipeline/item_group.hpp: the group whose result an item is, and what is known of it before a run.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <tenon/internal/shared_object.hpp>

#include "schema/field_path.hpp"

namespace tenon::internal {

/// The value of one field of a key, with a text of its own.
struct KeyValue {
  bool present = false;
  std::int64_t integer = 0;  ///< As in FieldValue, like `real`.
  double real = 0;
  std::string text;
};

/// The values of the fields of `by`, in its order. Immutable; [any-thread].
struct GroupKey final : SharedObject {
  explicit GroupKey(std::vector<KeyValue> key_values) : values(std::move(key_values)) {}
  const std::vector<KeyValue> values;
};

/// What the result of a group carries besides its fields: `@key`, `@window_start` and so on. It
/// stays with the item until a task takes it, and with the result of a map. Immutable; [any-thread].
struct ItemGroup final : SharedObject {
  ItemGroup(Shared<const GroupKey> group_key, std::string window_start, std::string window_end, bool is_final)
      : key(std::move(group_key)), start(std::move(window_start)), end(std::move(window_end)), final(is_final) {}
  const Shared<const GroupKey> key;
  const std::string start;  ///< As time_text writes it; empty without a window, like `end`.
  const std::string end;
  const bool final;  ///< False for a result that was given before the window ended.
};

/// The types of what ItemGroup holds: part of the type of an edge. Immutable; [any-thread].
struct GroupShape {
  struct Key {
    std::string name;  ///< As in `by`.
    FieldShape shape;
  };
  std::vector<Key> keys;
  bool windows = false;

  /// Whether the items of both have the same values of the same types.
  [[nodiscard]] bool agrees(const GroupShape& other) const noexcept {
    if (windows != other.windows || keys.size() != other.keys.size()) {
      return false;
    }
    for (std::size_t i = 0; i < keys.size(); ++i) {
      const FieldShape& mine = keys[i].shape;
      const FieldShape& theirs = other.keys[i].shape;
      if (keys[i].name != other.keys[i].name || mine.kind != theirs.kind || mine.type != theirs.type) {
        return false;
      }
    }
    return true;
  }
};

}  // namespace tenon::internal
