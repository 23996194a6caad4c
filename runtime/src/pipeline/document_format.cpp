#include "pipeline/document_format.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <utility>
#include <vector>

namespace tenon::internal {
namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
constexpr std::size_t kIndent = 2;

bool is_blank(char c) noexcept {
  return c == ' ' || c == '\t' || c == '\r';
}

bool is_bare(std::string_view key) noexcept {
  return !key.empty() && key.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") ==
                             std::string_view::npos;
}

/// Part of an array or an inline table.
struct Piece {
  enum class Kind { kElement, kComment, kNewline };
  Kind kind = Kind::kElement;
  std::string text;
  bool ends_empty_line = false;  ///< Of a newline.
};

/// Writes a text again, token by token. The text is valid TOML, but nothing depends on that: an
/// unexpected byte is copied as it is. Used once.
class Formatter {
 public:
  explicit Formatter(std::string_view text) : text_(text) {}

  std::string run() {
    if (text_.starts_with(kByteOrderMark)) {
      at_ = kByteOrderMark.size();
    }
    while (!ended()) {
      skip_blanks();
      if (ended()) {
        break;
      }
      switch (peek()) {
        case '\n':
          take_empty_line();
          break;
        case '#':
          comments_.push_back(comment());
          end_line();
          break;
        case '[':
          take_header();
          break;
        default:
          take_entry();
      }
    }
    flush_comments();
    return std::move(out_);
  }

 private:
  [[nodiscard]] bool ended() const noexcept { return at_ >= text_.size(); }
  [[nodiscard]] char peek(std::size_t ahead = 0) const noexcept {
    return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0';
  }

  void skip_blanks() noexcept {
    while (!ended() && is_blank(peek())) {
      ++at_;
    }
  }

  /// Consumes the rest of a line, which has only blanks.
  void end_line() noexcept {
    skip_blanks();
    if (peek() == '\n') {
      ++at_;
    }
  }

  void take_empty_line() {
    ++at_;
    // Comments before an empty line stand by themselves.
    flush_comments();
    empty_line_ = true;
  }

  /// Writes an empty line, unless it would be the first line or follow another one.
  void separate() {
    if (!out_.empty() && !out_.ends_with("\n\n")) {
      out_ += '\n';
    }
  }

  void flush_comments() {
    if (comments_.empty()) {
      return;
    }
    if (std::exchange(empty_line_, false) && !after_header_) {
      separate();
    }
    for (const std::string& one : comments_) {
      out_ += one + '\n';
    }
    comments_.clear();
    after_header_ = false;
  }

  /// Consumes a comment; returns it without the blanks at its end.
  std::string comment() {
    const std::size_t begin = at_;
    at_ = std::min(text_.find('\n', at_), text_.size());
    std::size_t end = at_;
    while (end > begin && is_blank(text_[end - 1])) {
      --end;
    }
    return std::string(text_.substr(begin, end - begin));
  }

  /// Appends the comment at the end of a line of the file, if there is one, and ends the line.
  void finish_line(std::string line) {
    skip_blanks();
    if (peek() == '#') {
      line += " " + comment();
    }
    out_ += line + '\n';
    end_line();
  }

  void take_header() {
    // One empty line before each header, or before the comments directly above it.
    empty_line_ = false;
    separate();
    flush_comments();
    const std::size_t brackets = peek(1) == '[' ? 2 : 1;
    at_ += brackets;
    std::string line(brackets, '[');
    line += key(']');
    for (std::size_t i = 0; i < brackets; ++i) {
      skip_blanks();
      at_ += peek() == ']' ? 1 : 0;
    }
    line.append(brackets, ']');
    finish_line(std::move(line));
    after_header_ = true;
  }

  void take_entry() {
    const bool empty_line = std::exchange(empty_line_, false) && !std::exchange(after_header_, false);
    if (!comments_.empty()) {
      empty_line_ = empty_line;
      flush_comments();
    } else if (empty_line) {
      separate();
    }
    after_header_ = false;
    std::string line = entry(0);
    if (ended() || peek() == '\n' || is_blank(peek()) || peek() == '#') {
      finish_line(std::move(line));
    } else {
      out_ += line;  // Not TOML; the comparison of the trees reports it.
      out_ += text_[at_++];
    }
  }

