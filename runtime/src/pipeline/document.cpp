#include "pipeline/document.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <limits>
#include <map>
#include <string>
#include <tuple>
#include <utility>

#define TOML_MAX_NESTED_VALUES 64
#define TOML_EXCEPTIONS 0
#define TOML_HEADER_ONLY 1
// toml++ 3.3 asserts on some malformed keys. A file must never end the process; the parser
// continues to its error.
#define TOML_ASSERT(expression) static_cast<void>(0)
#if defined(__GNUC__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wshadow"
#endif
#if __has_include(<toml++/toml.hpp>)
#include <toml++/toml.hpp>
#else
#include <toml++/toml.h>
#endif
#if defined(__GNUC__)
#pragma GCC diagnostic pop
#endif

#include "base/utf8.hpp"
#include "pipeline/large_integers.hpp"
#include "platform/environment.hpp"

namespace tenon::internal {
namespace {

/// Converts columns of toml++, which count characters, into bytes.
class Columns {
 public:
  explicit Columns(std::string_view text) : text_(text) {
    starts_.push_back(0);
    for (std::size_t at = text_.find('\n'); at != std::string_view::npos; at = text_.find('\n', at + 1)) {
      starts_.push_back(at + 1);
    }
  }

  Place place(const toml::source_region& region) {
    Place out;
    const auto line_count = static_cast<std::uint32_t>(starts_.size());
    out.line = std::clamp<std::uint32_t>(region.begin.line, 1, line_count);
    out.column = column(out.line, region.begin.column);
    const std::uint32_t end =
        region.end.line == region.begin.line ? column(out.line, region.end.column) : out.column + 1;
    out.length = end > out.column ? end - out.column : 1;
    return out;
  }

 private:
  std::string_view line(std::uint32_t number) const {
    const std::size_t begin = starts_[number - 1];
    const std::size_t end = number < starts_.size() ? starts_[number] - 1 : text_.size();
    return text_.substr(begin, end - begin);
  }

  std::uint32_t column(std::uint32_t number, std::uint32_t characters) {
    auto found = tables_.find(number);
    if (found == tables_.end()) {
      // Maps characters to byte columns; left empty if both counts agree.
      std::vector<std::uint32_t> table;
      const std::string_view content = line(number);
      if (std::any_of(content.begin(), content.end(), [](char c) { return static_cast<signed char>(c) < 0; })) {
        for (std::size_t at = 0; at < content.size(); at += std::max<std::size_t>(1, utf8_length(content.substr(at)))) {
          table.push_back(static_cast<std::uint32_t>(at + 1));
        }
        table.push_back(static_cast<std::uint32_t>(content.size() + 1));
      }
      found = tables_.emplace(number, std::move(table)).first;
    }
    const std::vector<std::uint32_t>& table = found->second;
    const std::uint32_t index = std::max<std::uint32_t>(1, characters) - 1;
    return index < table.size() ? table[index] : index + 1;
  }

  std::string_view text_;
  std::vector<std::size_t> starts_;
  std::map<std::uint32_t, std::vector<std::uint32_t>> tables_;
};

/// Returns the line and column of a byte of the text.
Place place_of(std::string_view text, std::size_t offset) {
  Place place;
  const std::string_view before = text.substr(0, offset);
  place.line = static_cast<std::uint32_t>(1 + std::count(before.begin(), before.end(), '\n'));
  const std::size_t line_start = before.rfind('\n');
  place.column = static_cast<std::uint32_t>(offset - (line_start == std::string_view::npos ? 0 : line_start + 1) + 1);
  return place;
}

/// Converts the tree of toml++ into ours.
class Converter {
 public:
  /// `text` is the parsed text. If `place` is set, all values get it; the values of an override do.
  Converter(std::string_view text, const LargeIntegers& large, std::optional<Place> place)
      : columns_(text), place_(place) {
    for (const auto& [offset, value] : large.values) {
      const Place at = place_of(text, offset);
      large_places_[{at.line, at.column}] = value;
    }
  }

  Value convert(const toml::node& node);
  Place place(const toml::source_region& region) { return place_ ? *place_ : columns_.place(region); }

