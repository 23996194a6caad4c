/// Packs text as gzip or zstd, or leaves it as it is.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string_view>

namespace tenon::plugins {

/// Packs text into members of a file, each of which can be unpacked by itself. Not thread-safe.
class TextPacker {
 public:
  /// Takes packed bytes, which are valid during its call. What it throws leaves the packer unusable.
  using Sink = std::function<void(std::span<const std::uint8_t> packed)>;

  /// The packer for a file of this name: gzip for `.gz`, zstd for `.zst` and `.zstd`, otherwise
  /// none. Throws std::bad_alloc.
  static std::unique_ptr<TextPacker> make(std::string_view path);
  virtual ~TextPacker() = default;

  /// As TextReader::format: "gzip", "zstd", or empty.
  [[nodiscard]] virtual std::string_view format() const noexcept = 0;
  /// Starts a member if none is open, and packs `text` into it.
  virtual void write(std::string_view text, const Sink& sink) = 0;
  /// Ends the open member, if any. A file may end here.
  virtual void end(const Sink& sink) = 0;
};

/// The name without the extension of a packed file: `a.tsv` for `a.tsv.gz`.
std::string_view without_packing(std::string_view path) noexcept;

}  // namespace tenon::plugins
