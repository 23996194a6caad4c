/// schema/type_comparison.hpp: the differences that prevent one schema from reading what another
/// has written. Pipeline edges and hot swaps use it. See DESIGN.md, "Readable by direction".
#pragma once

#include <cstdint>
#include <deque>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "schema/schema_model.hpp"

namespace tenon::internal {

/// One difference between what is written and what is read.
struct TypeBreak {
  enum class Kind : std::uint8_t {
    kName,           ///< Tables have different names.
    kAny,            ///< Any table where one table is expected.
    kForm,           ///< A table where a struct was, an enum where a union was ...
    kMoved,          ///< A field with another id.
    kRenamed,        ///< A field with the same id and another name.
    kRemoved,        ///< A field that is gone; only between versions.
    kReused,         ///< Another field has the id of a deprecated one.
    kRequired,       ///< Required, but may be absent.
    kType,           ///< Another type.
    kIntegerToEnum,  ///< Written as a number, read as an enum.
    kEnumToInteger,  ///< Written as an enum, read as a number.
    kNullable,       ///< An absent scalar is null on one side only.
    kDefault,        ///< Another default.
    kKey,            ///< Read as sorted by this field, but not written sorted.
    kUnderlying,     ///< An enum of another integer type.
    kFlags,          ///< Written as a set of flags, read as one value.
    kValueMoved,     ///< An enum value or union member with another number.
    kValueRenamed,   ///< The same number with another name.
    kValueRemoved,   ///< An enum value or member that is gone; only between versions.
    kMember,         ///< A union member of another type.
    kLayout,         ///< A struct of another layout.
  };

  Kind kind = Kind::kType;
  std::string place;     ///< "image.ThumbnailParams.edge".
  std::string written;   ///< What the writer has there, as in "uint16".
  std::string read;      ///< What the reader has there.
  std::string sentence;  ///< The whole difference for people, by direction.
};

/// Compares types of two schemas, by direction. Each pair of types is compared once in the life of
/// the object, however many others lead to it, so that the time of all comparisons is proportional
/// to the size of the schemas. Both models must outlive the object.
class TypeComparison {
 public:
  enum class Versions : std::uint8_t {
    kUnrelated,    ///< Two plugins that meet on an edge: fields that only one of them knows do not matter.
    kReaderIsNew,  ///< Two versions of one plugin: what is gone counts, since its id and name could come to mean
    kWriterIsNew,  ///< something else.
  };

  TypeComparison(const SchemaModel& writer, const SchemaModel& reader, Versions versions)
      : writer_(writer), reader_(reader), versions_(versions) {}

  /// Breaks between two tables and all types that they use, without those that an earlier call has
  /// returned.
  [[nodiscard]] std::vector<TypeBreak> compare(const ObjectModel& written, const ObjectModel& read);

 private:
  using FieldNames = std::unordered_map<std::string_view, const FieldModel*>;

  void compare_objects(const ObjectModel& written, const ObjectModel& read);
  void compare_tables(const ObjectModel& written, const ObjectModel& read);
  void compare_structs(const ObjectModel& written, const ObjectModel& read);
  void compare_fields(const FieldModel& source, const FieldModel& target, const ObjectModel& table);
  [[nodiscard]] bool takes_deprecated_place(const FieldModel& source, const FieldModel& target,
                                            const FieldNames& written_names, const FieldNames& read_names) const;
  void compare_deprecated(const FieldModel& source, const FieldModel& target, const std::string& place,
                          const std::string& where);
  void find_removed(const ObjectModel& written, const ObjectModel& read);
  void compare_enums(const EnumModel& written, const EnumModel& read);
  bool compare_types(const TypeRef& source, const TypeRef& target, TypeBreak::Kind kind, const std::string& place,
                     const std::string& where);
  void enqueue(const TypeRef& source, const TypeRef& target);
  void report(TypeBreak::Kind kind, std::string place, std::string written, std::string read, std::string sentence);

  const SchemaModel& writer_;
  const SchemaModel& reader_;
  const Versions versions_;
  /// Pairs that are still to be compared. A queue instead of recursion, because chains of types can
  /// have any length.
  std::deque<std::pair<const ObjectModel*, const ObjectModel*>> objects_;
  std::deque<std::pair<const EnumModel*, const EnumModel*>> enums_;
  std::set<std::pair<const void*, const void*>> seen_;
  std::unordered_set<std::string> told_;
  std::vector<TypeBreak> breaks_;
};

}  // namespace tenon::internal
