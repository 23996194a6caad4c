#include "csv/dialect.hpp"

#include <string>

#include <tenon/plugin.hpp>

#include "common/file_name.hpp"
#include "common/text_packer.hpp"
#include "common/utf8.hpp"

namespace csv {
namespace {

char one_byte(std::string_view text, char standard, const char* param) {
  if (text.empty()) {
    return standard;
  }
  if (text.size() != 1 || text == "\n" || text == "\r") {
    throw tenon::TaskError(TENON_INVALID_ARGUMENT, std::string("`") + param + "` " + tenon::plugins::quote(text) +
                                                       ": must be one ASCII character, as in \",\" or \"\\t\"");
  }
  return text.front();
}

char usual_separator(std::string_view path) {
  const std::string extension = tenon::plugins::extension_of(tenon::plugins::without_packing(path));
  return extension == "tsv" || extension == "tab" ? '\t' : ',';
}

}  // namespace

Dialect dialect_of(std::string_view separator, std::string_view quote, std::string_view path) {
  Dialect dialect;
  dialect.separator = one_byte(separator, usual_separator(path), "separator");
  dialect.quote = quote == "none" ? '\0' : one_byte(quote, '"', "quote");
  if (dialect.separator == dialect.quote) {
    throw tenon::TaskError(TENON_INVALID_ARGUMENT,
                           "`separator` and `quote` are the same character; change one of them");
  }
  return dialect;
}

}  // namespace csv
