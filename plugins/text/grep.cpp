#include "text/grep.hpp"

#include <re2/re2.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

#include <tenon/plugin.hpp>

#include "common/byte_block.hpp"
#include "common/byte_finder.hpp"
#include "common/utf8.hpp"

namespace text {
namespace {

constexpr std::int64_t kMaxProgramBytes = 64ll << 20;
constexpr std::size_t kBufferBytes = 256u << 10;
/// A shorter text occurs in too many lines.
constexpr std::size_t kMinRequiredBytes = 2;

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

std::optional<Pattern::Range> match(const RE2& expression, std::string_view text) {
  re2::StringPiece found;
  if (!expression.Match(piece(text), 0, text.size(), RE2::UNANCHORED, &found, 1)) {
    return std::nullopt;
  }
  const auto begin = static_cast<std::size_t>(found.data() - text.data());
  return Pattern::Range{begin, begin + found.size()};
}

bool has_letter(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char c) {
    // Beyond ASCII, nearly everything may be a letter.
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || static_cast<unsigned char>(c) >= 0x80;
  });
}

/// Whether a match may depend on where a line starts and ends, which is not the same in a block of
/// lines. May be true although it does not.
bool looks_around(std::string_view expression) {
  return expression.find_first_of("^$") != std::string_view::npos ||
         std::any_of(expression.begin(), expression.end(), [&](const char& c) {
           const char* next = &c + 1;
           return c == '\\' && next != expression.data() + expression.size() &&
                  std::string_view("AzbBQC").find(*next) != std::string_view::npos;
         });
}

/// Collects the texts between the parts of an expression that are not text.
class RequiredText {
 public:
  explicit RequiredText(std::string_view expression) : rest_(expression) {}

  std::string find() {
    while (!rest_.empty()) {
      if (!take_part()) {
        return {};
      }
    }
    end_run();
    return best_;
  }

 private:
  /// Reads one part of the outermost sequence; false if no text is required, or none that is known.
  bool take_part() {
    const char c = rest_.front();
    switch (c) {
      case '|':
        return false;
      case '(':
        end_run();
        return skip_group();
      case '[':
        end_run();
        return skip_class();
      case '.':
      case '^':
      case '$':
        end_run();
        skip(1);
        return true;
      case '*':
      case '?':
        drop_character();
        end_repetition(1);
        return true;
      case '+':
        end_repetition(1);
        return true;
      case '{':
        if (const std::size_t size = repetition_size(); size != 0) {
          drop_character();
          end_repetition(size);
          return true;
        }
        add(1);
        return true;
      case '\\':
        return take_escape();
      default: {
        std::size_t size = 0;
        if (!tenon::plugins::decode_utf8(rest_, size)) {
          return false;
        }
        add(size);
        return true;
      }
    }
  }

