#include "image/jpeg_guard.hpp"

#include <cstring>
#include <string>
#include <utility>

#include <jerror.h>

namespace image {
namespace {

// A small progressive file can request thousands of passes over a large picture; real files have
// about ten.
constexpr int kMaxScans = 500;

/// libjpeg reports them as warnings and continues with gray or garbage. Others, such as bytes
/// between two parts, are harmless.
bool spoils_pixels(int code) noexcept {
  switch (code) {
    case JWRN_ARITH_BAD_CODE:
    case JWRN_HIT_MARKER:
    case JWRN_HUFF_BAD_CODE:
    case JWRN_JPEG_EOF:
    case JWRN_MUST_RESYNC:
    case JWRN_NOT_SEQUENTIAL:
    case JWRN_BOGUS_PROGRESSION:
      return true;
    default:
      return false;
  }
}

tenon_status_t status_of(int code) noexcept {
  switch (code) {
    case JERR_OUT_OF_MEMORY:
      return TENON_OUT_OF_MEMORY;
    case JERR_ARITH_NOTIMPL:
    case JERR_BAD_PRECISION:
    case JERR_SOF_UNSUPPORTED:
    case JERR_CONVERSION_NOTIMPL:
      return TENON_UNSUPPORTED;
    default:
      return TENON_CORRUPT;
  }
}

}  // namespace

JpegErrors::JpegErrors(const Poll& poll) : poll_(poll) {
  jpeg_std_error(&error_.base);
  error_.owner = this;
  error_.base.error_exit = on_error;
  error_.base.emit_message = on_message;
  error_.base.output_message = [](j_common_ptr) {};
  progress_.owner = this;
  progress_.base.progress_monitor = on_progress;
}

void JpegErrors::on_error(j_common_ptr object) {
  JpegErrors& self = *reinterpret_cast<Error*>(object->err)->owner;
  object->err->format_message(object, self.message_);
  self.code_ = status_of(object->err->msg_code);
  std::longjmp(self.jump_, 1);
}

void JpegErrors::on_message(j_common_ptr object, int level) {
  if (level < 0 && spoils_pixels(object->err->msg_code)) {
    on_error(object);
  }
}

void JpegErrors::on_progress(j_common_ptr object) {
  JpegErrors& self = *reinterpret_cast<Progress*>(object->progress)->owner;
  if (!self.poll_quietly()) {
    std::longjmp(self.jump_, 1);
  }
  if (object->is_decompressor && reinterpret_cast<j_decompress_ptr>(object)->input_scan_number > kMaxScans) {
    self.leave(TENON_UNSUPPORTED, "it has more than 500 scans");
  }
}

bool JpegErrors::poll_quietly() noexcept {
  try {
    poll_();
    return true;
  } catch (...) {
    thrown_ = std::current_exception();
    return false;
  }
}

void JpegErrors::leave_at_end() {
  ends_early_ = true;
  leave(TENON_CORRUPT, "the file ends before the picture does");
}

void JpegErrors::leave(tenon_status_t code, const char* message) {
  code_ = code;
  std::snprintf(message_, sizeof(message_), "%s", message);
  std::longjmp(jump_, 1);
}

void JpegErrors::fail(const char* what) {
  if (thrown_) {
    std::rethrow_exception(std::exchange(thrown_, nullptr));
  }
  const char* advice = code_ == TENON_OUT_OF_MEMORY ? "; lower `max_pixels`, or give the worker more memory"
                       : code_ == TENON_UNSUPPORTED ? "; save it as a baseline or progressive JPEG of 8 bits"
                                                    : "; get a complete copy of the file";
  throw PictureError(code_, std::string(what) + ": " + message_ + advice, ends_early_);
}

}  // namespace image
