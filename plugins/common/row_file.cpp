#include "common/row_file.hpp"

#include <algorithm>

#include "common/utf8.hpp"

namespace tenon::plugins {
namespace {

/// Further broken rows of a session are only counted.
constexpr std::uint64_t kMaxLogged = 10;

}  // namespace

RowFile::RowFile(const tenon::File& file, std::uint64_t max_size_bytes, std::uint64_t max_row_bytes)
    : content_(file),
      reader_(content_, max_size_bytes),
      max_row_bytes_(std::min<std::uint64_t>(max_row_bytes, 1u << 30)),
      window_(reader_, static_cast<std::size_t>(max_row_bytes_)) {}

void RowFile::start(std::uint64_t offset_bytes, std::uint64_t& device, std::uint64_t& inode, const Poll& poll) {
  const std::string rest =
      " after it was read up to offset " + std::to_string(offset_bytes) + "; read it from its start";
  if (content_.is_file()) {
    const std::uint64_t now_device = content_.status().st_dev;
    const std::uint64_t now_inode = content_.status().st_ino;
    if (inode != 0 && (inode != now_inode || device != now_device)) {
      throw TaskError(TENON_FAILED, quote(path()) + ": was replaced by another file" + rest);
    }
    device = now_device;
    inode = now_inode;
  }
  if (!reader_.skip_to(offset_bytes, poll)) {
    throw TaskError(TENON_FAILED, quote(path()) + ": has become shorter" + rest);
  }
  window_.start_at(offset_bytes);
}

void BrokenRows::add(std::uint64_t line, const std::string& why, tenon_status_t code) {
  const std::string message = quote(path_) + ", line " + std::to_string(line) + ": " + why;
  if (!skip_) {
    throw TaskError(code, message);
  }
  if (++count_ <= kMaxLogged) {
    call_.log(TENON_LOG_WARNING, message + "; skipped");
  }
}

void BrokenRows::finish() const {
  if (count_ != 0) {
    call_.log(TENON_LOG_WARNING, quote(path_) + ": " + std::to_string(count_) + " broken rows were skipped");
  }
}

}  // namespace tenon::plugins