 private:
  std::optional<std::uint64_t> large_integer(const toml::node& node) {
    if (large_places_.empty()) {
      return std::nullopt;
    }
    const Place at = columns_.place(node.source());
    const auto found = large_places_.find({at.line, at.column});
    return found == large_places_.end() ? std::nullopt : std::optional(found->second);
  }

  Columns columns_;
  std::map<std::pair<std::uint32_t, std::uint32_t>, std::uint64_t> large_places_;
  std::optional<Place> place_;
};

Value Converter::convert(const toml::node& node) {
  Value out;
  out.place = place(node.source());
  switch (node.type()) {
    case toml::node_type::string:
      if (const auto large = large_integer(node)) {
        out.kind = Value::Kind::kInteger;
        out.integer = std::numeric_limits<std::int64_t>::max();
        out.large_integer = *large;
        break;
      }
      out.kind = Value::Kind::kString;
      out.text = node.as_string()->get();
      break;
    case toml::node_type::integer:
      out.kind = Value::Kind::kInteger;
      out.integer = node.as_integer()->get();
      break;
    case toml::node_type::floating_point:
      out.kind = Value::Kind::kFloat;
      out.real = node.as_floating_point()->get();
      break;
    case toml::node_type::boolean:
      out.kind = Value::Kind::kBool;
      out.boolean = node.as_boolean()->get();
      break;
    case toml::node_type::array:
      out.kind = Value::Kind::kArray;
      for (const toml::node& element : *node.as_array()) {
        out.elements.push_back(convert(element));
      }
      break;
    case toml::node_type::table:
      out.kind = Value::Kind::kTable;
      for (const auto& [key, value] : *node.as_table()) {
        Entry entry;
        entry.key = std::string(key.str());
        entry.place = place(key.source());
        entry.value = convert(value);
        out.entries.push_back(std::move(entry));
      }
      std::stable_sort(out.entries.begin(), out.entries.end(), [](const Entry& a, const Entry& b) {
        return std::tie(a.place.line, a.place.column) < std::tie(b.place.line, b.place.column);
      });
      break;
    default:
      out.kind = Value::Kind::kDateTime;
      break;
  }
  return out;
}

/// A key with more parts than this is refused: each part is a nested table, and trees are walked by
/// recursion.
constexpr std::size_t kMaxKeyParts = 32;

/// A construct outside strings and comments that the parser must not see.
struct Unfit {
  std::size_t offset = 0;
  std::string message;
  std::string hint;
};

std::optional<Unfit> find_unfit(std::string_view text) {
  // The text may start with a byte order mark.
  std::size_t i = text.starts_with("\xEF\xBB\xBF") ? 3 : 0;
  std::size_t dots = 0;
  while (i < text.size()) {
    const char c = text[i];
    if (c == '"' || c == '\'') {
      i = skip_toml_string(text, i);
      continue;
    }
    if (c == '#') {
      i = std::min(text.find('\n', i), text.size());
      continue;
    }
    if ((static_cast<unsigned char>(c) & 0x80U) != 0) {
      // TOML only allows ASCII here, and toml++ 3.3 has undefined behaviour on some other bytes.
      return Unfit{i, "this is not TOML: only ASCII is allowed outside quotes",
                   "quote names that contain other characters"};
    }
    if (c == '.') {
      if (++dots >= kMaxKeyParts) {
        return Unfit{i, "a key has at most " + std::to_string(kMaxKeyParts) + " parts", {}};
      }
    } else if (std::string_view("=,[]{}\n").find(c) != std::string_view::npos) {
      dots = 0;
    }
    ++i;
  }
  return std::nullopt;
}

bool report_bad_text(std::string_view text, Reporter& reporter) {
  if (text.size() > kMaxDocumentBytes) {
    reporter.error({},
                   "the file has " + std::to_string(text.size()) + " bytes; a pipeline has at most " +
                       std::to_string(kMaxDocumentBytes),
                   "put long lists of values into a separate file that a task reads");
    return true;
  }
  const std::size_t zero = text.find('\0');
  if (zero != std::string_view::npos) {
    reporter.error(place_of(text, zero), "this is a binary file, not TOML");
    return true;
  }
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t length = utf8_length(text.substr(at));
    if (length == 0) {
      reporter.error(place_of(text, at), "the file is not UTF-8");
      return true;
    }
    at += length;
  }
  if (const std::optional<Unfit> unfit = find_unfit(text)) {
    reporter.error(place_of(text, unfit->offset), unfit->message, unfit->hint);
    return true;
  }
  if (text.find_first_not_of(" \t\r\n") == std::string_view::npos) {
    reporter.error({1, 1, 1, 0}, "the file is empty", "a pipeline has at least one [sources.<name>] and one consumer");
    return true;
  }
  return false;
}

std::vector<std::string> keys_of(const Value& table) {
  std::vector<std::string> keys;
  keys.reserve(table.entries.size());
  for (const Entry& entry : table.entries) {
    keys.push_back(entry.key);
  }
  return keys;
}

std::vector<std::string> split(std::string_view dotted) {
  std::vector<std::string> parts;
  while (true) {
    const std::size_t dot = dotted.find('.');
    parts.emplace_back(dotted.substr(0, dot));
    if (dot == std::string_view::npos) {
      return parts;
    }
    dotted.remove_prefix(dot + 1);
  }
}

Value override_value(const std::string& text, const Place& place) {
  if (text.size() <= kMaxDocumentBytes && !find_unfit(text)) {
    std::optional<BadNumber> bad;
    // A text such as "NaN" may be meant for a string; a float takes it as a string too.
    const LargeIntegers large = take_large_integers("v = " + text, SpecialNumbers::kAsInToml, bad);
    const toml::parse_result parsed = toml::parse(large.text);
    // A line break could add further keys; then the value is an ordinary string.
    if (parsed && parsed.table().size() == 1 && parsed.table().contains("v")) {
      return Converter(large.text, large, place).convert(*parsed.table().get("v"));
    }
  }
  Value value;
  value.kind = Value::Kind::kString;
  value.text = text;
  value.place = place;
  return value;
}

void apply_override(Value& root, const std::string& key, const std::string& text, const Place& place,
                    Reporter& reporter) {
  static constexpr std::array<std::string_view, 3> kDeclared = {"sources", "stages", "sinks"};
  const std::vector<std::string> path = split(key);
  if (std::any_of(path.begin(), path.end(), [](const std::string& part) { return part.empty(); })) {
    reporter.error(place, "'" + key + "' is not a key", "write --set stages.<name>.<key>=<value>");
    return;
  }
  Value* at = &root;
  std::string walked;
  for (std::size_t depth = 0; depth < path.size(); ++depth) {
    const bool last = depth + 1 == path.size();
    Entry* entry = at->find(path[depth]);
    const bool declaration = depth == 1 && std::find(kDeclared.begin(), kDeclared.end(), path[0]) != kDeclared.end();
    const bool section = depth == 0 && std::find(kDeclared.begin(), kDeclared.end(), path[0]) != kDeclared.end();
    if (entry == nullptr && (declaration || section)) {
      const std::vector<std::string> keys = keys_of(*at);
      reporter.error(place, "the file has no [" + walked + path[depth] + "]",
                     suggest(path[depth], keys, keys.empty() ? "" : "there are " + list_names(keys)));
      return;
    }
    if (entry == nullptr) {
      at->entries.push_back({path[depth], place, {}});
      entry = &at->entries.back();
      entry->value.place = place;
    }
    walked += path[depth] + ".";
    if (last) {
      entry->place = place;
      entry->value = override_value(text, place);
      return;
    }
    at = &entry->value;
    if (at->kind != Value::Kind::kTable || Environment::is_reference(*at)) {
      walked.pop_back();
      reporter.error(place, "'" + walked + "' is not a table, so it has no key '" + path[depth + 1] + "'");
      return;
    }
  }
}

}  // namespace

