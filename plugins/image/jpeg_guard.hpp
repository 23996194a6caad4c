/// Converts libjpeg's errors to exceptions without unwinding through C.
///
/// libjpeg reports errors with longjmp. Jumping over a C++ object with a destructor is undefined,
/// and so is throwing through libjpeg's frames. Each use of libjpeg is therefore a small body run
/// by `guard`: it calls only libjpeg, owns nothing, and is the only frame that a jump skips. An
/// exception thrown inside a callback is kept in `JpegErrors` until libjpeg has been left.
#pragma once

#include <csetjmp>
#include <cstddef>
#include <cstdio>
#include <exception>
#include <type_traits>

#include <jpeglib.h>

#include "image/picture.hpp"

namespace image {

/// Error manager and progress monitor of one libjpeg object, which points at both: neither copyable
/// nor movable.
class JpegErrors {
 public:
  explicit JpegErrors(const Poll& poll);
  JpegErrors(const JpegErrors&) = delete;
  JpegErrors& operator=(const JpegErrors&) = delete;

  [[nodiscard]] jpeg_error_mgr* manager() noexcept { return &error_.base; }
  [[nodiscard]] jpeg_progress_mgr* monitor() noexcept { return &progress_.base; }

  /// Runs `body`. On failure throws PictureError with `what` ("the JPEG cannot be read") and
  /// libjpeg's message.
  template <typename Body>
  void guard(const char* what, Body body) {
    static_assert(std::is_trivially_destructible_v<Body>, "a jump would skip its destructor");
    if (!run(body)) {
      fail(what);
    }
  }

  /// Leaves libjpeg because the bytes have ended. Only inside `guard`.
  [[noreturn]] void leave_at_end();
  /// Leaves libjpeg with a custom error. Only inside `guard`; `message` is a literal.
  [[noreturn]] void leave(tenon_status_t code, const char* message);

 private:
  // libjpeg passes back pointers to the bases; these come first, so that the whole struct has the
  // same address.
  struct Error {
    jpeg_error_mgr base;
    JpegErrors* owner;
  };
  struct Progress {
    jpeg_progress_mgr base;
    JpegErrors* owner;
  };

  template <typename Body>
  bool run(Body& body) noexcept {
    if (setjmp(jump_) != 0) {
      return false;
    }
    body();
    return true;
  }
  [[noreturn]] void fail(const char* what);
  bool poll_quietly() noexcept;

  static void on_error(j_common_ptr object);
  static void on_message(j_common_ptr object, int level);
  static void on_progress(j_common_ptr object);

  Error error_{};
  Progress progress_{};
  std::jmp_buf jump_{};
  const Poll& poll_;
  std::exception_ptr thrown_;
  tenon_status_t code_ = TENON_CORRUPT;
  bool ends_early_ = false;
  char message_[JMSG_LENGTH_MAX] = {};
};

}  // namespace image
