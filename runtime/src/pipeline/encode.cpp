#include "pipeline/encode.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <utility>
#include <vector>

#include "base/text.hpp"
#include "pipeline/scalar_type.hpp"
#include "schema/json_document.hpp"
#include "schema/schema_model.hpp"
#include "schema/schema_operations.hpp"

namespace tenon::internal {
namespace {

/// Stores a number: as an integer if it has no fraction, which integer fields also accept; by its name if it is not
/// finite.
void set_real(JsonValue& out, double number) {
  constexpr double kExact = 9'007'199'254'740'992.0;  // 2^53: doubles represent all integers up to here.
  if (!std::isfinite(number)) {
    out.data = std::string(std::isnan(number) ? "nan" : number > 0 ? "inf" : "-inf");
  } else if (number == std::trunc(number) && std::abs(number) <= kExact && !(number == 0 && std::signbit(number))) {
    out.data = static_cast<std::int64_t>(number);
  } else {
    out.data = number;
  }
}

void set_integer(JsonValue& out, const Value& value) {
  if (value.large_integer > 0) {
    out.data = value.large_integer;
  } else {
    out.data = value.integer;
  }
}

/// Makes the tree of values that the schema encodes. JsonValue::offset is an index of `places_`.
class TreeBuilder {
 public:
  TreeBuilder(const TaskDirectory& directory, const EncodeRequest& request, const Environment& environment,
              Reporter& reporter)
      : directory_(directory),
        plugin_(request.plugin),
        partial_(request.partial),
        environment_(environment),
        reporter_(reporter) {}

  bool table(const Value* value, const TypeInfo& type, const Place& place, const std::string& what, JsonValue& out) {
    out.offset = locate(place);
    JsonObject& fields = out.data.emplace<JsonObject>();
    std::vector<std::string> names;
    for (const FieldInfo& field : type.fields) {
      if (!field.deprecated) {
        names.push_back(field.name);
      }
    }
    std::vector<std::string> meant;
    bool good = true;
    static const std::vector<Entry> kNone;
    for (const Entry& entry : value != nullptr ? value->entries : kNone) {
      const auto field = std::find_if(type.fields.begin(), type.fields.end(),
                                      [&](const FieldInfo& known) { return known.name == entry.key; });
      if (field == type.fields.end() && is_union_tag(entry.key, type)) {
        good = raw(entry.value, add_member(fields, entry)) && good;
        continue;
      }
      if (field == type.fields.end() || field->deprecated) {
        const bool of_stage = entry.key == "on_conflict" || entry.key == "output_name";
        reporter_.error(entry.place, "unknown key '" + entry.key + "' in " + what,
                        of_stage ? "'" + entry.key + "' is a key of the stage or sink itself; write it beside 'task'"
                        : names.empty() ? type.name + " has no fields"
                                        : suggest(entry.key, names, type.name + " has " + list_names(names)));
        for (const std::string_view near : nearest_names(entry.key, names, 1)) {
          meant.emplace_back(near);
        }
        good = false;
        continue;
      }
      if (const auto members = union_members(field->type)) {
        const std::string tag = entry.key + "_type";
        if (value->find(tag) == nullptr) {
          reporter_.error(entry.place, "'" + entry.key + "' is a union and needs '" + tag + "' beside it",
                          "its types are " + list_names(*members, 20));
          good = false;
          continue;
        }
      }
      good = one(entry.value, field->type, "'" + entry.key + "'", add_member(fields, entry)) && good;
    }
    for (const FieldInfo& field : type.fields) {
      // A misspelt key has been reported; reporting the missing correct key as well adds nothing.
      const bool misspelt = std::find(meant.begin(), meant.end(), field.name) != meant.end();
      const bool absent = value == nullptr || value->find(field.name) == nullptr;
      if (field.required && !field.deprecated && absent && !misspelt) {
        if (partial_ && add_empty(field, place, fields)) {
          continue;
        }
        reporter_.error(place, what + " lacks '" + field.name + "' (" + field.type + ")",
                        "the schema says that " + type.name + " must have it");
        good = false;
      }
    }
    return good;
  }

  /// The place behind a JsonValue::offset of the tree.
  [[nodiscard]] const Place& place_of(std::size_t offset) const { return places_.at(offset); }

 private:
  /// Adds an empty string, vector or table. Returns false for a union.
  bool add_empty(const FieldInfo& field, const Place& place, JsonObject& fields) {
    if (union_members(field.type)) {
      return false;
    }
    Value empty;
    empty.place = place;
    empty.kind = field.type == "string"        ? Value::Kind::kString
                 : field.type.starts_with('[') ? Value::Kind::kArray
                                               : Value::Kind::kTable;
    const Entry entry{field.name, place, std::move(empty)};
    return one(entry.value, field.type, "'" + field.name + "'", add_member(fields, entry));
  }

  /// Returns the types of a union, or of a vector of unions; nullopt for another type.
  std::optional<std::vector<std::string>> union_members(std::string_view type) const {
    if (type.size() > 2 && type.front() == '[') {
      type = type.substr(1, type.size() - 2);
    }
    return directory_.union_members(plugin_, type);
  }