const Entry* Value::find(std::string_view key) const {
  const auto found = std::find_if(entries.begin(), entries.end(), [&](const Entry& entry) { return entry.key == key; });
  return found == entries.end() ? nullptr : &*found;
}

Entry* Value::find(std::string_view key) {
  return const_cast<Entry*>(std::as_const(*this).find(key));
}

std::string integer_text(const Value& value) {
  return value.large_integer > 0 ? std::to_string(value.large_integer) : std::to_string(value.integer);
}

std::string_view kind_name(Value::Kind kind) {
  switch (kind) {
    case Value::Kind::kString:
      return "a string";
    case Value::Kind::kInteger:
      return "an integer";
    case Value::Kind::kFloat:
      return "a number";
    case Value::Kind::kBool:
      return "a boolean";
    case Value::Kind::kDateTime:
      return "a date or time";
    case Value::Kind::kArray:
      return "an array";
    case Value::Kind::kTable:
      return "a table";
  }
  return "a value";
}

std::optional<Value> parse_document(std::string_view text, Reporter& reporter) {
  if (report_bad_text(text, reporter)) {
    return std::nullopt;
  }
  std::optional<BadNumber> bad;
  const LargeIntegers large = take_large_integers(text, SpecialNumbers::kAnyCase, bad);
  if (bad) {
    reporter.error(place_of(text, bad->offset), bad->message, bad->hint);
    return std::nullopt;
  }
  const toml::parse_result parsed = toml::parse(large.text);
  if (!parsed) {
    const toml::parse_error& error = parsed.error();
    std::string message(error.description());
    if (message.starts_with("Error ")) {
      message.erase(0, 6);
    }
    reporter.error(Columns(text).place(error.source()), "this is not TOML: " + message);
    return std::nullopt;
  }
  return Converter(text, large, std::nullopt).convert(parsed.table());
}

