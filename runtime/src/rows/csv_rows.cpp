#include "rows/csv_rows.hpp"

#include <algorithm>
#include <cstring>
#include <string>

namespace tenon::rows {

namespace {

/// A row with more fields is broken: each needs about a hundred bytes.
constexpr std::size_t kMaxFields = std::size_t{1} << 20;

std::size_t position_of(char wanted, std::span<const char> text, std::size_t from) noexcept {
  const void* found = from >= text.size() ? nullptr : std::memchr(text.data() + from, wanted, text.size() - from);
  return found == nullptr ? std::string_view::npos
                          : static_cast<std::size_t>(static_cast<const char*>(found) - text.data());
}

}  // namespace

CsvRowReader::Step CsvRowReader::next(const Poll& poll) {
  bool ended = false;
  for (;;) {
    const auto text = window_.text();
    if (!text.empty() || ended) {
      row_line_ = line_ + 1;
      if (text.empty()) {
        return Step::kEnd;
      }
      switch (scan(text, ended)) {
        case Scan::kRow:
          take(text);
          line_ += row_lines_;
          window_.consume(row_bytes_);
          if (spans_.size() == 1 && spans_[0].size == 0 && !spans_[0].quoted) {
            continue;  // An empty line.
          }
          return Step::kRow;
        case Scan::kBroken:
          skip_line(broken_at_, poll);
          return Step::kBroken;
        case Scan::kUnclosed:
          // Only the line with the quote is given up: what follows may be intact.
          skip_line(0, poll);
          return Step::kBroken;
        case Scan::kNeedsMore:
          break;
      }
    }
    switch (window_.more(poll)) {
      case TextWindow::More::kRead:
        break;
      case TextWindow::More::kEnd:
        ended = true;
        break;
      case TextWindow::More::kFull:
        skip_line(0, poll);
        return Step::kTooLong;
    }
  }
}

CsvRowReader::Scan CsvRowReader::scan(std::span<const char> text, bool ended) {
  spans_.clear();
  row_lines_ = 1;
  const char separator = dialect_.separator;
  for (std::size_t at = 0;;) {
    Span span{at, 0, false, false};
    if (dialect_.quote != '\0' && at < text.size() && text[at] == dialect_.quote) {
      if (const Scan result = scan_quoted(text, ended, at, span); result != Scan::kRow) {
        return result;
      }
    } else {
      std::size_t end = at;
      while (end < text.size() && text[end] != separator && text[end] != '\n') {
        ++end;
      }
      if (end == text.size() && !ended) {
        return Scan::kNeedsMore;
      }
      span.size = end - at;
      if (span.size != 0 && text[end - 1] == '\r' && (end == text.size() || text[end] == '\n')) {
        --span.size;
      }
      at = end;
    }
    if (spans_.size() == kMaxFields) {
      why_ = "has more than " + std::to_string(kMaxFields) + " fields; check `separator`";
      broken_at_ = at;
      line_ += row_lines_ - 1;
      return Scan::kBroken;
    }
    spans_.push_back(span);
    if (at == text.size() || text[at] == '\n') {
      row_bytes_ = at + (at == text.size() ? 0 : 1);
      return Scan::kRow;
    }
    ++at;  // The separator.
  }
}

/// `at` moves from the opening quote to the separator or the end of the row.
CsvRowReader::Scan CsvRowReader::scan_quoted(std::span<const char> text, bool ended, std::size_t& at, Span& span) {
  span.quoted = true;
  span.begin = at + 1;
  for (std::size_t from = at + 1;;) {
    const std::size_t quote = position_of(dialect_.quote, text, from);
    if (quote == std::string_view::npos || (quote + 1 == text.size() && !ended)) {
      if (!ended) {
        return Scan::kNeedsMore;
      }
      why_ = "the quotes of field " + std::to_string(spans_.size() + 1) +
             " are never closed; close them, or set `quote` to none if quotes are ordinary characters here";
      return Scan::kUnclosed;
    }
    if (quote + 1 < text.size() && text[quote + 1] == dialect_.quote) {
      span.doubled = true;
      from = quote + 2;
      continue;
    }
    span.size = quote - span.begin;
    at = quote + 1;
    break;
  }
  const auto field = text.subspan(span.begin, span.size);
  row_lines_ += static_cast<std::uint64_t>(std::count(field.begin(), field.end(), '\n'));
  if (at < text.size() && text[at] == '\r') {
    if (at + 1 == text.size() && !ended) {
      return Scan::kNeedsMore;
    }
    if (at + 1 == text.size() || text[at + 1] == '\n') {
      ++at;
    }
  }
  if (at < text.size() && text[at] != dialect_.separator && text[at] != '\n') {
    why_ = "there is text after the closing quote of field " + std::to_string(spans_.size() + 1) +
           "; double the quotes inside the field, or check the separator";
    broken_at_ = at;
    row_lines_ -= 1;  // skip_line() counts the last one.
    line_ += row_lines_;
    return Scan::kBroken;
  }
  return Scan::kRow;
}

void CsvRowReader::take(std::span<char> text) {
  fields_.clear();
  for (const Span& span : spans_) {
    std::size_t size = span.size;
    if (span.doubled) {
      // In place: the row is consumed.
      char* to = text.data() + span.begin;
      for (std::size_t i = 0; i < span.size; ++i) {
        const char c = text[span.begin + i];
        *to++ = c;
        i += c == dialect_.quote ? 1 : 0;
      }
      size = static_cast<std::size_t>(to - (text.data() + span.begin));
    }
    fields_.push_back({{text.data() + span.begin, size}, span.quoted});
  }
}

/// Consumes the text up to the first line ending after `from`.
void CsvRowReader::skip_line(std::size_t from, const Poll& poll) {
  ++line_;
  for (;;) {
    const auto text = window_.text();
    if (const std::size_t end = position_of('\n', text, from); end != std::string_view::npos) {
      window_.consume(end + 1);
      return;
    }
    window_.consume(text.size());
    from = 0;
    if (window_.more(poll) == TextWindow::More::kEnd) {
      return;
    }
  }
}

}  // namespace tenon::rows
