#include "text/grep.hpp"

#include <re2/re2.h>

#include <string>

#include <tenon/plugin.hpp>

#include "common/utf8.hpp"

namespace text {
namespace {

constexpr std::int64_t kMaxProgramBytes = 64ll << 20;

re2::StringPiece piece(std::string_view text) {
  return {text.data(), text.size()};
}

RE2::Options options_for(bool literal, bool ignore_case) {
  RE2::Options options;
  options.set_log_errors(false);
  options.set_literal(literal);
  options.set_case_sensitive(!ignore_case);
  options.set_max_mem(kMaxProgramBytes);
  return options;
}

}  // namespace

struct Pattern::Compiled {
  RE2 expression;
};

Pattern::Pattern(std::string_view pattern, bool literal, bool ignore_case) {
  if (pattern.empty()) {
    throw tenon::TaskError(TENON_INVALID_ARGUMENT,
                           "`pattern` is missing; set it to a regular expression to search for");
  }
  compiled_ = std::unique_ptr<Compiled>(new Compiled{RE2(piece(pattern), options_for(literal, ignore_case))});
  if (!compiled_->expression.ok()) {
    throw tenon::TaskError(TENON_INVALID_ARGUMENT,
                           "`pattern` " + tenon::plugins::quote(pattern) +
                               " is not a regular expression: " + compiled_->expression.error() +
                               "; use the syntax of RE2, or set `literal` to search for the text itself");
  }
}
Pattern::Pattern(Pattern&&) noexcept = default;
Pattern::~Pattern() = default;

std::optional<Pattern::Range> Pattern::find(std::string_view line) const {
  re2::StringPiece match;
  if (!compiled_->expression.Match(piece(line), 0, line.size(), RE2::UNANCHORED, &match, 1)) {
    return std::nullopt;
  }
  const auto begin = static_cast<std::size_t>(match.data() - line.data());
  return Range{begin, begin + match.size()};
}

}  // namespace text
