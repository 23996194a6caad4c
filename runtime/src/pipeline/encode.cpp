#include "pipeline/encode.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <utility>
#include <vector>

#include "base/text.hpp"
#include "pipeline/scalar_type.hpp"
#include "schema/schema_model.hpp"

namespace tenon::internal {
namespace {

/// Returns the shortest text that round-trips. A value that JSON lacks becomes a string.
std::string real_text(double value) {
  std::array<char, 64> text{};
  const auto [end, code] = std::to_chars(text.data(), text.data() + text.size(), value);
  return std::isfinite(value) && code == std::errc() ? std::string(text.data(), end) : number_text(value, false);
}

/// Writes the JSON with one value on each line, so that the line of a later message identifies a
/// location.
class Writer {
 public:
  Writer(const TaskDirectory& directory, std::string_view plugin, const Environment& environment, Reporter& reporter)
      : directory_(directory), plugin_(plugin), environment_(environment), reporter_(reporter) {}

  bool table(const Value* value, const TypeInfo& type, const Place& place, const std::string& what) {
    put("{", place);
    std::vector<std::string> names;
    for (const FieldInfo& field : type.fields) {
      if (!field.deprecated) {
        names.push_back(field.name);
      }
    }
    std::vector<std::string> meant;
    bool good = true;
    bool first = true;
    static const std::vector<Entry> kNone;
    for (const Entry& entry : value != nullptr ? value->entries : kNone) {
      const auto field = std::find_if(type.fields.begin(), type.fields.end(),
                                      [&](const FieldInfo& known) { return known.name == entry.key; });
      if (field == type.fields.end() && is_union_tag(entry.key, type)) {
        put(first ? "" : ",", entry.place);
        first = false;
        text_ += json_quote(entry.key) + ": ";
        good = raw(entry.value) && good;
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
      put(first ? "" : ",", entry.place);
      first = false;
      text_ += json_quote(entry.key) + ": ";
      good = one(entry.value, field->type, "'" + entry.key + "'") && good;
    }
    for (const FieldInfo& field : type.fields) {
      // A misspelt key has been reported; reporting the missing correct key as well adds nothing.
      const bool misspelt = std::find(meant.begin(), meant.end(), field.name) != meant.end();
      const bool absent = value == nullptr || value->find(field.name) == nullptr;
      if (field.required && !field.deprecated && absent && !misspelt) {
        reporter_.error(place, what + " lacks '" + field.name + "' (" + field.type + ")",
                        "the schema says that " + type.name + " must have it");
        good = false;
      }
    }
    put("}", place);
    return good;
  }

  [[nodiscard]] const std::string& text() const noexcept { return text_; }
  [[nodiscard]] Place place_of_line(std::size_t line) const {
    return places_.empty() ? Place{} : places_[std::min(std::max<std::size_t>(line, 1), places_.size()) - 1];
  }

 private:
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

  void put(std::string_view what, const Place& place) {
    text_ += text_.empty() ? "" : "\n";
    text_ += what;
    places_.push_back(place);
  }

  bool refuse(const Value& value, const std::string& what, std::string_view wanted, std::string hint = {}) {
    std::string is = value.kind == Value::Kind::kString ? "\"" + value.text + "\"" : std::string(kind_name(value.kind));
    if (value.kind == Value::Kind::kInteger) {
      is = integer_text(value);
    }
    reporter_.error(value.place, what + " is " + is + "; it takes " + std::string(wanted), std::move(hint));
    return false;
  }

  bool one(const Value& written, const std::string& type, const std::string& what) {
    if (type.size() > 2 && type.front() == '[' && type.back() == ']') {
      return list(written, type.substr(1, type.size() - 2), what);
    }
    const ScalarType* scalar = find_scalar(type);
    std::optional<TypeInfo> named;
    if (scalar == nullptr && type != "string" && type != "bool") {
      named = directory_.find_type(plugin_, type);
      if (named && named->enum_values.empty()) {
        if (written.kind != Value::Kind::kTable) {
          return refuse(written, what, "a table (" + type + ")");
        }
        return table(&written, *named, written.place, what);
      }
      if (!named || directory_.union_members(plugin_, type)) {
        return raw(written);
      }
    }
    const std::optional<Value> value = environment_.settle(written, reporter_);
    if (!value) {
      return false;
    }
    if (named) {
      return enumerator(*value, *named, what);
    }
    if (type == "string") {
      if (value->kind != Value::Kind::kString) {
        return refuse(*value, what, "a string");
      }
      text_ += json_quote(value->text);
      return true;
    }
    if (type == "bool") {
      const bool from_text = value->from_environment && (value->text == "true" || value->text == "false");
      if (value->kind != Value::Kind::kBool && !from_text) {
        return refuse(*value, what, "true or false");
      }
      text_ += (from_text ? value->text == "true" : value->boolean) ? "true" : "false";
      return true;
    }
    return scalar->real ? real(*value, what) : integer(*value, *scalar, what);
  }

  bool integer(const Value& value, const ScalarType& scalar, const std::string& what) {
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
      text_ += fits_signed ? std::to_string(low) : std::to_string(high);
      return true;
    }
    const bool fits = value.large_integer > 0 ? value.large_integer <= scalar.most : scalar.holds(value.integer);
    if (value.kind != Value::Kind::kInteger || !fits) {
      return refuse(value, what, wanted);
    }
    text_ += integer_text(value);
    return true;
  }

