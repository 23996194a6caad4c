#include "common/text_packer.hpp"

#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <array>
#include <new>
#include <string>
#include <vector>

#include <tenon/plugin.hpp>

#include "common/file_name.hpp"

namespace tenon::plugins {
namespace {

constexpr std::size_t kOutputBytes = 256u << 10;

class Plain final : public TextPacker {
 public:
  [[nodiscard]] std::string_view format() const noexcept override { return {}; }
  void write(std::string_view text, const Sink& sink) override {
    sink({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
  }
  void end(const Sink&) override {}
};

class GzipPacker final : public TextPacker {
 public:
  GzipPacker() : output_(kOutputBytes) {
    constexpr int kGzip = 15 + 16;
    constexpr int kMemoryLevel = 8;
    if (::deflateInit2(&stream_, Z_DEFAULT_COMPRESSION, Z_DEFLATED, kGzip, kMemoryLevel, Z_DEFAULT_STRATEGY) != Z_OK) {
      throw std::bad_alloc();
    }
  }
  ~GzipPacker() override { ::deflateEnd(&stream_); }
  GzipPacker(const GzipPacker&) = delete;
  GzipPacker& operator=(const GzipPacker&) = delete;
  [[nodiscard]] std::string_view format() const noexcept override { return "gzip"; }

  void write(std::string_view text, const Sink& sink) override {
    constexpr std::size_t kMost = 1u << 30;  // zlib counts with 32 bits.
    open_ = true;
    while (!text.empty()) {
      const std::size_t size = std::min(text.size(), kMost);
      // NOLINTNEXTLINE: zlib only reads
      stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
      stream_.avail_in = static_cast<uInt>(size);
      while (stream_.avail_in != 0) {
        deflate(Z_NO_FLUSH, sink);
      }
      text.remove_prefix(size);
    }
  }
  void end(const Sink& sink) override {
    if (open_) {
      while (deflate(Z_FINISH, sink) != Z_STREAM_END) {
      }
      ::deflateReset(&stream_);
      open_ = false;
    }
  }

 private:
  int deflate(int flush, const Sink& sink) {
    stream_.next_out = output_.data();
    stream_.avail_out = static_cast<uInt>(output_.size());
    const int status = ::deflate(&stream_, flush);
    if (status != Z_OK && status != Z_STREAM_END && status != Z_BUF_ERROR) {
      throw TaskError(TENON_INTERNAL, "zlib cannot pack the text: code " + std::to_string(status));
    }
    if (const std::size_t size = output_.size() - stream_.avail_out; size != 0) {
      sink(std::span(output_).first(size));
    }
    return status;
  }

  z_stream stream_{};
  std::vector<std::uint8_t> output_;
  bool open_ = false;
};

class ZstdPacker final : public TextPacker {
 public:
  ZstdPacker() : stream_(::ZSTD_createCCtx()), output_(kOutputBytes) {
    if (stream_ == nullptr) {
      throw std::bad_alloc();
    }
    ::ZSTD_CCtx_setParameter(stream_.get(), ZSTD_c_checksumFlag, 1);
  }
  [[nodiscard]] std::string_view format() const noexcept override { return "zstd"; }

  void write(std::string_view text, const Sink& sink) override {
    open_ = true;
    ZSTD_inBuffer input{text.data(), text.size(), 0};
    while (input.pos < input.size) {
      compress(input, ZSTD_e_continue, sink);
    }
  }
  void end(const Sink& sink) override {
    if (open_) {
      ZSTD_inBuffer input{nullptr, 0, 0};
      while (compress(input, ZSTD_e_end, sink) != 0) {
      }
      open_ = false;
    }
  }

 private:
  struct Free {
    void operator()(ZSTD_CCtx* stream) const noexcept { ::ZSTD_freeCCtx(stream); }
  };
  /// Returns 0 if nothing is left to flush.
  std::size_t compress(ZSTD_inBuffer& input, ZSTD_EndDirective directive, const Sink& sink) {
    ZSTD_outBuffer out{output_.data(), output_.size(), 0};
    const std::size_t left = ::ZSTD_compressStream2(stream_.get(), &out, &input, directive);
    if (::ZSTD_isError(left) != 0) {
      throw TaskError(TENON_INTERNAL, std::string("zstd cannot pack the text: ") + ::ZSTD_getErrorName(left));
    }
    if (out.pos != 0) {
      sink(std::span(output_).first(out.pos));
    }
    return left;
  }

  std::unique_ptr<ZSTD_CCtx, Free> stream_;
  std::vector<std::uint8_t> output_;
  bool open_ = false;
};

}  // namespace

std::unique_ptr<TextPacker> TextPacker::make(std::string_view path) {
  const std::string extension = extension_of(path);
  if (extension == "gz") {
    return std::make_unique<GzipPacker>();
  }
  if (extension == "zst" || extension == "zstd") {
    return std::make_unique<ZstdPacker>();
  }
  return std::make_unique<Plain>();
}

std::string_view without_packing(std::string_view path) noexcept {
  for (const std::string_view extension : {".gz", ".zst", ".zstd"}) {
    if (path.size() > extension.size() && path.ends_with(extension)) {
      return path.substr(0, path.size() - extension.size());
    }
  }
  return path;
}

}  // namespace tenon::plugins