  std::string entry(std::size_t indent) {
    std::string line = key('=');
    skip_blanks();
    at_ += peek() == '=' ? 1 : 0;
    skip_blanks();
    return line + " = " + value(indent);
  }

  /// Consumes a dotted key up to `end`.
  std::string key(char end) {
    std::string out;
    while (!ended() && peek() != end && peek() != '\n') {
      if (is_blank(peek())) {
        ++at_;
      } else if (peek() == '"' || peek() == '\'') {
        const std::string quoted = string();
        const std::string_view inner(quoted.data() + 1, quoted.size() >= 2 ? quoted.size() - 2 : 0);
        out += is_bare(inner) ? std::string(inner) : quoted;
      } else {
        out += text_[at_++];
      }
    }
    return out;
  }

  std::string value(std::size_t indent) {
    switch (peek()) {
      case '"':
      case '\'':
        return string();
      case '[':
        return list(indent, ']');
      case '{':
        return list(indent, '}');
      default:
        return scalar();
    }
  }

  /// Consumes a string. One in single quotes gets double quotes if that needs no escapes; lines of
  /// text stay as they are.
  std::string string() {
    const char quote = peek();
    const std::size_t begin = at_;
    if (peek(1) == quote && peek(2) == quote) {
      at_ += 3;
      while (!ended() && !(peek() == quote && peek(1) == quote && peek(2) == quote)) {
        at_ += quote == '"' && peek() == '\\' ? 2 : 1;
      }
      at_ += 3;
      // Up to two quotes may stand directly before the closing ones.
      while (peek() == quote) {
        ++at_;
      }
      at_ = std::min(at_, text_.size());
      return std::string(text_.substr(begin, at_ - begin));
    }
    ++at_;
    while (!ended() && peek() != quote && peek() != '\n') {
      at_ += quote == '"' && peek() == '\\' ? 2 : 1;
    }
    at_ = std::min(at_ + 1, text_.size());
    std::string out(text_.substr(begin, at_ - begin));
    if (quote == '\'' && out.size() >= 2 && out.find_first_of("\\\"") == std::string::npos) {
      out.front() = '"';
      out.back() = '"';
    }
    return out;
  }

  /// Consumes a number, a boolean or a date.
  std::string scalar() {
    const std::size_t begin = at_;
    const auto ends = [](char c) { return c == ',' || c == ']' || c == '}' || c == '#' || c == '\n' || is_blank(c); };
    while (!ended() && !ends(peek())) {
      ++at_;
    }
    // A time may follow its date after a space.
    constexpr std::size_t kDateSize = 10;
    const auto digit = [this](std::size_t ahead) { return peek(ahead) >= '0' && peek(ahead) <= '9'; };
    if (at_ - begin == kDateSize && text_[begin + 4] == '-' && peek() == ' ' && digit(1) && digit(2) &&
        peek(3) == ':') {
      ++at_;
      while (!ended() && !ends(peek())) {
        ++at_;
      }
    }
    if (at_ == begin && !ended()) {
      ++at_;  // Not TOML.
    }
    return std::string(text_.substr(begin, at_ - begin));
  }

  /// Consumes an array or an inline table.
  std::string list(std::size_t indent, char close) {
    const char open = peek();
    ++at_;
    const bool lines = breaks_lines();
    const std::vector<Piece> pieces = read_pieces(lines ? indent + kIndent : indent, close);
    at_ += ended() ? 0 : 1;
    return lines ? in_lines(pieces, indent, open, close) : in_one_line(pieces, open, close);
  }

  /// Returns whether the list that has just been opened has a line break or a comment outside its
  /// elements.
  bool breaks_lines() {
    const std::size_t begin = at_;
    std::size_t depth = 0;
    bool breaks = false;
    while (!ended() && !breaks) {
      const char c = peek();
      if (c == '"' || c == '\'') {
        static_cast<void>(string());
        continue;
      }
      if ((c == ']' || c == '}') && depth-- == 0) {
        break;
      }
      depth += c == '[' || c == '{' ? 1 : 0;
      breaks = depth == 0 && (c == '\n' || c == '#');
      if (c == '#') {
        static_cast<void>(comment());
      } else {
        ++at_;
      }
    }
    at_ = begin;
    return breaks;
  }

