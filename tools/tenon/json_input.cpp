#include "tools/tenon/json_input.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "base/text.hpp"
#include "base/try.hpp"
#include "platform/file.hpp"

namespace tenon::cli {
namespace {

constexpr std::size_t kMaxTextBytes = std::size_t{1} << 30;

Failure input_failure(Error error) {
  const ExitCode exit = error.code == ErrorCode::kCancelled ? ExitCode::kInterrupted : ExitCode::kUsage;
  return Failure{exit, std::move(error), {}, {}};
}

}  // namespace

Result<bool> LineReader::fill() {
  if (ended_) {
    return false;
  }
  if (pending_.size() - begin_ > kMaxTextBytes) {
    return fail(ErrorCode::kTooLarge, "the input holds a text of more than 1 GiB");
  }
  pending_.erase(0, begin_);
  scanned_ -= begin_;
  begin_ = 0;
  std::array<std::uint8_t, 65536> block;
  TENON_ASSIGN(const auto count, read_(block));
  ended_ = count == 0;
  pending_.append(reinterpret_cast<const char*>(block.data()), count);
  return !ended_;
}

Result<std::optional<std::string>> LineReader::next() {
  for (;;) {
    const std::size_t end = pending_.find('\n', scanned_);
    if (end != std::string::npos) {
      std::string line = pending_.substr(begin_, end - begin_);
      begin_ = end + 1;
      scanned_ = begin_;
      return std::optional(std::move(line));
    }
    scanned_ = pending_.size();
    TENON_ASSIGN(const auto more, fill());
    if (!more) {
      if (begin_ == pending_.size()) {
        return std::optional<std::string>();
      }
      std::string line = pending_.substr(begin_);
      begin_ = pending_.size();
      scanned_ = begin_;
      return std::optional(std::move(line));
    }
  }
}

Result<std::string> LineReader::rest() {
  for (;;) {
    TENON_ASSIGN(const auto more, fill());
    if (!more) {
      std::string text = pending_.substr(begin_);
      begin_ = pending_.size();
      scanned_ = begin_;
      return text;
    }
  }
}

Outcome<NamedText> read_text(const World& world, const std::string& word, std::string name) {
  if (word == "-") {
    auto text = LineReader(world.read_input).rest();
    if (!text) {
      return tl::unexpected<Failure>(input_failure(std::move(text.error())));
    }
    return NamedText{std::move(*text), "standard input"};
  }
  if (word.starts_with('@')) {
    const std::string file = word.substr(1);
    auto content = internal::read_file(file, kMaxTextBytes, internal::ReadFrom::kStream);
    if (!content) {
      return tl::unexpected<Failure>(input_failure(std::move(content.error())));
    }
    return NamedText{std::string(content->begin(), content->end()), file};
  }
  return NamedText{word, std::move(name)};
}

Outcome<Buffer> encode(const Schema& schema, const std::string& type, const NamedText& json) {
  JsonProblem problem;
  auto buffer = schema.from_json(type, json.text, &problem);
  if (buffer) {
    return std::move(*buffer);
  }
  // The problem is not in the text: an unknown type, or out of memory.
  if (problem.message.empty()) {
    return failure(ExitCode::kUsage, std::move(buffer.error()));
  }
  std::string message = internal::printable(json.name) + ':' +
                        std::to_string(problem.position.line + json.first_line - 1) + ':' +
                        std::to_string(problem.position.column) + ": ";
  if (!problem.path.empty()) {
    message += problem.path + ": ";
  }
  message += problem.message;
  Failure wrong{ExitCode::kUsage, Error{buffer.error().code, std::move(message), {}}, {}, {}};
  if (!problem.hint.empty()) {
    wrong.hint = "did you mean '" + problem.hint + "'?";
  }
  wrong.excerpt = excerpt(json.text, problem.position.line, problem.position.column);
  return tl::unexpected<Failure>(std::move(wrong));
}

}  // namespace tenon::cli
