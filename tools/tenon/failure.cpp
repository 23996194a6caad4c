#include "tools/tenon/failure.hpp"

#include <algorithm>
#include <utility>

#include <nlohmann/json.hpp>

#include "base/source_excerpt.hpp"
#include "base/text.hpp"
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

void append_indented(std::string& text, std::string_view block, std::string_view indent = "  ") {
  while (!block.empty()) {
    const std::size_t end = block.find('\n');
    text += indent;
    text += block.substr(0, end);
    text += '\n';
    block.remove_prefix(end == std::string_view::npos ? block.size() : end + 1);
  }
}

std::string_view last_lines(std::string_view text, std::size_t count) {
  std::size_t begin = text.size();
  while (count > 0 && begin > 0) {
    const std::size_t before = begin >= 2 ? text.rfind('\n', begin - 2) : std::string_view::npos;
    begin = before == std::string_view::npos ? 0 : before + 1;
    --count;
  }
  return text.substr(begin);
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
  return text + crash_text(failure.error);
}

std::string crash_text(const Error& error, std::size_t max_lines) {
  std::string text;
  const ErrorContext& context = error.context;
  if (error.code == ErrorCode::kCrashed && !context.task.empty()) {
    text += "  task: " + internal::printable(context.task);
    if (!context.plugin.empty()) {
      text += " of " + internal::printable(context.plugin);
    }
    if (context.attempt > 0) {
      text += ", attempt " + std::to_string(context.attempt);
    }
    text += '\n';
  }
  for (const auto& [stream, tail] : {std::pair<std::string_view, std::string_view>("stderr", context.stderr_tail),
                                     std::pair<std::string_view, std::string_view>("stdout", context.stdout_tail)}) {
    if (!tail.empty()) {
      text += "  the worker wrote to " + std::string(stream) + ":\n";
      append_indented(text, last_lines(tail, max_lines), "    ");
    }
  }
  return text;
}

std::string to_json(const Failure& failure) {
  Json error = internal::to_json(failure.error);
  error["exit_code"] = static_cast<int>(failure.exit);
  if (!failure.hint.empty()) {
    error["hint"] = failure.hint;
  }
  if (!failure.excerpt.empty()) {
    error["excerpt"] = failure.excerpt;
  }
  Json document;
  document["error"] = std::move(error);
  return dump(document);
}

std::string excerpt(std::string_view text, std::uint32_t line, std::uint32_t column) {
  constexpr std::size_t kMaxBytes = 100;
  const auto shown_line = internal::source_line(text, line);
  if (!shown_line || column == 0) {
    return {};
  }
  const internal::SourceExcerpt shown = internal::excerpt_of(*shown_line, column, 1, kMaxBytes);
  return shown.text + '\n' + shown.marks + '\n';
}

}  // namespace tenon::cli