  std::vector<Piece> read_pieces(std::size_t indent, char close) {
    std::vector<Piece> pieces;
    bool line_is_empty = false;
    while (!ended() && peek() != close) {
      if (is_blank(peek()) || peek() == ',') {
        ++at_;
      } else if (peek() == '\n') {
        ++at_;
        pieces.push_back({Piece::Kind::kNewline, {}, line_is_empty});
        line_is_empty = true;
      } else if (peek() == '#') {
        pieces.push_back({Piece::Kind::kComment, comment(), false});
        line_is_empty = false;
      } else {
        pieces.push_back({Piece::Kind::kElement, close == '}' ? entry(indent) : value(indent), false});
        line_is_empty = false;
      }
    }
    return pieces;
  }

  static std::string in_one_line(const std::vector<Piece>& pieces, char open, char close) {
    std::string out(1, open);
    const std::string_view padding = close == '}' && !pieces.empty() ? " " : "";
    out += padding;
    for (std::size_t i = 0; i < pieces.size(); ++i) {
      out += i > 0 ? ", " : "";
      out += pieces[i].text;
    }
    out += padding;
    return out + close;
  }

  /// Keeps the lines, with one indentation and a comma after each element.
  static std::string in_lines(const std::vector<Piece>& pieces, std::size_t indent, char open, char close) {
    std::string out(1, open);
    bool break_line = false;
    bool empty_line = false;  // There is one before the next text.
    for (const Piece& piece : pieces) {
      const bool first = &piece == &pieces.front();
      if (piece.kind == Piece::Kind::kNewline) {
        break_line = true;
        empty_line = empty_line || (piece.ends_empty_line && out.size() > 1);
        continue;
      }
      // Only a comment may stay beside the opening bracket.
      if (break_line || (first && piece.kind == Piece::Kind::kElement)) {
        out += empty_line ? "\n\n" : "\n";
        out.append(indent + kIndent, ' ');
      } else {
        out += ' ';
      }
      out += piece.text;
      out += piece.kind == Piece::Kind::kElement ? "," : "";
      break_line = false;
      empty_line = false;
    }
    out += '\n';
    out.append(indent, ' ');
    return out + close;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::string out_;
  std::vector<std::string> comments_;  ///< Lines of comments that may belong to what follows.
  bool empty_line_ = false;            ///< An empty line came before what follows, or before `comments_`.
  bool after_header_ = false;          ///< Nothing has been written since the last header.
};

}  // namespace

bool same_document(const Value& one, const Value& other) {
  // NaN equals nothing, not even itself.
  const bool same_real = one.real == other.real || (std::isnan(one.real) && std::isnan(other.real));
  return one.kind == other.kind && one.text == other.text && one.integer == other.integer &&
         one.large_integer == other.large_integer && same_real && one.boolean == other.boolean &&
         std::equal(one.elements.begin(), one.elements.end(), other.elements.begin(), other.elements.end(),
                    same_document) &&
         std::equal(one.entries.begin(), one.entries.end(), other.entries.begin(), other.entries.end(),
                    [](const Entry& a, const Entry& b) { return a.key == b.key && same_document(a.value, b.value); });
}

std::optional<std::string> format_document(std::string_view text, Reporter& reporter) {
  const std::optional<Value> before = parse_document(text, reporter);
  if (!before) {
    return std::nullopt;
  }
  std::string formatted = Formatter(text).run();
  Reporter unused({}, formatted);
  const std::optional<Value> after = parse_document(formatted, unused);
  if (!after || !same_document(*before, *after)) {
    reporter.error({}, "the formatted text would have another meaning; this is a defect in tenon, please report it",
                   "the file was not changed");
    return std::nullopt;
  }
  return formatted;
}

}  // namespace tenon::internal
