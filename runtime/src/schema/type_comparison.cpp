#include "schema/type_comparison.hpp"

#include <algorithm>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "base/text.hpp"

namespace tenon::internal {
namespace {

using Kind = TypeBreak::Kind;

constexpr std::string_view kAbsent = "absent";

/// A lookup by name, for tables and enums of any size.
template <typename T>
using NameIndex = std::unordered_map<std::string_view, const T*>;

template <typename T>
NameIndex<T> index_names(const std::vector<T>& entries) {
  NameIndex<T> index;
  index.reserve(entries.size());
  for (const T& entry : entries) {
    index.emplace(entry.name, &entry);
  }
  return index;
}

template <typename T>
const T* find(const NameIndex<T>& index, std::string_view name) {
  const auto found = index.find(name);
  return found == index.end() ? nullptr : found->second;
}

const FieldModel* find_id(const ObjectModel& table, std::uint16_t id) {
  const auto found = std::lower_bound(table.fields.begin(), table.fields.end(), id,
                                      [](const FieldModel& field, std::uint16_t wanted) { return field.id < wanted; });
  return found == table.fields.end() || found->id != id ? nullptr : &*found;
}

/// The field that flatc puts before a union; it says which member the union is.
bool is_hidden(const FieldModel& field) {
  return field.type.base == BaseType::kUType || field.type.element == BaseType::kUType;
}

bool is_container(const TypeRef& type) {
  return type.base == BaseType::kVector || type.base == BaseType::kArray;
}

/// The element type of a container, otherwise the type itself.
BaseType item_of(const TypeRef& type) {
  return is_container(type) ? type.element : type.base;
}

std::string place_of(const ObjectModel& object, std::string_view field) {
  return object.name + '.' + std::string(field);
}

std::string where_of(const ObjectModel& table, const FieldModel& field) {
  return "field " + place_of(table, field.name) + " (id " + std::to_string(field.id) + ")";
}

std::string id_text(const FieldModel& field) {
  return "id " + std::to_string(field.id);
}

/// What a name stands for, if two schemas only agree on the name.
std::string form_of(const SchemaModel& model, const TypeRef& type) {
  const BaseType item = item_of(type);
  if (type.index < 0) {
    return model.type_text(type);
  }
  if (item == BaseType::kObject) {
    return model.object(type).is_struct ? "a struct" : "a table";
  }
  if (item == BaseType::kUnion || item == BaseType::kUType) {
    return "a union";
  }
  return "an enum of " + model.type_text({item, BaseType::kNone, -1, 0});
}

std::string bytes_text(const ObjectModel& object) {
  return std::to_string(object.size_bytes) + " bytes, aligned to " + std::to_string(object.alignment_bytes);
}

}  // namespace

std::vector<TypeBreak> TypeComparison::compare(const ObjectModel& written, const ObjectModel& read) {
  breaks_.clear();
  if (written.is_any || read.is_any) {
    if (written.is_any && !read.is_any && versions_ != Versions::kUnrelated) {
      report(Kind::kAny, read.name, written.name, read.name,
             "any table may be written, but " + read.name + " alone can be read");
    }
  } else if (written.name != read.name) {
    report(Kind::kName, read.name, written.name, read.name, "the types have different names");
  } else if (seen_.emplace(&written, &read).second) {
    objects_.emplace_back(&written, &read);
  }
  while (!objects_.empty() || !enums_.empty()) {
    if (!objects_.empty()) {
      const auto [from, to] = objects_.front();
      objects_.pop_front();
      compare_objects(*from, *to);
    } else {
      const auto [from, to] = enums_.front();
      enums_.pop_front();
      compare_enums(*from, *to);
    }
  }
  return std::exchange(breaks_, {});
}

void TypeComparison::report(Kind kind, std::string place, std::string written, std::string read, std::string sentence) {
  // Several fields can lead to the same break in a type that they share.
  if (told_.insert(std::to_string(static_cast<int>(kind)) + place + '\n' + written + '\n' + read).second) {
    breaks_.push_back({kind, printable(place), printable(written), printable(read), printable(sentence, 1000)});
  }
}

void TypeComparison::compare_objects(const ObjectModel& written, const ObjectModel& read) {
  if (written.is_struct != read.is_struct) {
    const auto form = [](const ObjectModel& object) { return object.is_struct ? "a struct" : "a table"; };
    report(Kind::kForm, read.name, form(written), form(read),
           read.name + " is written as " + form(written) + " and read as " + form(read));
  } else if (written.is_struct) {
    compare_structs(written, read);
  } else {
    compare_tables(written, read);
  }
}

/// Whether a field of the new version has the id of a deprecated field of the old one: even older
/// callers may still write that field.
bool TypeComparison::takes_deprecated_place(const FieldModel& source, const FieldModel& target,
                                            const FieldNames& written_names, const FieldNames& read_names) const {
  if (versions_ == Versions::kUnrelated) {
    return false;
  }
  const bool reader_is_new = versions_ == Versions::kReaderIsNew;
  const FieldModel& before = reader_is_new ? source : target;
  const FieldModel& after = reader_is_new ? target : source;
  return before.deprecated && !after.deprecated && before.name != after.name &&
         find(reader_is_new ? written_names : read_names, after.name) == nullptr;
}

void TypeComparison::compare_tables(const ObjectModel& written, const ObjectModel& read) {
  const bool versions = versions_ != Versions::kUnrelated;
  const auto written_names = index_names(written.fields);
  const auto read_names = index_names(read.fields);
  for (const FieldModel& target : read.fields) {
    const FieldModel* source = find_id(written, target.id);
    const FieldModel* namesake = find(written_names, target.name);
    if (is_hidden(target) && (source == nullptr || is_hidden(*source))) {
      continue;  // Reported with its union, which follows.
    }
    const std::string place = place_of(read, target.name);
    const std::string where = where_of(read, target);
    if (source != nullptr && takes_deprecated_place(*source, target, written_names, read_names)) {
      report(Kind::kReused, place_of(read, versions_ == Versions::kReaderIsNew ? target.name : source->name),
             "'" + source->name + (source->deprecated ? "' (deprecated)" : "'"),
             "'" + target.name + (target.deprecated ? "' (deprecated)" : "'"),
             where + " takes the place of the deprecated field '" + (source->deprecated ? source->name : target.name) +
                 "'");
    } else if (target.deprecated) {
      // The reader does not read it any more, but still verifies it.
      if (source != nullptr && (versions || !source->deprecated)) {
        compare_types(source->type, target.type, Kind::kType, place, where);
      }
    } else if (namesake != nullptr && namesake->id != target.id && !namesake->deprecated) {
      report(Kind::kMoved, place, id_text(*namesake), id_text(target),
             where + " is written with id " + std::to_string(namesake->id));
    } else if (source != nullptr && source->name != target.name && !source->deprecated) {
      const FieldModel* moved = find(read_names, source->name);
      if (moved == nullptr || moved->deprecated) {  // Otherwise, its new location is reported.
        report(Kind::kRenamed, place_of(read, versions_ == Versions::kWriterIsNew ? target.name : source->name),
               "'" + source->name + "'", "'" + target.name + "'", where + " is written as '" + source->name + "'");
      }
    } else if (source == nullptr || source->deprecated) {
      if (target.required && !(source == nullptr && versions_ == Versions::kWriterIsNew)) {
        report(Kind::kRequired, place, source == nullptr ? std::string(kAbsent) : "deprecated", "required",
               where + " is required, but never written");
      } else if (source != nullptr) {
        compare_deprecated(*source, target, place, where);
      }
    } else {
      compare_fields(*source, target, read);
    }
  }
  if (versions) {
    find_removed(written, read);
  }
}

/// The writer does not write the field any more, but data of older writers may still exist.
void TypeComparison::compare_deprecated(const FieldModel& source, const FieldModel& target, const std::string& place,
                                        const std::string& where) {
  const std::string written = writer_.type_text(source.type);
  const std::string read = reader_.type_text(target.type);
  if (written == read) {
    return;
  }
  const bool same_name = source.name == target.name;
  report(same_name ? Kind::kType : Kind::kReused, place, same_name ? written : "'" + source.name + "': " + written,
         same_name ? read : "'" + target.name + "': " + read,
         where + " takes the place of the deprecated field '" + source.name + "' of another type");
}

void TypeComparison::find_removed(const ObjectModel& written, const ObjectModel& read) {
  const bool reader_is_new = versions_ == Versions::kReaderIsNew;
  const ObjectModel& before = reader_is_new ? written : read;
  const ObjectModel& after = reader_is_new ? read : written;
  const SchemaModel& schema = reader_is_new ? writer_ : reader_;
  const auto names_before = index_names(before.fields);
  const auto names_after = index_names(after.fields);
  for (const FieldModel& field : before.fields) {
    const FieldModel* namesake = find(names_after, field.name);
    const bool lives_on =
        namesake != nullptr && (namesake->id == field.id || (!namesake->deprecated && !field.deprecated));
    if (is_hidden(field) || lives_on) {
      continue;
    }
    // Its id may now belong to another old field that has moved, or to a new one: then it was
    // renamed or its id was reused, which is already reported.
    const FieldModel* heir = find_id(after, field.id);
    if (heir != nullptr && find(names_before, heir->name) == nullptr) {
      continue;
    }
    const std::string was = schema.type_text(field.type) + (field.deprecated ? " (deprecated)" : "");
    const std::string gone(kAbsent);
    report(Kind::kRemoved, place_of(before, field.name), reader_is_new ? was : gone, reader_is_new ? gone : was,
           where_of(before, field) + " is gone");
  }
}

void TypeComparison::compare_fields(const FieldModel& source, const FieldModel& target, const ObjectModel& table) {
  const std::string place = place_of(table, target.name);
  const std::string where = where_of(table, target);
  if (target.required && !source.required) {
    report(Kind::kRequired, place, "optional", "required",
           where + " is required, but may be absent where it is written");
  }
  if (target.key && !source.key) {
    report(Kind::kKey, place, "no key", "key",
           where + " is a key where it is read, but vectors are not sorted by it where they are written");
  }
  if (!compare_types(source.type, target.type, Kind::kType, place, where) || !is_scalar(source.type.base)) {
    return;
  }
  const std::string written = writer_.default_text(source);
  const std::string read = reader_.default_text(target);
  if (source.optional != target.optional) {
    report(Kind::kNullable, place, "default " + written, "default " + read,
           where + (source.optional ? " may be null" : " is never null") + " where it is written, but " +
               (source.optional ? "is never null" : "may be null") + " where it is read");
    return;
  }
  // By number: a renamed enum value is reported as renamed.
  const bool same = source.optional ||
                    (is_float(source.type.base) ? written == read : source.default_integer == target.default_integer);
  if (!same) {
    // A field that has its default value is left out by the writer and filled in by the reader.
    report(Kind::kDefault, place, "default " + written, "default " + read,
           where + " has the default " + written + " where it is written and " + read + " where it is read");
  }
}

/// False if the types themselves differ, which has been reported; their contents are compared
/// later.
bool TypeComparison::compare_types(const TypeRef& source, const TypeRef& target, Kind kind, const std::string& place,
                                   const std::string& where) {
  const BaseType written_item = item_of(source);
  const BaseType read_item = item_of(target);
  const bool same_container =
      is_container(source) == is_container(target) &&
      (!is_container(source) || (source.base == target.base && source.fixed_length == target.fixed_length));
  if (same_container && written_item == BaseType::kObject && read_item == BaseType::kObject) {
    const bool any_written = writer_.object(source).is_any;
    const bool any_read = reader_.object(target).is_any;
    if (any_read || (any_written && versions_ == Versions::kUnrelated)) {
      return true;
    }
  }
  const std::string written = writer_.type_text(source);
  const std::string read = reader_.type_text(target);
  if (written != read) {
    const bool integers = same_container && is_integer(written_item) && is_integer(read_item);
    if (integers && (source.index < 0) != (target.index < 0)) {
      kind = source.index < 0 ? Kind::kIntegerToEnum : Kind::kEnumToInteger;
    }
    report(kind, place, written, read, where + " is written as " + written + " and read as " + read);
    return false;
  }
  if (written_item != read_item || (source.index < 0) != (target.index < 0)) {
    const bool enums = is_integer(written_item) && is_integer(read_item);
    const std::string name = source.index < 0 || target.index < 0 ? place
                             : written_item == BaseType::kObject  ? writer_.object(source).name
                                                                  : writer_.enumeration(source).name;
    report(enums ? Kind::kUnderlying : Kind::kForm, name, form_of(writer_, source), form_of(reader_, target),
           where + ": " + name +
               (enums ? std::string(" has another underlying type")
                      : " is written as " + form_of(writer_, source) + " and read as " + form_of(reader_, target)));
    return false;
  }
  enqueue(source, target);
  return true;
}

void TypeComparison::enqueue(const TypeRef& source, const TypeRef& target) {
  if (source.index < 0) {
    return;
  }
  if (item_of(source) == BaseType::kObject) {
    const ObjectModel* written = &writer_.object(source);
    const ObjectModel* read = &reader_.object(target);
    if (seen_.emplace(written, read).second) {
      objects_.emplace_back(written, read);
    }
    return;
  }
  const EnumModel* written = &writer_.enumeration(source);
  const EnumModel* read = &reader_.enumeration(target);
  if (seen_.emplace(written, read).second) {
    enums_.emplace_back(written, read);
  }
}

void TypeComparison::compare_enums(const EnumModel& written, const EnumModel& read) {
  const std::string where = (read.is_union ? "union " : "enum ") + read.name;
  if (written.is_union != read.is_union || written.underlying != read.underlying) {
    const auto form = [](const SchemaModel& model, const EnumModel& one) {
      return one.is_union ? "a union" : "an enum of " + model.type_text({one.underlying, BaseType::kNone, -1, 0});
    };
    report(written.is_union != read.is_union ? Kind::kForm : Kind::kUnderlying, read.name, form(writer_, written),
           form(reader_, read), where + " has another underlying type");
    return;
  }
  if (written.bit_flags && !read.bit_flags) {
    report(Kind::kFlags, read.name, "bit_flags", "one value",
           where + " is written as a set of flags and read as one value");
  }
  const auto written_names = index_names(written.values);
  const auto read_names = index_names(read.values);
  for (const EnumValueModel& target : read.values) {
    const EnumValueModel* namesake = find(written_names, target.name);
    const EnumValueModel* source = written.find_value(target.value);
    const std::string place = read.name + '.' + target.name;
    if (namesake != nullptr && namesake->value != target.value) {
      report(Kind::kValueMoved, place, std::to_string(namesake->value), std::to_string(target.value),
             where + ": " + target.name + " is written as " + std::to_string(namesake->value) + " and read as " +
                 std::to_string(target.value));
    } else if (namesake == nullptr && source != nullptr) {
      if (find(read_names, source->name) == nullptr || versions_ == Versions::kUnrelated) {
        const std::string& old_name = versions_ == Versions::kWriterIsNew ? target.name : source->name;
        report(Kind::kValueRenamed, read.name + '.' + old_name, "'" + source->name + "'", "'" + target.name + "'",
               where + ": the number " + std::to_string(target.value) + " is written for " + source->name +
                   " and read as " + target.name);
      }
    } else if (namesake != nullptr && read.is_union) {
      compare_types(namesake->type, target.type, Kind::kMember, place, where + ": " + target.name);
    }
  }
  if (versions_ == Versions::kUnrelated) {
    return;
  }
  const bool reader_is_new = versions_ == Versions::kReaderIsNew;
  const EnumModel& before = reader_is_new ? written : read;
  const EnumModel& after = reader_is_new ? read : written;
  for (const EnumValueModel& value : before.values) {
    if (find(reader_is_new ? read_names : written_names, value.name) != nullptr) {
      continue;
    }
    const EnumValueModel* heir = after.find_value(value.value);
    if (heir != nullptr && find(reader_is_new ? written_names : read_names, heir->name) == nullptr) {
      continue;  // Renamed, which is already reported.
    }
    const std::string number = std::to_string(value.value);
    const std::string gone(kAbsent);
    report(Kind::kValueRemoved, before.name + '.' + value.name, reader_is_new ? number : gone,
           reader_is_new ? gone : number, where + ": " + value.name + " is gone");
  }
}

void TypeComparison::compare_structs(const ObjectModel& written, const ObjectModel& read) {
  const std::size_t before = breaks_.size();
  const auto text_of = [](const SchemaModel& model, const FieldModel& field) {
    return model.type_text(field.type) + " at byte " + std::to_string(field.offset);
  };
  const auto differs = [&](const std::string& part, const std::string& is_written, const std::string& is_read) {
    report(Kind::kLayout, part.empty() ? read.name : place_of(read, part), is_written, is_read,
           "struct " + read.name + " has another layout (" + (part.empty() ? part : part + ": ") + is_written +
               " where it is written, " + is_read + " where it is read); a struct can never change");
  };
  const auto written_names = index_names(written.fields);
  const auto read_names = index_names(read.fields);
  for (const FieldModel& source : written.fields) {
    if (find(read_names, source.name) == nullptr) {
      differs(source.name, text_of(writer_, source), std::string(kAbsent));
    }
  }
  for (const FieldModel& target : read.fields) {
    const FieldModel* source = find(written_names, target.name);
    if (source == nullptr) {
      differs(target.name, std::string(kAbsent), text_of(reader_, target));
    } else if (source->offset != target.offset) {
      differs(target.name, text_of(writer_, *source), text_of(reader_, target));
    } else {
      compare_types(source->type, target.type, Kind::kLayout, place_of(read, target.name), where_of(read, target));
      if (target.key && !source->key) {
        report(Kind::kKey, place_of(read, target.name), "no key", "key",
               where_of(read, target) + " is a key where it is read, but not where it is written");
      }
    }
  }
  if (breaks_.size() == before &&
      (written.size_bytes != read.size_bytes || written.alignment_bytes != read.alignment_bytes)) {
    differs({}, bytes_text(written), bytes_text(read));
  }
}

}  // namespace tenon::internal
