#include "schema/json_document.hpp"

#include <algorithm>
#include <set>

#include <nlohmann/json.hpp>

#include "schema/schema_model.hpp"

namespace tenon::internal {
namespace {

/// Builds the document from nlohmann's events. The events have no positions. But each event is sent
/// only after the text before it was found to be well-formed, so a cursor that skips one token per
/// event finds the positions.
class DocumentBuilder : public nlohmann::json_sax<nlohmann::json> {
 public:
  DocumentBuilder(std::string_view text, JsonValue& root, JsonProblem& problem)
      : text_(text), root_(root), problem_(problem) {
    if (text_.substr(0, 3) == "\xef\xbb\xbf") {
      cursor_ = 3;  // A byte order mark, which the parser skips as well.
    }
  }

  bool null() override { return scalar(nullptr); }
  bool boolean(bool value) override { return scalar(value); }
  bool number_integer(number_integer_t value) override { return scalar(std::int64_t{value}); }
  bool number_unsigned(number_unsigned_t value) override { return scalar(std::uint64_t{value}); }
  bool number_float(number_float_t value, const string_t& digits) override {
    // For an integer of more than 64 bits, the parser falls back to a double, which would lose
    // digits.
    if (digits.find_first_of(".eE") == std::string::npos) {
      return scalar(JsonHugeNumber{digits});
    }
    return scalar(double{value});
  }
  bool string(string_t& value) override {
    const std::size_t at = skip_string();
    place(JsonValue{std::move(value), at});
    return true;
  }
  bool binary(binary_t& /*value*/) override { return false; }  // JSON text has none.
  bool start_object(std::size_t /*count*/) override { return start(JsonObject{}); }
  bool key(string_t& value) override {
    key_ = {std::move(value), skip_string()};
    if (!names_.back().insert(key_.name).second) {
      return refuse(key_.offset, "the name '" + key_.name + "' is there twice");
    }
    return true;
  }
  bool end_object() override { return end('}'); }
  bool start_array(std::size_t /*count*/) override { return start(JsonArray{}); }
  bool end_array() override { return end(']'); }

  bool parse_error(std::size_t position, const std::string& /*token*/,
                   const nlohmann::detail::exception& error) override {
    // "[json.exception.parse_error.101] parse error at line 1, column 2: syntax error while parsing
    // ...": only the part after the position is used, without the parser's name.
    std::string message = error.what();
    if (const std::size_t column = message.find("column "); column != std::string::npos) {
      if (const std::size_t colon = message.find(": ", column); colon != std::string::npos) {
        message.erase(0, colon + 2);
      }
    } else if (const std::size_t bracket = message.find("] "); bracket != std::string::npos) {
      message.erase(0, bracket + 2);
    }
    return refuse(std::min(position == 0 ? 0 : position - 1, text_.size()), message);
  }

 private:
  void skip_separators() {
    while (cursor_ < text_.size() && std::string_view(" \t\r\n,:").find(text_[cursor_]) != std::string_view::npos) {
      ++cursor_;
    }
  }

  std::size_t skip_string() {
    skip_separators();
    const std::size_t begin = cursor_;
    for (++cursor_; cursor_ < text_.size() && text_[cursor_] != '"'; ++cursor_) {
      cursor_ += text_[cursor_] == '\\' ? 1 : 0;
    }
    ++cursor_;
    return begin;
  }

  template <typename T>
  bool scalar(T value) {
    skip_separators();
    const std::size_t begin = cursor_;
    while (cursor_ < text_.size() && std::string_view(" \t\r\n,:]}").find(text_[cursor_]) == std::string_view::npos) {
      ++cursor_;
    }
    place(JsonValue{std::move(value), begin});
    return true;
  }

  template <typename T>
  bool start(T container) {
    skip_separators();
    if (open_.size() >= static_cast<std::size_t>(kMaxDepth)) {
      return refuse(cursor_, "nested deeper than " + std::to_string(kMaxDepth) + " levels");
    }
    JsonValue& placed = place(JsonValue{std::move(container), cursor_++});
    open_.push_back(&placed);
    names_.emplace_back();
    return true;
  }

  bool end(char bracket) {
    skip_separators();
    cursor_ += cursor_ < text_.size() && text_[cursor_] == bracket ? 1 : 0;
    open_.pop_back();
    names_.pop_back();
    return true;
  }

  /// Adds a value to the innermost open container. SUBTLE: pointers in `open_` stay valid because a
  /// container only grows while it is the innermost open one.
  JsonValue& place(JsonValue value) {
    if (open_.empty()) {
      root_ = std::move(value);
      return root_;
    }
    if (auto* array = std::get_if<JsonArray>(&open_.back()->data)) {
      return array->emplace_back(std::move(value));
    }
    auto& object = std::get<JsonObject>(open_.back()->data);
    return object.emplace_back(std::move(key_), std::move(value)).second;
  }

  bool refuse(std::size_t offset, std::string message) {
    problem_.position = text_position(text_, offset);
    problem_.message = std::move(message);
    return false;
  }

  std::string_view text_;
  JsonValue& root_;
  JsonProblem& problem_;
  std::size_t cursor_ = 0;
  JsonKey key_;
  std::vector<JsonValue*> open_;
  std::vector<std::set<std::string, std::less<>>> names_;
};

}  // namespace

std::string_view JsonValue::kind_text() const noexcept {
  static constexpr std::string_view kTexts[] = {"null",     "a boolean", "a number", "a number", "a number",
                                                "a number", "a string",  "an array", "an object"};
  return kTexts[data.index()];
}

bool parse_json(std::string_view text, JsonValue& root, JsonProblem& problem) {
  root = {};
  if (text.find_first_not_of(" \t\r\n") == std::string_view::npos) {
    problem.position = {};
    problem.message = "empty text where a JSON value should be; write {} for a table without fields";
    return false;
  }
  DocumentBuilder builder(text, root, problem);
  if (!nlohmann::json::sax_parse(text.begin(), text.end(), &builder)) {
    root = {};
    return false;
  }
  return true;
}

TextPosition text_position(std::string_view text, std::size_t offset) noexcept {
  const std::string_view before = text.substr(0, std::min(offset, text.size()));
  const auto line = std::count(before.begin(), before.end(), '\n');
  const std::size_t line_start = line == 0 ? 0 : before.rfind('\n') + 1;
  return {static_cast<std::uint32_t>(line + 1), static_cast<std::uint32_t>(before.size() - line_start + 1)};
}

}  // namespace tenon::internal
