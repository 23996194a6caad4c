#include "tools/tenon/failure.hpp"

#include <algorithm>
#include <utility>

#include <nlohmann/json.hpp>

#include "tools/tenon/json_output.hpp"

namespace tenon::cli {
namespace {

constexpr std::string_view kRed = "\x1b[1;31m";
constexpr std::string_view kBlue = "\x1b[1;34m";
constexpr std::string_view kPlain = "\x1b[0m";

void append_painted(std::string& text, std::string_view word, std::string_view paint, bool color) {
  if (color) {
    text += paint;
  }
  text += word;
  if (color) {
    text += kPlain;
  }
}

void append_indented(std::string& text, std::string_view block) {
  while (!block.empty()) {
    const std::size_t end = block.find('\n');
    text += "  ";
    text += block.substr(0, end);
    text += '\n';
    block.remove_prefix(end == std::string_view::npos ? block.size() : end + 1);
  }
}

}  // namespace

tl::unexpected<Failure> failure(ExitCode exit, Error error, std::string hint) {
  return tl::unexpected<Failure>(Failure{exit, std::move(error), std::move(hint), {}});
}

tl::unexpected<Failure> usage_failure(std::string message, std::string hint) {
  return failure(ExitCode::kUsage, Error{ErrorCode::kInvalidArgument, std::move(message), {}}, std::move(hint));
}

std::string to_text(const Failure& failure, bool color) {
  std::string text = "tenon: ";
  append_painted(text, "error:", kRed, color);
  text += ' ';
  text += failure.error.message;
  text += '\n';
  append_indented(text, failure.excerpt);
  if (!failure.hint.empty()) {
    text += "  ";
    append_painted(text, "hint:", kBlue, color);
    text += ' ' + failure.hint + '\n';
  }
  if (!failure.error.context.stderr_tail.empty()) {
    text += "  the worker wrote:\n";
    append_indented(text, failure.error.context.stderr_tail);
  }
  return text;
}

std::string to_json(const Failure& failure) {
  nlohmann::ordered_json error = error_to_json(failure.error);
  error["exit_code"] = static_cast<int>(failure.exit);
  if (!failure.hint.empty()) {
    error["hint"] = failure.hint;
  }
  if (!failure.excerpt.empty()) {
    error["excerpt"] = failure.excerpt;
  }
  nlohmann::ordered_json document;
  document["error"] = std::move(error);
  return dump(document);
}

std::string excerpt(std::string_view text, std::uint32_t line, std::uint32_t column) {
  if (line == 0 || column == 0) {
    return {};
  }
  for (std::uint32_t at = 1; at < line; ++at) {
    const std::size_t end = text.find('\n');
    if (end == std::string_view::npos) {
      return {};
    }
    text.remove_prefix(end + 1);
  }
  text = text.substr(0, text.find('\n'));
  if (!text.empty() && text.back() == '\r') {
    text.remove_suffix(1);
  }
  constexpr std::size_t kMaxBytes = 100;
  std::size_t caret = std::min<std::size_t>(column - 1, text.size());
  std::string shown;
  if (text.size() > kMaxBytes) {
    // Keep the caret in the middle, and do not begin inside a character.
    std::size_t begin = caret > kMaxBytes / 2 ? caret - kMaxBytes / 2 : 0;
    while (begin > 0 && (static_cast<unsigned char>(text[begin]) & 0xC0U) == 0x80U) {
      --begin;
    }
    std::size_t size = std::min(kMaxBytes, text.size() - begin);
    while (begin + size < text.size() && (static_cast<unsigned char>(text[begin + size]) & 0xC0U) == 0x80U) {
      ++size;
    }
    const bool cut_behind = begin + size < text.size();
    caret -= begin;
    text = text.substr(begin, size);
    if (begin > 0) {
      shown = "...";
      caret += shown.size();
    }
    shown += text;
    if (cut_behind) {
      shown += "...";
    }
  } else {
    shown = text;
  }
  // Tabs stay tabs below the line, several bytes of one character take one column, and nothing else moves the cursor.
  std::string marks;
  for (std::size_t i = 0; i < caret; ++i) {
    const auto byte = static_cast<unsigned char>(shown[i]);
    if ((byte & 0xC0U) != 0x80U) {
      marks += byte == '\t' ? '\t' : ' ';
    }
  }
  for (char& c : shown) {
    if (static_cast<unsigned char>(c) < 0x20 && c != '\t') {
      c = '?';
    }
  }
  return shown + '\n' + marks + "^\n";
}

}  // namespace tenon::cli
