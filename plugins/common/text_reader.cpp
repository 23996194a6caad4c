#include "common/text_reader.hpp"

#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include <tenon/plugin.hpp>

#include "common/foreign.hpp"
#include "common/utf8.hpp"

namespace tenon::plugins {

namespace {

constexpr std::size_t kInputBytes = 256u << 10;
constexpr int kMaxZstdWindowLog = 27;

[[noreturn]] void throw_broken(const Content& content, const char* format, const std::string& why) {
  throw TaskError(TENON_CORRUPT, quote(content.path()) + ": the " + format + " data is corrupt: " + why);
}

[[noreturn]] void throw_cut_off(const Content& content, const char* format) {
  throw TaskError(TENON_CORRUPT,
                  quote(content.path()) + ": the " + format + " data ends too early; the file is truncated");
}

[[noreturn]] void throw_foreign(const Content& content, const std::string& what, const ForeignKind& kind) {
  throw TaskError(TENON_UNSUPPORTED, quote(content.path()) + ": " + what + std::string(kind.name) + ", not text; " +
                                         std::string(kind.advice));
}

}  // namespace

/// Unpacks one format. Further members after the first one of a file belong to the text.
class TextReader::Decoder {
 public:
  explicit Decoder(Content& content) : content_(content), input_(kInputBytes) {}
  virtual ~Decoder() = default;
  /// "gzip" or "zstd".
  [[nodiscard]] virtual const char* format() const noexcept = 0;
  virtual std::size_t read(std::span<std::uint8_t> buffer) = 0;

 protected:
  /// Whether there is input left; reads more if necessary.
  bool fill() {
    if (position_ == size_) {
      size_ = content_.read(input_);
      position_ = 0;
    }
    return size_ != 0;
  }
  Content& content_;
  std::vector<std::uint8_t> input_;
  std::size_t position_ = 0;
  std::size_t size_ = 0;
};

namespace {

class GzipDecoder final : public TextReader::Decoder {
 public:
  explicit GzipDecoder(Content& content) : Decoder(content) {
    constexpr int kGzipOnly = 15 + 16;
    if (::inflateInit2(&stream_, kGzipOnly) != Z_OK) {
      throw std::bad_alloc();
    }
  }
  ~GzipDecoder() override { ::inflateEnd(&stream_); }
  GzipDecoder(const GzipDecoder&) = delete;
  GzipDecoder& operator=(const GzipDecoder&) = delete;
  const char* format() const noexcept override { return "gzip"; }

  std::size_t read(std::span<std::uint8_t> buffer) override {
    stream_.next_out = buffer.data();
    stream_.avail_out = static_cast<uInt>(std::min<std::size_t>(buffer.size(), 1u << 30));
    const uInt room = stream_.avail_out;
    while (stream_.avail_out == room) {
      if (!fill()) {
        if (in_member_) {
          throw_cut_off(content_, "gzip");
        }
        return 0;
      }
      if (!in_member_) {
        // gzip pads tape blocks with zeros; such padding is not a member.
        if (members_ != 0 && input_[position_] == 0) {
          ++position_;
          continue;
        }
        ::inflateReset(&stream_);
        in_member_ = true;
      }
      stream_.next_in = input_.data() + position_;
      stream_.avail_in = static_cast<uInt>(size_ - position_);
      const int status = ::inflate(&stream_, Z_NO_FLUSH);
      position_ = size_ - stream_.avail_in;
      if (status == Z_STREAM_END) {
        in_member_ = false;
        ++members_;
      } else if (status == Z_MEM_ERROR) {
        throw std::bad_alloc();
      } else if (status != Z_OK && status != Z_BUF_ERROR) {
        throw_broken(content_, "gzip", stream_.msg != nullptr ? stream_.msg : "unknown reason");
      }
    }
    return room - stream_.avail_out;
  }

 private:
  z_stream stream_{};
  bool in_member_ = false;
  std::uint64_t members_ = 0;
};

class ZstdDecoder final : public TextReader::Decoder {
 public:
  explicit ZstdDecoder(Content& content) : Decoder(content), stream_(::ZSTD_createDStream()) {
    if (stream_ == nullptr) {
      throw std::bad_alloc();
    }
    ::ZSTD_DCtx_setParameter(stream_.get(), ZSTD_d_windowLogMax, kMaxZstdWindowLog);
  }

  const char* format() const noexcept override { return "zstd"; }

