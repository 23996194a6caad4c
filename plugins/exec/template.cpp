#include "exec/template.hpp"

#include <tenon/plugin.hpp>

#include "common/utf8.hpp"

namespace exec {
namespace {

using tenon::TaskError;
using tenon::plugins::quote;

[[noreturn]] void refuse(std::string_view what, std::string_view text, const std::string& why) {
  throw TaskError(TENON_INVALID_ARGUMENT, std::string(what) + " " + quote(text) + ": " + why);
}

}  // namespace

std::string shell_word(std::string_view text) {
  std::string word = "'";
  for (const char c : text) {
    if (c == '\'') {
      word += "'\\''";
    } else {
      word += c;
    }
  }
  return word + "'";
}

std::string expand(std::string_view text, const Lookup& lookup, Quoting quoting, std::string_view what) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c != '{' && c != '}') {
      out += c;
      continue;
    }
    if (i + 1 < text.size() && text[i + 1] == c) {
      out += c;
      ++i;
      continue;
    }
    const std::size_t end = c == '{' ? text.find('}', i) : std::string_view::npos;
    if (end == std::string_view::npos) {
      refuse(what, text, std::string("the brace `") + c + "` has no partner; write `" + c + c + "` for a brace");
    }
    const std::string_view name = text.substr(i + 1, end - i - 1);
    const std::optional<std::string> value = lookup(name);
    if (!value) {
      refuse(what, text,
             "the item has no field `" + std::string(name) +
                 "`; use one of its fields or of `values`, or write `{{` for a brace");
    }
    if (value->find('\0') != std::string::npos) {
      refuse(what, text, "the value of `{" + std::string(name) + "}` contains a zero byte; no argument can contain it");
    }
    out += quoting == Quoting::kShell ? shell_word(*value) : *value;
    i = end;
  }
  return out;
}

}  // namespace exec
