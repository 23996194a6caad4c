// Whether what one schema writes can be read by another. See DESIGN.md, "Readable by direction".
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "plugin/schema_operations.hpp"

namespace tenon::internal {
namespace {

class Comparison {
 public:
  Comparison(const SchemaModel& writer, const SchemaModel& reader) : writer_(writer), reader_(reader) {}

  Result<void> run(const ObjectModel& written, const ObjectModel& read) {
    compare_objects(written, read);
    if (breaks_.empty()) {
      return {};
    }
    std::string message = "what is written as " + written.name + " cannot be read as " + read.name + ": ";
    for (std::size_t i = 0; i < breaks_.size(); ++i) {
      message += (i == 0 ? "" : "; ") + breaks_[i];
    }
    return fail(ErrorCode::kIncompatible, std::move(message));
  }

 private:
  void report(std::string text) { breaks_.push_back(std::move(text)); }

  void compare_objects(const ObjectModel& written, const ObjectModel& read) {
    if (written.is_any || read.is_any || !seen_.emplace(&written, &read).second) {
      return;
    }
    if (written.name != read.name) {
      report("the types have different names");
      return;
    }
    if (written.is_struct || read.is_struct) {
      compare_structs(written, read);
      return;
    }
    for (const FieldModel& target : read.fields) {
      const FieldModel* source = nullptr;
      for (const FieldModel& candidate : written.fields) {
        if (candidate.id == target.id) {
          source = &candidate;
        }
      }
      const FieldModel* namesake = written.find_field(target.name);
      const std::string where = "field " + read.name + "." + target.name + " (id " + std::to_string(target.id) + ")";
      if (target.deprecated) {
        continue;  // The reader no longer looks at it.
      }
      if (namesake != nullptr && namesake->id != target.id && !namesake->deprecated) {
        report(where + " is written with id " + std::to_string(namesake->id));
      } else if (source != nullptr && source->name != target.name && !source->deprecated) {
        report(where + " is written as '" + source->name + "'");
      } else if (source == nullptr || source->deprecated) {
        if (target.required) {
          report(where + " is required, but never written");
        } else if (source != nullptr && source->type.base != target.type.base) {
          report(where + " takes the place of the deprecated field '" + source->name + "' of another type");
        }
      } else {
        compare_fields(*source, target, where);
      }
    }
  }

  void compare_fields(const FieldModel& source, const FieldModel& target, const std::string& where) {
    if (target.required && !source.required) {
      report(where + " is required, but may be absent where it is written");
    }
    if (!compare_types(source.type, target.type, where) || !is_scalar(source.type.base)) {
      return;
    }
    if (source.optional != target.optional) {
      report(where + (source.optional ? " may be null" : " is never null") + " where it is written, but " +
             (source.optional ? "is never null" : "may be null") + " where it is read");
    } else if (writer_.default_text(source) != reader_.default_text(target)) {
      // A field that has its default value is left out by the writer and filled in by the reader.
      report(where + " has the default " + writer_.default_text(source) + " where it is written and " +
             reader_.default_text(target) + " where it is read");
    }
  }

  /// False when the difference has been reported.
  bool compare_types(const TypeRef& source, const TypeRef& target, const std::string& where) {
    const std::string written = writer_.type_text(source);
    const std::string read = reader_.type_text(target);
    const bool container = source.base == BaseType::kVector || source.base == BaseType::kArray;
    const bool same_shape = source.base == target.base && source.element == target.element &&
                            source.fixed_length == target.fixed_length && (source.index < 0) == (target.index < 0);
    const BaseType kind = container ? source.element : source.base;
    const bool any =
        same_shape && kind == BaseType::kObject && (writer_.object(source).is_any || reader_.object(target).is_any);
    if (any) {
      return true;
    }
    if (!same_shape || written != read) {
      report(written == read ? where + ": " + read + " has another underlying type"
                             : where + " is written as " + written + " and read as " + read);
      return false;
    }
    if (source.index < 0) {
      return true;
    }
    if (kind == BaseType::kObject) {
      compare_objects(writer_.object(source), reader_.object(target));
    } else {
      compare_enums(writer_.enumeration(source), reader_.enumeration(target));
    }
    return true;
  }

  void compare_enums(const EnumModel& written, const EnumModel& read) {
    if (!seen_.emplace(&written, &read).second) {
      return;
    }
    const std::string where = (read.is_union ? "union " : "enum ") + read.name;
    if (written.is_union != read.is_union || written.underlying != read.underlying) {
      report(where + " has another underlying type");
      return;
    }
    for (const EnumValueModel& target : read.values) {
      const EnumValueModel* namesake = written.find_name(target.name);
      const EnumValueModel* source = written.find_value(target.value);
      if (namesake != nullptr && namesake->value != target.value) {
        report(where + ": " + target.name + " is written as " + std::to_string(namesake->value) + " and read as " +
               std::to_string(target.value));
      } else if (source != nullptr && source->name != target.name) {
        report(where + ": the number " + std::to_string(target.value) + " is written for " + source->name +
               " and read as " + target.name);
      } else if (source != nullptr && read.is_union && target.type.base != BaseType::kNone) {
        compare_types(source->type, target.type, where + ": " + target.name);
      }
    }
  }

  void compare_structs(const ObjectModel& written, const ObjectModel& read) {
    bool same = written.is_struct && read.is_struct && written.size_bytes == read.size_bytes &&
                written.alignment_bytes == read.alignment_bytes && written.fields.size() == read.fields.size();
    for (std::size_t i = 0; same && i < written.fields.size(); ++i) {
      same = written.fields[i].name == read.fields[i].name && written.fields[i].offset == read.fields[i].offset;
    }
    if (!same) {
      report("struct " + read.name + " has another layout; a struct can never change");
      return;
    }
    for (std::size_t i = 0; i < written.fields.size(); ++i) {
      compare_types(written.fields[i].type, read.fields[i].type, "field " + read.name + "." + read.fields[i].name);
    }
  }

  const SchemaModel& writer_;
  const SchemaModel& reader_;
  std::vector<std::string> breaks_;
  std::set<std::pair<const void*, const void*>> seen_;
};

}  // namespace

Result<void> check_readable(const SchemaModel& writer, const ObjectModel& writer_root, const SchemaModel& reader,
                            const ObjectModel& reader_root) {
  return Comparison(writer, reader).run(writer_root, reader_root);
}

}  // namespace tenon::internal