  /// Returns whether a key names the type of a union in the table. The schema does not list such a
  /// key as a field.
  bool is_union_tag(std::string_view key, const TypeInfo& table) const {
    constexpr std::string_view kSuffix = "_type";
    if (!key.ends_with(kSuffix)) {
      return false;
    }
    key.remove_suffix(kSuffix.size());
    return std::any_of(table.fields.begin(), table.fields.end(), [&](const FieldInfo& field) {
      return field.name == key && !field.deprecated && union_members(field.type).has_value();
    });
  }

  std::size_t locate(const Place& place) {
    places_.push_back(place);
    return places_.size() - 1;
  }

  JsonValue& add_member(JsonObject& members, const Entry& entry) {
    const std::size_t offset = locate(entry.place);
    JsonValue& value = members.emplace_back(JsonKey{entry.key, offset}, JsonValue()).second;
    value.offset = offset;
    return value;
  }

  bool refuse(const Value& value, const std::string& what, std::string_view wanted, std::string hint = {}) {
    std::string is = value.kind == Value::Kind::kString ? "\"" + value.text + "\"" : std::string(kind_name(value.kind));
    if (value.kind == Value::Kind::kInteger) {
      is = integer_text(value);
    }
    reporter_.error(value.place, what + " is " + is + "; it takes " + std::string(wanted), std::move(hint));
    return false;
  }

  /// Sets `out` to what is written for a field of `type`; its location has been set.
  bool one(const Value& written, const std::string& type, const std::string& what, JsonValue& out) {
    if (type.size() > 2 && type.front() == '[' && type.back() == ']') {
      return list(written, type.substr(1, type.size() - 2), what, out);
    }
    const ScalarType* scalar = find_scalar(type);
    std::optional<TypeInfo> named;
    if (scalar == nullptr && type != "string" && type != "bool") {
      named = directory_.find_type(plugin_, type);
      if (named && named->enum_values.empty()) {
        if (written.kind != Value::Kind::kTable) {
          return refuse(written, what, "a table (" + type + ")");
        }
        return table(&written, *named, written.place, what, out);
      }
      if (!named || directory_.union_members(plugin_, type)) {
        return raw(written, out);
      }
    }
    const std::optional<Value> value = environment_.settle(written, reporter_);
    if (!value) {
      return false;
    }
    if (named) {
      return enumerator(*value, *named, what, out);
    }
    if (type == "string") {
      if (value->kind != Value::Kind::kString) {
        return refuse(*value, what, "a string");
      }
      out.data = value->text;
      return true;
    }
    if (type == "bool") {
      const bool from_text = value->from_environment && (value->text == "true" || value->text == "false");
      if (value->kind != Value::Kind::kBool && !from_text) {
        return refuse(*value, what, "true or false");
      }
      out.data = from_text ? value->text == "true" : value->boolean;
      return true;
    }
    return scalar->real ? real(*value, what, out) : integer(*value, *scalar, what, out);
  }

  bool integer(const Value& value, const ScalarType& scalar, const std::string& what, JsonValue& out) {
    const std::string wanted = "an integer from " + std::to_string(scalar.least) + " to " + std::to_string(scalar.most);
    if (value.from_environment) {
      // The environment can hold integers that TOML cannot: the upper half of uint64.
      const char* begin = value.text.data();
      const char* end = begin + value.text.size();
      std::int64_t low = 0;
      std::uint64_t high = 0;
      const auto as_signed = std::from_chars(begin, end, low);
      const auto as_unsigned = std::from_chars(begin, end, high);
      const bool fits_signed = as_signed.ec == std::errc() && as_signed.ptr == end && scalar.holds(low);
      const bool fits_unsigned = as_unsigned.ec == std::errc() && as_unsigned.ptr == end && high <= scalar.most;
      if (!fits_signed && !fits_unsigned) {
        return refuse(value, what, wanted);
      }
      if (fits_signed) {
        out.data = std::int64_t{low};
      } else {
        out.data = std::uint64_t{high};
      }
      return true;
    }
    const bool fits = value.large_integer > 0 ? value.large_integer <= scalar.most : scalar.holds(value.integer);
    if (value.kind != Value::Kind::kInteger || !fits) {
      return refuse(value, what, wanted);
    }
    set_integer(out, value);
    return true;
  }

  bool real(const Value& value, const std::string& what, JsonValue& out) {
    double number = value.large_integer > 0               ? static_cast<double>(value.large_integer)
                    : value.kind == Value::Kind::kInteger ? static_cast<double>(value.integer)
                                                          : value.real;
    bool good = value.kind == Value::Kind::kInteger || value.kind == Value::Kind::kFloat;
    if (const auto special = value.kind == Value::Kind::kString ? parse_non_finite(value.text) : std::nullopt) {
      number = *special;
      good = true;
    } else if (value.from_environment) {
      const char* end = value.text.data() + value.text.size();
      const auto [stop, code] = std::from_chars(value.text.data(), end, number);
      good = code == std::errc() && stop == end;
    }
    if (!good) {
      return refuse(value, what, "a number, nan, inf or -inf");
    }
    set_real(out, number);
    return true;
  }