  bool take_escape() {
    if (rest_.size() < 2) {
      return false;
    }
    const char c = rest_[1];
    if (std::string_view("dDwWsSbBAztnrfva").find(c) != std::string_view::npos) {
      end_run();
      skip(2);
      return true;
    }
    const bool is_plain = static_cast<unsigned char>(c) < 0x80 && c > ' ' && !(c >= '0' && c <= '9') &&
                          !(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z');
    if (!is_plain) {
      return false;
    }
    skip(1);
    add(1);
    return true;
  }

  /// Skips `[...]`.
  bool skip_class() {
    std::size_t at = 1;
    if (at < rest_.size() && rest_[at] == '^') {
      ++at;
    }
    for (bool first = true; at < rest_.size(); first = false) {
      if (rest_[at] == ']' && !first) {
        skip(at + 1);
        return true;
      }
      if (rest_.substr(at, 2) == "[:") {
        const auto end = rest_.find(":]", at + 2);
        at = end == std::string_view::npos ? at + 1 : end + 2;
      } else {
        at += rest_[at] == '\\' ? 2 : 1;
      }
    }
    return false;
  }

  /// Skips `(...)`; its text is not required, because a repetition may follow.
  bool skip_group() {
    if (rest_.substr(0, 2) == "(?" && rest_.substr(0, 3) != "(?:") {
      return false;  // It may set flags that change what a text matches.
    }
    skip(rest_.substr(0, 3) == "(?:" ? 3 : 1);
    while (!rest_.empty()) {
      const char c = rest_.front();
      if (c == ')') {
        skip(1);
        return true;
      }
      if (c == '(') {
        if (!skip_group()) {
          return false;
        }
      } else if (c == '[') {
        if (!skip_class()) {
          return false;
        }
      } else if (c == '\\') {
        if (rest_.size() < 2 || rest_[1] == 'Q') {
          return false;
        }
        skip(2);
      } else {
        skip(1);
      }
    }
    return false;
  }

  /// The size of `{n}`, `{n,}` or `{n,m}`; 0 if the brace stands for itself.
  [[nodiscard]] std::size_t repetition_size() const {
    const auto end = rest_.find('}');
    if (end == std::string_view::npos || end == 1 || rest_[1] == ',') {
      return 0;
    }
    const auto inside = rest_.substr(1, end - 1);
    return inside.find_first_not_of("0123456789,") == std::string_view::npos ? end + 1 : 0;
  }

  void skip(std::size_t count) { rest_.remove_prefix(std::min(count, rest_.size())); }
  void add(std::size_t count) {
    last_ = run_.size();
    run_.append(rest_.substr(0, count));
    skip(count);
  }
  void drop_character() { run_.resize(std::min(last_, run_.size())); }
  void end_repetition(std::size_t size) {
    end_run();
    skip(size);
    if (!rest_.empty() && rest_.front() == '?') {
      skip(1);
    }
  }
  void end_run() {
    if (run_.size() > best_.size()) {
      best_ = run_;
    }
    run_.clear();
    last_ = 0;
  }

  std::string_view rest_;
  std::string run_;
  std::size_t last_ = 0;  ///< Where the last character of the run starts.
  std::string best_;
};

}  // namespace

std::string required_text(std::string_view expression) {
  return RequiredText(expression).find();
}

struct Pattern::Compiled {
  RE2 expression;
  /// If set, a match is exactly this text.
  bool is_text = false;
  /// A text that each match contains.
  std::optional<tenon::plugins::ByteFinder> required;
  /// Finds, in several lines, each match that `expression` finds in one of them.
  std::unique_ptr<RE2> over_lines;
};

Pattern::Pattern(std::string_view pattern, bool literal, bool ignore_case) {
  if (pattern.empty()) {
    throw tenon::TaskError(TENON_INVALID_ARGUMENT,
                           "`pattern` is missing; set it to a regular expression to search for");
  }
  compiled_ = std::unique_ptr<Compiled>(
      new Compiled{RE2(piece(pattern), options_for(literal, ignore_case)), false, std::nullopt, nullptr});
  if (!compiled_->expression.ok()) {
    throw tenon::TaskError(TENON_INVALID_ARGUMENT,
                           "`pattern` " + tenon::plugins::quote(pattern) +
                               " is not a regular expression: " + compiled_->expression.error() +
                               "; use the syntax of RE2, or set `literal` to search for the text itself");
  }
  std::string required = literal ? std::string(pattern) : required_text(pattern);
  if (ignore_case && has_letter(required)) {
    required.clear();
  }
  compiled_->is_text = !ignore_case && required == pattern;
  if (compiled_->is_text || required.size() >= kMinRequiredBytes) {
    compiled_->required.emplace(std::move(required));
  } else if (literal || !looks_around(pattern)) {
    RE2::Options options = options_for(literal, ignore_case);
    options.set_never_nl(true);
    compiled_->over_lines = std::make_unique<RE2>(piece(pattern), options);
    if (!compiled_->over_lines->ok()) {
      compiled_->over_lines.reset();
    }
  }
}
Pattern::Pattern(Pattern&&) noexcept = default;
Pattern::~Pattern() = default;

std::optional<Pattern::Range> Pattern::find(std::string_view line) const {
  if (compiled_->required) {
    const std::size_t at = compiled_->required->find(line);
    if (at == std::string_view::npos) {
      return std::nullopt;
    }
    if (compiled_->is_text) {
      return Range{at, at + compiled_->required->wanted().size()};
    }
  }
  return match(compiled_->expression, line);
}

