/// Converts libpng's errors to exceptions without unwinding through C; the rules are those of
/// jpeg_guard.hpp.
#pragma once

#include <csetjmp>
#include <cstdio>
#include <type_traits>

#include <png.h>

#include "image/picture.hpp"

namespace image {

/// The state of libpng's error function: the error pointer of one libpng object. Neither copyable
/// nor movable.
class PngErrors {
 public:
  PngErrors() = default;
  PngErrors(const PngErrors&) = delete;
  PngErrors& operator=(const PngErrors&) = delete;

  /// For png_create_*_struct; this object is the error pointer.
  static void on_error(png_structp png, png_const_charp message);
  static void on_warning(png_structp, png_const_charp) {}

  /// Runs `body`, which calls only libpng. On failure throws PictureError with `what` and libpng's
  /// message.
  template <typename Body>
  void guard(const char* what, Body body) {
    static_assert(std::is_trivially_destructible_v<Body>, "a jump would skip its destructor");
    if (!run(body)) {
      fail(what);
    }
  }

  /// Leaves libpng because the bytes have ended. Only inside `guard`.
  [[noreturn]] void leave_at_end();
  /// Leaves libpng because memory has run out. Only inside `guard`.
  [[noreturn]] void leave_without_memory();

 private:
  template <typename Body>
  bool run(Body& body) noexcept {
    if (setjmp(jump_) != 0) {
      return false;
    }
    body();
    return true;
  }
  [[noreturn]] void leave(const char* message);
  [[noreturn]] void fail(const char* what) const;

  std::jmp_buf jump_{};
  tenon_status_t code_ = TENON_CORRUPT;
  bool ends_early_ = false;
  char message_[256] = {};
};

}  // namespace image
