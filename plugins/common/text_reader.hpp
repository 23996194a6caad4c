/// Reads text from plain, gzip or zstd files, distinguished by their first bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "common/content.hpp"
#include "rows/text_window.hpp"

namespace tenon::plugins {

/// Reads unpacked bytes from start to end. Memory: a few buffers; for zstd up to 128 MiB if the
/// file requires such a large window.
class TextReader final : public rows::ByteSource {
 public:
  /// Borrows `content`. More than `max_size_bytes` unpacked bytes are an error, which stops
  /// decompression bombs. Throws TaskError TENON_IO.
  TextReader(Content& content, std::uint64_t max_size_bytes);
  ~TextReader() override;

  /// "gzip" or "zstd"; empty for a plain file.
  [[nodiscard]] std::string_view format() const noexcept;

  /// Reads up to buffer.size() bytes; 0 only at the end. Throws TaskError: TENON_IO; TENON_CORRUPT
  /// for a corrupt or truncated file; TENON_TOO_LARGE; TENON_UNSUPPORTED for a known format that is
  /// not text, naming it.
  std::size_t read(std::span<std::uint8_t> buffer) override;

  /// Skips to `offset_bytes` of the unpacked text; immediate for a plain file. Must be called
  /// before the first read. `poll` is called once per MiB. Returns whether the text is that long.
  bool skip_to(std::uint64_t offset_bytes, const Poll& poll);

  class Decoder;

 private:
  /// Reads on, regardless of the format.
  std::size_t fetch(std::span<std::uint8_t> buffer);
  void check_head();

  Content& content_;
  std::unique_ptr<Decoder> decoder_;
  std::uint64_t max_size_bytes_;
  std::uint64_t unpacked_bytes_ = 0;
  bool head_checked_ = false;
  std::vector<std::uint8_t> head_;  ///< Read for the check, and not returned yet.
};

}  // namespace tenon::plugins