std::size_t Pattern::find_candidate(std::string_view lines) const {
  if (compiled_->required) {
    return compiled_->required->find(lines);
  }
  if (compiled_->over_lines) {
    const auto range = match(*compiled_->over_lines, lines);
    return range ? range->begin : std::string_view::npos;
  }
  return 0;
}

LineSearch::LineSearch(tenon::plugins::TextReader& reader, const Pattern& pattern, std::uint32_t max_line_bytes,
                       bool invert)
    : reader_(reader), pattern_(pattern), max_line_bytes_(max_line_bytes), invert_(invert), buffer_(kBufferBytes) {}

std::string_view LineSearch::piece(std::size_t begin, std::size_t end) const noexcept {
  return {reinterpret_cast<const char*>(buffer_.data()) + begin, end - begin};
}

std::optional<LineSearch::Hit> LineSearch::next(const tenon::plugins::Poll& poll) {
  for (;;) {
    if (at_ == block_end_ && !fill(poll)) {
      return std::nullopt;
    }
    const std::string_view rest = piece(at_, block_end_);
    const std::size_t candidate = invert_ ? 0 : pattern_.find_candidate(rest);
    if (candidate >= rest.size()) {
      lines_ +=
          tenon::plugins::count_bytes(buffer_.data() + at_, buffer_.data() + block_end_, '\n') + (is_cut_ ? 1 : 0);
      at_ = block_end_;
      continue;
    }
    const std::size_t before = candidate == 0 ? std::string_view::npos : rest.rfind('\n', candidate - 1);
    const std::size_t begin = at_ + (before == std::string_view::npos ? 0 : before + 1);
    lines_ += tenon::plugins::count_bytes(buffer_.data() + at_, buffer_.data() + begin, '\n');
    const std::size_t ending = rest.find('\n', candidate);
    const bool ended = ending != std::string_view::npos;
    const std::size_t end = ended ? at_ + ending : block_end_;
    at_ = end + (ended ? 1 : 0);
    ++lines_;
    std::string_view line = piece(begin, end);
    // A line that is longer than the limit without its "\r" is cut below in any case.
    if (ended && line.ends_with('\r') && line.size() - 1 <= max_line_bytes_) {
      line.remove_suffix(1);
    }
    line = line.substr(0, max_line_bytes_);
    const auto range = pattern_.find(line);
    if (range.has_value() != invert_) {
      return Hit{lines_, line, range.value_or(Pattern::Range{})};
    }
  }
}

std::size_t LineSearch::read_more() {
  const std::size_t count = reader_.read(std::span(buffer_).subspan(size_));
  size_ += count;
  return count;
}

bool LineSearch::fill(const tenon::plugins::Poll& poll) {
  std::memmove(buffer_.data(), buffer_.data() + block_end_, size_ - block_end_);
  size_ -= block_end_;
  at_ = 0;
  block_end_ = 0;
  // Only after a long line, the rest may contain whole lines.
  std::size_t searched = std::exchange(is_cut_, false) ? 0 : size_;
  for (;;) {
    poll();
    if (const std::size_t last = piece(searched, size_).rfind('\n'); last != std::string_view::npos) {
      block_end_ = searched + last + 1;
      return true;
    }
    searched = size_;
    if (size_ == buffer_.size()) {
      if (size_ > max_line_bytes_ + 1) {
        take_long_line(poll);
        return true;
      }
      buffer_.resize(std::min(buffer_.size() * 2, std::max(buffer_.size(), max_line_bytes_ + 2)));
    }
    if (read_more() == 0) {
      block_end_ = size_;
      return size_ != 0;
    }
  }
}

void LineSearch::take_long_line(const tenon::plugins::Poll& poll) {
  const std::size_t kept = max_line_bytes_ + 2;
  // Room for what follows the part that is kept.
  buffer_.resize(std::max(buffer_.size(), kept + kBufferBytes));
  is_cut_ = true;
  block_end_ = kept;
  size_ = kept;
  while (read_more() != 0) {
    poll();
    const std::size_t ending = piece(kept, size_).find('\n');
    if (ending != std::string_view::npos) {
      const std::size_t rest = kept + ending + 1;
      std::memmove(buffer_.data() + kept, buffer_.data() + rest, size_ - rest);
      size_ -= rest - kept;
      return;
    }
    size_ = kept;
  }
}

}  // namespace text