  bool enumerator(const Value& value, const TypeInfo& type, const std::string& what, JsonValue& out) {
    if (value.kind == Value::Kind::kInteger) {
      set_integer(out, value);
      return true;
    }
    const std::string wanted = "one of " + list_names(type.enum_values, 20);
    if (value.kind != Value::Kind::kString) {
      return refuse(value, what, wanted);
    }
    if (std::find(type.enum_values.begin(), type.enum_values.end(), value.text) == type.enum_values.end()) {
      return refuse(value, what, wanted, suggest(value.text, type.enum_values));
    }
    out.data = value.text;
    return true;
  }

  bool list(const Value& written, const std::string& element, const std::string& what, JsonValue& out) {
    if ((element == "ubyte" || element == "uint8") && written.kind != Value::Kind::kArray) {
      if (const Entry* const text = environment_.of_test() ? written.find("text") : nullptr;
          text != nullptr && written.entries.size() == 1 && text->value.kind == Value::Kind::kString) {
        bytes(text->value, out);
        return true;
      }
      const std::optional<Value> value = environment_.settle(written, reporter_);
      if (!value) {
        return false;
      }
      if (value->kind != Value::Kind::kString) {
        return refuse(*value, what, "bytes: a base64 string or an array of numbers");
      }
      out.data = value->text;
      return true;
    }
    if (Environment::is_reference(written)) {
      reporter_.error(written.place, what + " takes an array of " + element + "; the environment gives one value",
                      "write [{ env = \"NAME\" }]");
      return false;
    }
    if (written.kind != Value::Kind::kArray) {
      return refuse(written, what, "an array of " + element);
    }
    JsonArray& items = out.data.emplace<JsonArray>(written.elements.size());
    bool good = true;
    for (std::size_t i = 0; i < items.size(); ++i) {
      items[i].offset = locate(written.elements[i].place);
      good = one(written.elements[i], element, "an element of " + what, items[i]) && good;
    }
    return good;
  }

  void bytes(const Value& text, JsonValue& out) {
    JsonArray& items = out.data.emplace<JsonArray>(text.text.size());
    const std::size_t offset = locate(text.place);
    for (std::size_t i = 0; i < items.size(); ++i) {
      items[i].offset = offset;
      items[i].data = std::int64_t{static_cast<std::uint8_t>(text.text[i])};
    }
  }

  /// Takes over a value of a type that the schema reader does not describe (a union); the encoder
  /// checks it.
  bool raw(const Value& value, JsonValue& out) {
    switch (value.kind) {
      case Value::Kind::kString:
        out.data = value.text;
        return true;
      case Value::Kind::kInteger:
        set_integer(out, value);
        return true;
      case Value::Kind::kFloat:
        return real(value, "the value", out);
      case Value::Kind::kBool:
        out.data = value.boolean;
        return true;
      case Value::Kind::kDateTime:
        return refuse(value, "the value", "a string, a number, a boolean, an array or a table");
      case Value::Kind::kArray:
        break;
      case Value::Kind::kTable:
        return raw_table(value, out);
    }
    bool good = true;
    JsonArray& items = out.data.emplace<JsonArray>(value.elements.size());
    for (std::size_t i = 0; i < items.size(); ++i) {
      items[i].offset = locate(value.elements[i].place);
      good = raw(value.elements[i], items[i]) && good;
    }
    return good;
  }

  bool raw_table(const Value& value, JsonValue& out) {
    bool good = true;
    JsonObject& members = out.data.emplace<JsonObject>();
    for (const Entry& entry : value.entries) {
      good = raw(entry.value, add_member(members, entry)) && good;
    }
    return good;
  }

  const TaskDirectory& directory_;
  std::string_view plugin_;
  bool partial_;
  const Environment& environment_;
  Reporter& reporter_;
  std::vector<Place> places_;
};

}  // namespace

std::optional<Buffer> encode_table(const TaskDirectory& directory, const EncodeRequest& request,
                                   const Environment& environment, Reporter& reporter) {
  const Place place = request.entry != nullptr ? request.entry->place : request.owner;
  const std::optional<TypeInfo> type = directory.find_type(request.plugin, request.type);
  if (!type) {
    reporter.error(place, request.what + ": the schema of plugin '" + std::string(request.plugin) + "' has no table '" +
                              std::string(request.type) + "'");
    return std::nullopt;
  }
  TreeBuilder builder(directory, request, environment, reporter);
  JsonValue tree;
  if (!builder.table(request.entry != nullptr ? &request.entry->value : nullptr, *type, place, request.what, tree)) {
    return std::nullopt;
  }
  TreeProblem problem;
  Result<Buffer> encoded = directory.encode(request.plugin, request.type, tree, problem);
  if (!encoded) {
    reporter.error(problem.message.empty() ? place : builder.place_of(problem.offset),
                   request.what + ": " + encoded.error().message);
    return std::nullopt;
  }
  return std::move(*encoded);
}

}  // namespace tenon::internal
