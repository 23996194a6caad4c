// Replaces one string of a FlatBuffer without decoding the rest.
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <limits>
#include <vector>

#include "base/text.hpp"
#include "schema/buffer_view.hpp"
#include "schema/schema_operations.hpp"

namespace tenon::internal {
namespace {

/// The largest alignment that a schema can ask for.
constexpr std::size_t kMaxAlignment = 256;
/// Offsets of a FlatBuffer are positive 32-bit numbers.
constexpr std::size_t kMaxBufferBytes = std::numeric_limits<std::int32_t>::max();

std::size_t aligned(std::size_t value, std::size_t alignment) {
  return (value + alignment - 1) / alignment * alignment;
}

template <typename T>
void put(Buffer& out, std::size_t at, T value) {
  flatbuffers::WriteScalar(out.data() + at, value);
}

/// A field in the new root table.
struct Slot {
  const FieldModel* field;
  const std::uint8_t* old;  ///< In the old table; null if the string was absent.
  std::size_t size;
  std::size_t alignment;
  bool is_offset;
};

std::vector<Slot> slots_of(const ObjectModel& root, const FieldModel& replaced, const SchemaModel& model,
                           const std::uint8_t* table) {
  std::vector<Slot> slots;
  for (const FieldModel& field : root.fields) {
    const std::uint8_t* const old = field_at(table, field);
    if (old == nullptr && &field != &replaced) {
      continue;
    }
    const std::size_t scalar = scalar_size_bytes(field.type.base);
    if (scalar > 0) {
      slots.push_back({&field, old, scalar, scalar, false});
    } else if (field.type.base == BaseType::kObject && model.object(field.type).is_struct) {
      slots.push_back(
          {&field, old, model.object(field.type).size_bytes, model.object(field.type).alignment_bytes, false});
    } else {
      slots.push_back({&field, old, sizeof(flatbuffers::uoffset_t), sizeof(flatbuffers::uoffset_t), true});
    }
  }
  std::stable_sort(slots.begin(), slots.end(), [](const Slot& a, const Slot& b) { return a.alignment > b.alignment; });
  return slots;
}

}  // namespace

// SUBTLE: offsets only point forwards. So the new root table is placed before the old buffer, to
// whose parts it refers, and the new string behind it. The old root table stays where it is, but
// nothing refers to it any more.
Result<Buffer> replace_string(const ObjectModel& root, const FieldModel& field, const SchemaModel& model,
                              BytesView buffer, std::string_view value) {
  const std::uint8_t* const old_table = follow(buffer.data());
  const std::vector<Slot> slots = slots_of(root, field, model, old_table);
  const std::size_t vtable = sizeof(flatbuffers::uoffset_t);
  const std::size_t vtable_size = 4 + 2 * (std::size_t{root.fields.back().id} + 1);
  std::size_t end = aligned(vtable + vtable_size, kMaxAlignment) + sizeof(flatbuffers::soffset_t);
  const std::size_t table = end - sizeof(flatbuffers::soffset_t);
  std::vector<std::size_t> places;
  for (const Slot& slot : slots) {
    end = aligned(end, slot.alignment);
    places.push_back(end);
    end += slot.size;
  }
  const std::size_t table_size = end - table;
  const std::size_t old_at = aligned(end, kMaxAlignment);
  const std::size_t string_at = aligned(old_at + buffer.size(), sizeof(flatbuffers::uoffset_t));
  const std::size_t size = string_at + sizeof(flatbuffers::uoffset_t) + value.size() + 1;
  if (size > kMaxBufferBytes || table_size > std::numeric_limits<flatbuffers::voffset_t>::max()) {
    return fail(ErrorCode::kTooLarge, "a table of " + format_size(buffer.size()) + " cannot be given another '" +
                                          field.name + "': it would be larger than a FlatBuffer may be");
  }
  Buffer out(size);
  put(out, 0, static_cast<flatbuffers::uoffset_t>(table));
  put(out, vtable, static_cast<flatbuffers::voffset_t>(vtable_size));
  put(out, vtable + 2, static_cast<flatbuffers::voffset_t>(table_size));
  put(out, table, static_cast<flatbuffers::soffset_t>(table - vtable));
  std::memcpy(out.data() + old_at, buffer.data(), buffer.size());
  put(out, string_at, static_cast<flatbuffers::uoffset_t>(value.size()));
  std::memcpy(out.data() + string_at + sizeof(flatbuffers::uoffset_t), value.data(), value.size());
  for (std::size_t i = 0; i < slots.size(); ++i) {
    const Slot& slot = slots[i];
    put(out, vtable + slot.field->offset, static_cast<flatbuffers::voffset_t>(places[i] - table));
    if (!slot.is_offset) {
      std::memcpy(out.data() + places[i], slot.old, slot.size);
      continue;
    }
    const std::size_t target =
        slot.field == &field ? string_at : old_at + static_cast<std::size_t>(follow(slot.old) - buffer.data());
    put(out, places[i], static_cast<flatbuffers::uoffset_t>(target - places[i]));
  }
  return out;
}

}  // namespace tenon::internal
