// A verified FlatBuffer to JSON by a schema that is known only at run time.
#include <string>

#include <sodium.h>

#include "base/text.hpp"
#include "schema/buffer_view.hpp"
#include "schema/json_text.hpp"
#include "schema/schema_operations.hpp"

namespace tenon::internal {
namespace {

class Writer {
 public:
  Writer(const SchemaModel& model, const JsonOptions& options) : model_(model), options_(options) {}

  Result<std::string> write(const ObjectModel& root, BytesView buffer) {
    write_table(root, follow(buffer.data()));
    if (full()) {
      return fail(ErrorCode::kTooLarge, "as JSON, this " + root.name + " of " + format_size(buffer.size()) +
                                            " would have more than " + format_size(options_.max_bytes) +
                                            ", which is the limit (JsonOptions::max_bytes)");
    }
    return std::move(out_);
  }

 private:
  /// An object or array that is being written: commas, line breaks, indentation.
  class Scope {
   public:
    Scope(Writer& writer, char open, char close) : writer_(writer), close_(close) {
      writer_.out_ += open;
      ++writer_.depth_;
    }
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;
    ~Scope() {
      --writer_.depth_;
      if (!empty_) {
        writer_.new_line();
      }
      writer_.out_ += close_;
    }
    void next() {
      if (!empty_) {
        writer_.out_ += writer_.options_.indent < 0 ? ", " : ",";
      }
      empty_ = false;
      writer_.new_line();
    }
    void next(const std::string& key) {
      next();
      append_json_string(writer_.out_, key);
      writer_.out_ += ": ";
    }

   private:
    Writer& writer_;
    char close_;
    bool empty_ = true;
  };

  /// All functions return soon after the text is too large.
  [[nodiscard]] bool full() const noexcept { return too_large_ || out_.size() > options_.max_bytes; }

  void write_string(std::string_view bytes) { append_json_string(out_, bytes, options_.max_bytes); }

  void new_line() {
    if (options_.indent >= 0) {
      out_ += '\n';
      out_.append(static_cast<std::size_t>(depth_ * options_.indent), ' ');
    }
  }

  void write_table(const ObjectModel& object, const std::uint8_t* table) {
    Scope scope(*this, '{', '}');
    if (object.is_any) {
      return;  // Its fields are not known here.
    }
    for (std::size_t i = 0; i < object.fields.size() && !full(); ++i) {
      const FieldModel& field = object.fields[i];
      if (field.deprecated) {
        continue;
      }
      const std::uint8_t* at = field_at(table, field);
      if (field.type.base == BaseType::kUnion || field.type.element == BaseType::kUnion) {
        write_union(scope, field, at, field_at(table, object.fields[i - 1]));
      } else if (field.type.base == BaseType::kUType || (field.type.element == BaseType::kUType)) {
        continue;  // It is written with its union, which follows.
      } else if (at != nullptr) {
        scope.next(field.name);
        write_value(field.type, at);
      } else if (options_.defaults && is_scalar(field.type.base)) {
        scope.next(field.name);
        write_default(field);
      }
    }
  }

  void write_default(const FieldModel& field) {
    const std::string text = model_.default_text(field);
    const bool is_name = field.type.index >= 0 && !field.optional &&
                         model_.enumeration(field.type).find_value(field.default_integer) != nullptr;
    if (is_name) {
      append_json_string(out_, text);
    } else {
      out_ += text;
    }
  }

  void write_union(Scope& scope, const FieldModel& field, const std::uint8_t* at, const std::uint8_t* tag_at) {
    if (at == nullptr || tag_at == nullptr) {
      return;
    }
    const EnumModel& members = model_.enumeration(field.type);
    if (field.type.base == BaseType::kUnion) {
      const EnumValueModel* member = members.find_value(*tag_at);
      if (member != nullptr && member->type.base != BaseType::kNone) {
        scope.next(field.name + "_type");
        append_json_string(out_, member->name);
        scope.next(field.name);
        write_member(*member, follow(at));
      }
      return;
    }
    const std::uint8_t* tags = follow(tag_at);
    const std::uint8_t* values = follow(at);
    scope.next(field.name + "_type");
    {
      Scope list(*this, '[', ']');
      for (std::uint32_t i = 0; i < vector_length(tags) && !full(); ++i) {
        const EnumValueModel* member = members.find_value(tags[4 + i]);
        list.next();
        append_json_string(out_, member == nullptr ? std::to_string(tags[4 + i]) : member->name);
      }
    }
    scope.next(field.name);
    Scope list(*this, '[', ']');
    for (std::uint32_t i = 0; i < vector_length(values) && !full(); ++i) {
      const EnumValueModel* member = members.find_value(tags[4 + i]);
      list.next();
      if (member == nullptr || member->type.base == BaseType::kNone) {
        out_ += "null";
      } else {
        write_member(*member, follow(values + 4 + 4 * std::size_t{i}));
      }
    }
  }

