/// How libjpeg's errors become exceptions without passing through C.
///
/// libjpeg leaves by longjmp. A jump over a C++ object with a destructor is undefined, and so is an exception through
/// libjpeg's own frames. So each use of libjpeg is a small body run by `guard`: it calls libjpeg alone, owns nothing,
/// and is the only frame that a jump leaves. What was thrown inside a callback waits in `JpegErrors` until libjpeg is
/// left.
#pragma once

#include <csetjmp>
#include <cstddef>
#include <cstdio>
#include <exception>
#include <type_traits>

#include <jpeglib.h>

#include "image/picture.hpp"

namespace image {

/// Error manager and progress monitor of one libjpeg object, which points at both: neither copied nor moved.
class JpegErrors {
 public:
  explicit JpegErrors(const Poll& poll);
  JpegErrors(const JpegErrors&) = delete;
  JpegErrors& operator=(const JpegErrors&) = delete;

  [[nodiscard]] jpeg_error_mgr* manager() noexcept { return &error_.base; }
  [[nodiscard]] jpeg_progress_mgr* monitor() noexcept { return &progress_.base; }

  /// Runs `body`. Throws PictureError with `what` ("the JPEG is broken") and libjpeg's words when it fails.
  template <typename Body>
  void guard(const char* what, Body body) {
    static_assert(std::is_trivially_destructible_v<Body>, "a jump would pass over its destructor");
    if (!run(body)) {
      fail(what);
    }
  }

  /// Leaves libjpeg because the bytes have ended. Inside `guard` alone.
  [[noreturn]] void leave_at_end();
  /// Leaves libjpeg with an error of its own. Inside `guard` alone; `message` is a literal.
  [[noreturn]] void leave(tenon_status_t code, const char* message);

 private:
  // libjpeg gives back pointers to the bases; they stand first, so that the whole is at the same address.
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