  bool real(const Value& value, const std::string& what) {
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
    text_ += real_text(number);
    return true;
  }

  bool enumerator(const Value& value, const TypeInfo& type, const std::string& what) {
    if (value.kind == Value::Kind::kInteger) {
      text_ += integer_text(value);
      return true;
    }
    const std::string wanted = "one of " + list_names(type.enum_values, 20);
    if (value.kind != Value::Kind::kString) {
      return refuse(value, what, wanted);
    }
    if (std::find(type.enum_values.begin(), type.enum_values.end(), value.text) == type.enum_values.end()) {
      return refuse(value, what, wanted, suggest(value.text, type.enum_values));
    }
    text_ += json_quote(value.text);
    return true;
  }

  bool list(const Value& written, const std::string& element, const std::string& what) {
    if ((element == "ubyte" || element == "uint8") && written.kind != Value::Kind::kArray) {
      const std::optional<Value> value = environment_.settle(written, reporter_);
      if (!value) {
        return false;
      }
      if (value->kind != Value::Kind::kString) {
        return refuse(*value, what, "bytes: a base64 string or an array of numbers");
      }
      text_ += json_quote(value->text);
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
    text_ += "[";
    bool good = true;
    for (std::size_t i = 0; i < written.elements.size(); ++i) {
      put(i == 0 ? "" : ",", written.elements[i].place);
      good = one(written.elements[i], element, "an element of " + what) && good;
    }
    text_ += "]";
    return good;
  }

  /// Writes a value of a type that the schema reader does not describe (a union); the schema checks
  /// it.
  bool raw(const Value& value) {
    switch (value.kind) {
      case Value::Kind::kString:
        text_ += json_quote(value.text);
        return true;
      case Value::Kind::kInteger:
        text_ += integer_text(value);
        return true;
      case Value::Kind::kFloat:
        return real(value, "the value");
      case Value::Kind::kBool:
        text_ += value.boolean ? "true" : "false";
        return true;
      case Value::Kind::kDateTime:
        return refuse(value, "the value", "a string, a number, a boolean, an array or a table");
      case Value::Kind::kArray:
        break;
      case Value::Kind::kTable:
        return raw_table(value);
    }
    bool good = true;
    text_ += "[";
    for (std::size_t i = 0; i < value.elements.size(); ++i) {
      put(i == 0 ? "" : ",", value.elements[i].place);
      good = raw(value.elements[i]) && good;
    }
    text_ += "]";
    return good;
  }

  bool raw_table(const Value& value) {
    bool good = true;
    text_ += "{";
    for (std::size_t i = 0; i < value.entries.size(); ++i) {
      put(i == 0 ? "" : ",", value.entries[i].place);
      text_ += json_quote(value.entries[i].key) + ": ";
      good = raw(value.entries[i].value) && good;
    }
    text_ += "}";
    return good;
  }

  const TaskDirectory& directory_;
  std::string_view plugin_;
  const Environment& environment_;
  Reporter& reporter_;
  std::string text_;
  std::vector<Place> places_;
};

/// Removes "3:14: " from the start of a message and returns the line; 0 if there is no position.
std::size_t take_line(std::string& message) {
  std::size_t line = 0;
  std::size_t column = 0;
  const char* end = message.data() + message.size();
  const auto first = std::from_chars(message.data(), end, line);
  if (first.ec != std::errc() || first.ptr == end || *first.ptr != ':') {
    return 0;
  }
  const auto second = std::from_chars(first.ptr + 1, end, column);
  if (second.ec != std::errc()) {
    return 0;
  }
  const char* rest = second.ptr;
  while (rest != end && (*rest == ':' || *rest == ' ')) {
    ++rest;
  }
  message.erase(0, static_cast<std::size_t>(rest - message.data()));
  return line;
}

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
  Writer writer(directory, request.plugin, environment, reporter);
  if (!writer.table(request.entry != nullptr ? &request.entry->value : nullptr, *type, place, request.what)) {
    return std::nullopt;
  }
  Result<Buffer> encoded = directory.encode(request.plugin, request.type, writer.text());
  if (!encoded) {
    std::string message = std::move(encoded.error().message);
    const std::size_t line = take_line(message);
    reporter.error(line > 0 ? writer.place_of_line(line) : place, request.what + ": " + message);
    return std::nullopt;
  }
  return std::move(*encoded);
}

}  // namespace tenon::internal