  void write_member(const EnumValueModel& member, const std::uint8_t* at) {
    if (member.type.base == BaseType::kString) {
      write_string(string_at(at));
      return;
    }
    const ObjectModel& object = model_.object(member.type);
    if (object.is_struct) {
      write_struct(object, at);
    } else {
      write_table(object, at);
    }
  }

  void write_struct(const ObjectModel& object, const std::uint8_t* at) {
    Scope scope(*this, '{', '}');
    for (const FieldModel& field : object.fields) {
      scope.next(field.name);
      if (field.type.base == BaseType::kArray) {
        write_elements(field.type.element_type(), at + field.offset, field.type.fixed_length);
      } else {
        write_value(field.type, at + field.offset);
      }
    }
  }

  /// `at` is the location of the value itself, or of the offset to it.
  void write_value(const TypeRef& type, const std::uint8_t* at) {
    if (is_scalar(type.base)) {
      write_scalar(type, at);
    } else if (type.base == BaseType::kString) {
      write_string(string_at(follow(at)));
    } else if (type.base == BaseType::kObject) {
      const ObjectModel& object = model_.object(type);
      if (object.is_struct) {
        write_struct(object, at);
      } else {
        write_table(object, follow(at));
      }
    } else if (type.is_bytes()) {
      write_base64(string_at(follow(at)));
    } else {
      const std::uint8_t* vector = follow(at);
      write_elements(type.element_type(), vector + 4, vector_length(vector));
    }
  }

  void write_elements(const TypeRef& item, const std::uint8_t* at, std::uint32_t count) {
    const bool is_struct = item.base == BaseType::kObject && model_.object(item).is_struct;
    const std::size_t stride = is_scalar(item.base) ? scalar_size_bytes(item.base)
                               : is_struct          ? model_.object(item).size_bytes
                                                    : 4;
    Scope scope(*this, '[', ']');
    for (std::uint32_t i = 0; i < count && !full(); ++i) {
      scope.next();
      write_value(item, at + i * stride);
    }
  }

  void write_scalar(const TypeRef& type, const std::uint8_t* at) {
    if (is_float(type.base)) {
      out_ += number_text(real_at(type.base, at), type.base == BaseType::kFloat);
      return;
    }
    const std::int64_t value = integer_at(type.base, at);
    const bool is_name = type.index >= 0 &&
                         (model_.enumeration(type).find_value(value) != nullptr || model_.enumeration(type).bit_flags);
    const std::string text = scalar_text(model_, type, at);
    // Flags without any name are written as a number.
    if (is_name && (text.empty() || text.find_first_not_of("-0123456789") != std::string::npos)) {
      append_json_string(out_, text);
    } else {
      out_ += text;
    }
  }

  void write_base64(std::string_view bytes) {
    if (out_.size() + bytes.size() > options_.max_bytes) {
      too_large_ = true;  // Detected before memory is allocated for it.
      return;
    }
    std::string text(sodium_base64_encoded_len(bytes.size(), sodium_base64_VARIANT_ORIGINAL), '\0');
    sodium_bin2base64(text.data(), text.size(), reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(),
                      sodium_base64_VARIANT_ORIGINAL);
    text.pop_back();  // The terminating zero.
    ((out_ += '"') += text) += '"';
  }

  const SchemaModel& model_;
  const JsonOptions& options_;
  std::string out_;
  int depth_ = 0;
  bool too_large_ = false;
};

}  // namespace

std::string scalar_text(const SchemaModel& model, const TypeRef& type, const std::uint8_t* at) {
  if (is_float(type.base)) {
    std::string text = number_text(real_at(type.base, at), type.base == BaseType::kFloat);
    return text.front() == '"' ? text.substr(1, text.size() - 2) : text;
  }
  const std::int64_t value = integer_at(type.base, at);
  if (type.index >= 0) {
    const EnumModel& enumeration = model.enumeration(type);
    if (const EnumValueModel* found = enumeration.find_value(value)) {
      return found->name;
    }
    if (enumeration.bit_flags) {
      std::string names;
      std::int64_t rest = value;
      for (const EnumValueModel& flag : enumeration.values) {
        if (flag.value != 0 && (rest & flag.value) == flag.value) {
          names += (names.empty() ? "" : " ") + flag.name;
          rest &= ~flag.value;
        }
      }
      if (rest == 0) {
        return names;
      }
    }
  } else if (type.base == BaseType::kBool) {
    return value != 0 ? "true" : "false";
  }
  return type.base == BaseType::kULong ? std::to_string(static_cast<std::uint64_t>(value)) : std::to_string(value);
}

Result<std::string> write_json(const SchemaModel& model, const ObjectModel& root, BytesView buffer,
                               const JsonOptions& options) {
  return Writer(model, options).write(root, buffer);
}

}  // namespace tenon::internal
