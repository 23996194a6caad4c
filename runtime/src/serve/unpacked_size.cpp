#include "serve/unpacked_size.hpp"

namespace tenon::internal {
namespace {

using flatbuffers::ElementaryType;
using flatbuffers::TypeTable;

// The length of a string or vector, or the vtable offset of a table. The offset that refers to an
// object is counted in a vector, but not in a table, so that no legitimate message unpacks to more
// than its bytes.
constexpr std::size_t kHeaderBytes = 4;

std::size_t element_bytes(ElementaryType type) noexcept {
  switch (type) {
    case flatbuffers::ET_UTYPE:
    case flatbuffers::ET_BOOL:
    case flatbuffers::ET_CHAR:
    case flatbuffers::ET_UCHAR:
      return 1;
    case flatbuffers::ET_SHORT:
    case flatbuffers::ET_USHORT:
      return 2;
    case flatbuffers::ET_LONG:
    case flatbuffers::ET_ULONG:
    case flatbuffers::ET_DOUBLE:
      return 8;
    default:
      return 4;
  }
}

class Meter {
 public:
  explicit Meter(std::size_t limit_bytes) : left_(limit_bytes) {}

  bool table(const std::uint8_t* at, const TypeTable& type) {
    if (!spend(kHeaderBytes)) {
      return false;
    }
    const auto* table = reinterpret_cast<const flatbuffers::Table*>(at);
    std::uint8_t union_type = 0;  // The field with the type comes before the field of the union.
    for (std::size_t i = 0; i < type.num_elems; ++i) {
      const flatbuffers::TypeCode code = type.type_codes[i];
      const auto base = static_cast<ElementaryType>(code.base_type);
      const std::uint8_t* const value =
          table->GetAddressOf(flatbuffers::FieldIndexToOffset(static_cast<flatbuffers::voffset_t>(i)));
      if (base == flatbuffers::ET_UTYPE) {
        union_type = value == nullptr ? 0 : *value;
      }
      if (value == nullptr) {
        continue;
      }
      const TypeTable* const reference = code.sequence_ref >= 0 ? type.type_refs[code.sequence_ref]() : nullptr;
      if (!(code.is_repeating != 0 ? vector(follow(value), base, reference)
                                   : field(value, base, reference, union_type))) {
        return false;
      }
    }
    return true;
  }

 private:
  static const std::uint8_t* follow(const std::uint8_t* at) {
    return at + flatbuffers::ReadScalar<flatbuffers::uoffset_t>(at);
  }

  bool spend(std::size_t bytes) {
    if (bytes > left_) {
      return false;
    }
    left_ -= bytes;
    return true;
  }

  bool field(const std::uint8_t* at, ElementaryType base, const TypeTable* reference, std::uint8_t union_type) {
    if (base == flatbuffers::ET_STRING) {
      return spend(kHeaderBytes + flatbuffers::ReadScalar<flatbuffers::uoffset_t>(follow(at)));
    }
    if (base != flatbuffers::ET_SEQUENCE || reference == nullptr) {
      return true;
    }
    if (reference->st == flatbuffers::ST_TABLE) {
      return table(follow(at), *reference);
    }
    if (reference->st == flatbuffers::ST_UNION && union_type < reference->num_elems) {
      const flatbuffers::TypeCode member = reference->type_codes[union_type];
      return member.sequence_ref < 0 || table(follow(at), *reference->type_refs[member.sequence_ref]());
    }
    return true;  // A member of a later protocol is not unpacked.
  }

  bool vector(const std::uint8_t* at, ElementaryType base, const TypeTable* reference) {
    const std::size_t count = flatbuffers::ReadScalar<flatbuffers::uoffset_t>(at);
    if (!spend(kHeaderBytes) || !spend(count * element_bytes(base))) {
      return false;
    }
    if (base != flatbuffers::ET_STRING && base != flatbuffers::ET_SEQUENCE) {
      return true;
    }
    for (std::size_t i = 0; i < count; ++i) {
      if (!field(at + 4 + 4 * i, base, reference, 0)) {
        return false;
      }
    }
    return true;
  }

  std::size_t left_;
};

}  // namespace

bool unpacks_within(const std::uint8_t* table, const flatbuffers::TypeTable& type, std::size_t limit_bytes) {
  return Meter(limit_bytes).table(table, type);
}

}  // namespace tenon::internal
