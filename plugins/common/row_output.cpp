#include "common/row_output.hpp"

#include <vector>

#include "common/content.hpp"
#include "common/text_reader.hpp"
#include "common/utf8.hpp"

namespace tenon::plugins {
namespace {

constexpr std::size_t kFlushBytes = 256u << 10;
/// Further broken items of a session are only counted.
constexpr std::uint64_t kMaxLogged = 10;

std::string named(std::string_view format) {
  return format.empty() ? "plain text" : "a " + std::string(format) + " file";
}

}  // namespace

RowOutput::RowOutput(OutputOptions options) : file_(std::move(options)), packer_(TextPacker::make(file_.path())) {}

void RowOutput::start(const Poll& poll) {
  bool in_line = false;
  if (file_.options().existing == OutputExisting::kAppend) {
    if (const auto status = file_.existing()) {
      in_line = ends_in_line(*status, poll);
    }
  }
  file_.start(poll);
  if (in_line && appends_to_text()) {
    text_ = "\n";
    flush(false, poll);
  }
}

bool RowOutput::ends_in_line(const struct stat& status, const Poll& poll) const {
  if (status.st_size == 0) {
    return false;
  }
  Content content(file_.path());
  TextReader reader(content, UINT64_MAX);
  if (reader.format() != packer_->format()) {
    throw TaskError(TENON_INVALID_ARGUMENT, quote(file_.path()) + ": is " + named(reader.format()) +
                                                ", and its name is that of " + named(packer_->format()) +
                                                "; rename it, or set `existing` to replace");
  }
  if (reader.format().empty()) {
    reader.skip_to(content.size_bytes() - 1, poll);
  }
  std::vector<std::uint8_t> buffer(kFlushBytes);
  std::uint8_t last = '\n';
  while (const std::size_t count = reader.read(buffer)) {
    poll();
    last = buffer[count - 1];
  }
  return last != '\n';
}

void RowOutput::end_row(const Poll& poll) {
  if (text_.size() >= kFlushBytes) {
    flush(false, poll);
  }
}

void RowOutput::flush(bool end_member, const Poll& poll) {
  // SUBTLE: the engine continues after a checkpoint that failed, but the packer may have lost text.
  if (failure_) {
    std::rethrow_exception(failure_);
  }
  try {
    const TextPacker::Sink sink = [&](std::span<const std::uint8_t> packed) { file_.write(packed, poll); };
    if (!text_.empty()) {
      packer_->write(text_, sink);
    }
    if (end_member) {
      packer_->end(sink);
    }
  } catch (...) {
    failure_ = std::current_exception();
    throw;
  }
  text_.clear();
  if (text_.capacity() > 4 * kFlushBytes) {
    text_.shrink_to_fit();
  }
}

OutputPosition RowOutput::position() {
  // A checkpoint runs in a call of its own, so there is nothing to poll. It is short.
  flush(true, [] {});
  return file_.position();
}

tenon::FileT RowOutput::finish(const Poll& poll) {
  flush(true, poll);
  if (file_.size_bytes() == 0 && !packer_->format().empty()) {
    // A packed file without text has a member too.
    const TextPacker::Sink sink = [&](std::span<const std::uint8_t> packed) { file_.write(packed, poll); };
    packer_->write({}, sink);
    packer_->end(sink);
  }
  return file_.finish(poll);
}

void BrokenItems::add(std::uint64_t item, const std::string& why) {
  const std::string message = quote(path_) + ", item " + std::to_string(item) + ": " + why;
  if (!skip_) {
    throw TaskError(TENON_INVALID_ARGUMENT, message);
  }
  if (++count_ <= kMaxLogged) {
    call_.log(TENON_LOG_WARNING, message + "; skipped");
  }
}

void BrokenItems::finish() const {
  if (count_ != 0) {
    call_.log(TENON_LOG_WARNING, quote(path_) + ": " + std::to_string(count_) + " items were skipped");
  }
}

}  // namespace tenon::plugins