  std::size_t read(std::span<std::uint8_t> buffer) override {
    ZSTD_outBuffer output{buffer.data(), buffer.size(), 0};
    while (output.pos == 0) {
      // Output may still be buffered when all input has been consumed, so empty input means the end
      // only between frames.
      const bool more = fill();
      if (!more && !in_frame_) {
        return 0;
      }
      const std::size_t begin = position_;
      ZSTD_inBuffer input{input_.data(), size_, position_};
      const std::size_t status = ::ZSTD_decompressStream(stream_.get(), &output, &input);
      position_ = input.pos;
      if (::ZSTD_isError(status) != 0) {
        // Other formats, such as LZ4, have skippable frames too.
        if (!in_frame_ && ::ZSTD_getErrorCode(status) == ZSTD_error_prefix_unknown) {
          if (const auto kind = foreign_kind(std::span(input_).subspan(begin, size_ - begin)); !kind.name.empty()) {
            throw_foreign(content_, "the data after a skippable frame is ", kind);
          }
        }
        throw_broken(content_, "zstd", ::ZSTD_getErrorName(status));
      }
      in_frame_ = status != 0;
      if (!more && in_frame_ && output.pos == 0) {
        throw_cut_off(content_, "zstd");
      }
    }
    return output.pos;
  }

 private:
  struct Free {
    void operator()(ZSTD_DStream* stream) const noexcept { ::ZSTD_freeDStream(stream); }
  };
  std::unique_ptr<ZSTD_DStream, Free> stream_;
  bool in_frame_ = false;
};

/// Number of bytes that identify a packed file.
constexpr std::size_t kMagicBytes = 4;

bool is_gzip(std::span<const std::uint8_t> head) {
  return head.size() >= 2 && head[0] == 0x1F && head[1] == 0x8B;
}

/// A frame of zstd, possibly from before release 1.0 (which the library may refuse), or a skippable
/// one, with which files of pzstd and seekable files start.
bool is_zstd(std::span<const std::uint8_t> head) {
  if (head.size() < kMagicBytes) {
    return false;
  }
  const bool frame = (head[0] == 0x1E || (head[0] >= 0x22 && head[0] <= 0x28)) && head[1] == 0xB5 && head[2] == 0x2F &&
                     head[3] == 0xFD;
  const bool skippable = (head[0] & 0xF0) == 0x50 && head[1] == 0x2A && head[2] == 0x4D && head[3] == 0x18;
  return frame || skippable;
}

}  // namespace

TextReader::TextReader(Content& content, std::uint64_t max_size_bytes)
    : content_(content), max_size_bytes_(max_size_bytes) {
  std::array<std::uint8_t, kMagicBytes> head{};
  std::size_t size = 0;
  while (size < head.size()) {
    const std::size_t count = content_.read(std::span(head).subspan(size));
    if (count == 0) {
      break;
    }
    size += count;
  }
  content_.seek(0);
  const auto seen = std::span<const std::uint8_t>(head).first(size);
  if (is_gzip(seen)) {
    decoder_ = std::make_unique<GzipDecoder>(content_);
  } else if (is_zstd(seen)) {
    decoder_ = std::make_unique<ZstdDecoder>(content_);
  }
}

TextReader::~TextReader() = default;

std::string_view TextReader::format() const noexcept {
  return decoder_ ? decoder_->format() : std::string_view();
}

std::size_t TextReader::read(std::span<std::uint8_t> buffer) {
  if (buffer.empty()) {
    return 0;
  }
  if (!head_checked_) {
    check_head();
  }
  if (head_.empty()) {
    return fetch(buffer);
  }
  const std::size_t count = std::min(buffer.size(), head_.size());
  std::copy_n(head_.begin(), count, buffer.begin());
  head_.erase(head_.begin(), head_.begin() + static_cast<std::ptrdiff_t>(count));
  return count;
}

void TextReader::check_head() {
  head_checked_ = true;
  head_.resize(kForeignHeadBytes);
  std::size_t size = 0;
  while (size < head_.size()) {
    const std::size_t count = fetch(std::span(head_).subspan(size));
    if (count == 0) {
      break;
    }
    size += count;
  }
  head_.resize(size);
  if (const ForeignKind kind = foreign_kind(head_); !kind.name.empty()) {
    throw_foreign(content_,
                  decoder_ ? std::string("the ") + decoder_->format() + " file contains " : std::string("is "), kind);
  }
}

std::size_t TextReader::fetch(std::span<std::uint8_t> buffer) {
  const std::size_t count = decoder_ ? decoder_->read(buffer) : content_.read(buffer);
  unpacked_bytes_ += count;
  if (unpacked_bytes_ > max_size_bytes_) {
    throw_too_large(content_.path(), unpacked_bytes_, max_size_bytes_, "max_size_bytes");
  }
  return count;
}

bool TextReader::skip_to(std::uint64_t offset_bytes, const Poll& poll) {
  if (!decoder_) {
    head_checked_ = offset_bytes > 0;
    content_.seek(offset_bytes);
    unpacked_bytes_ = offset_bytes;
    return offset_bytes <= content_.size_bytes();
  }
  std::vector<std::uint8_t> buffer(1u << 20);
  for (std::uint64_t skipped = 0; skipped < offset_bytes;) {
    poll();
    const auto left = static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), offset_bytes - skipped));
    const std::size_t count = read({buffer.data(), left});
    if (count == 0) {
      return false;
    }
    skipped += count;
  }
  return true;
}

}  // namespace tenon::plugins
