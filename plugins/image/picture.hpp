/// Types shared by readers, scaling and writers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <tenon/plugin.hpp>

#include "common/poll.hpp"
#include "image_generated.h"

namespace image {

using tenon::plugins::Poll;

/// Thrown for a picture that cannot be used. The message says what is wrong and what to do, but not
/// which file it was: a caller that knows the name adds it.
class PictureError : public tenon::TaskError {
 public:
  PictureError(tenon_status_t code, const std::string& message, bool ends_early = false)
      : TaskError(code, message), ends_early_(ends_early) {}
  /// Whether the bytes ended before the picture did.
  [[nodiscard]] bool ends_early() const noexcept { return ends_early_; }

 private:
  bool ends_early_;
};

/// Width, height and samples per pixel: 1 gray, 2 gray and alpha, 3 red green blue, 4 red green
/// blue alpha. Samples have 8 bits; colours are not premultiplied by alpha.
struct Shape {
  std::uint32_t width = 0;
  std::uint32_t height = 0;
  std::uint32_t channels = 0;

  [[nodiscard]] std::size_t row_bytes() const noexcept { return std::size_t{width} * channels; }
  [[nodiscard]] std::size_t size_bytes() const noexcept { return row_bytes() * height; }
  [[nodiscard]] bool has_alpha() const noexcept { return channels == 2 || channels == 4; }
};

/// A picture in memory, row by row from the top, without gaps.
struct Picture {
  Shape shape;
  std::vector<std::uint8_t> pixels;

  Picture() = default;
  explicit Picture(const Shape& made_shape) : shape(made_shape), pixels(made_shape.size_bytes()) {}
  [[nodiscard]] std::span<std::uint8_t> row(std::uint32_t y) noexcept {
    return {pixels.data() + y * shape.row_bytes(), shape.row_bytes()};
  }
  [[nodiscard]] std::span<const std::uint8_t> row(std::uint32_t y) const noexcept {
    return {pixels.data() + y * shape.row_bytes(), shape.row_bytes()};
  }
};

/// The form in which a reader returns a picture: each pixel of `shape` stands for a square of
/// `divisor` by `divisor` pixels; those at the right and lower edge stand for the remainder.
struct Rows {
  Shape shape;
  std::uint32_t divisor = 1;
};

/// Reads one picture from bytes that must outlive the reader: first its header, then its rows from
/// the top. Not thread-safe. The functions throw PictureError or exceptions of the poll.
class PictureReader {
 public:
  virtual ~PictureReader() = default;
  PictureReader() = default;
  PictureReader(const PictureReader&) = delete;
  PictureReader& operator=(const PictureReader&) = delete;

  /// The header's information; `path` is empty.
  [[nodiscard]] virtual const ImageInfoT& info() const noexcept = 0;
  /// Starts reading the pixels. They may be reduced if the format makes that cheap, but then the
  /// longer edge is at least `least_edge`. Called once.
  virtual Rows start(std::uint64_t least_edge) = 0;
  /// Reads the next row; `row` has shape.row_bytes() bytes. Called once per row after start().
  virtual void read_row(std::span<std::uint8_t> row) = 0;
  /// Checks the data after the last row. Called once after it.
  virtual void finish() = 0;
};

/// Opens a JPEG or PNG picture and reads its header. `poll` is called during long work and must
/// outlive the reader. Throws PictureError: TENON_UNSUPPORTED for other files, with their likely
/// format; TENON_CORRUPT for damaged ones.
std::unique_ptr<PictureReader> open_picture(std::span<const std::uint8_t> bytes, const Poll& poll);

}  // namespace image