void apply_overrides(Value& root, const std::vector<std::pair<std::string, std::string>>& overrides,
                     Reporter& reporter) {
  for (std::size_t i = 0; i < overrides.size(); ++i) {
    Place place;
    place.override_number = static_cast<std::uint32_t>(i + 1);
    apply_override(root, overrides[i].first, overrides[i].second, place, reporter);
  }
}

Environment::Environment(Lookup lookup) : lookup_(std::move(lookup)) {
  if (!lookup_) {
    lookup_ = [](const std::string& name) { return get_environment(name); };
  }
}

bool Environment::is_reference(const Value& value) {
  return value.kind == Value::Kind::kTable && value.find("env") != nullptr;
}

Environment Environment::with_files(std::map<std::string, std::string> paths) const {
  Environment copy = *this;
  copy.files_ = std::move(paths);
  return copy;
}

std::optional<Value> Environment::find_file(const Value& name, Reporter& reporter) const {
  const auto found = files_->find(name.text);
  if (found == files_->end()) {
    std::vector<std::string> names;
    for (const auto& [known, path] : *files_) {
      names.push_back(known);
    }
    reporter.error(name.place, "the test has no file '" + name.text + "'",
                   suggest(name.text, names, "add files.\"" + name.text + "\" = \"<content>\", or false"));
    return std::nullopt;
  }
  Value out;
  out.kind = Value::Kind::kString;
  out.text = found->second;
  out.place = name.place;
  return out;
}

std::optional<Value> Environment::settle(const Value& value, Reporter& reporter) const {
  if (files_ && value.kind == Value::Kind::kTable && value.entries.size() == 1 && value.entries.front().key == "file" &&
      value.entries.front().value.kind == Value::Kind::kString) {
    return find_file(value.entries.front().value, reporter);
  }
  if (!is_reference(value)) {
    return value;
  }
  const Entry* name = value.find("env");
  for (const Entry& entry : value.entries) {
    if (entry.key != "env" && entry.key != "default") {
      static const std::vector<std::string> kKeys = {"env", "default"};
      reporter.error(entry.place, "unknown key '" + entry.key + "' in a value from the environment",
                     suggest(entry.key, kKeys, "write { env = \"NAME\", default = ... }"));
      return std::nullopt;
    }
  }
  if (name->value.kind != Value::Kind::kString || name->value.text.empty() ||
      name->value.text.find_first_of(std::string_view("=\0", 2)) != std::string::npos) {
    reporter.error(name->value.place, "'env' takes the name of an environment variable, as a string");
    return std::nullopt;
  }
  if (const auto found = lookup_(name->value.text)) {
    Value out;
    out.kind = Value::Kind::kString;
    out.text = *found;
    out.from_environment = true;
    out.place = name->value.place;
    return out;
  }
  if (const Entry* fallback = value.find("default")) {
    if (is_reference(fallback->value)) {
      return settle(fallback->value, reporter);
    }
    return fallback->value;
  }
  reporter.error(name->value.place, "the environment has no variable '" + name->value.text + "'",
                 "set it, or give a default: { env = \"" + name->value.text + "\", default = ... }");
  return std::nullopt;
}

}  // namespace tenon::internal
