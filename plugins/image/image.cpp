#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <tenon/plugin.hpp>

#include "common/content.hpp"
#include "common/file_name.hpp"
#include "image/codec.hpp"
#include "image/picture.hpp"
#include "image_generated.h"

namespace {

using image::Bytes;
using image::Format;
using tenon::plugins::Content;
using tenon::plugins::view;

tenon::plugins::Poll poll_of(const tenon::Call& call) {
  return [&call] { call.check(); };
}

/// The whole file in memory: data that the argument carries is borrowed, a file is read.
class Loaded {
 public:
  Loaded(const tenon::File& file, std::uint64_t max_size_bytes, const tenon::plugins::Poll& poll) {
    if (file.data() != nullptr) {
      if (file.data()->size() > max_size_bytes) {
        tenon::plugins::throw_too_large(view(file.path()), file.data()->size(), max_size_bytes, "max_size_bytes");
      }
      bytes_ = {file.data()->data(), file.data()->size()};
    } else {
      Content content(file);
      owned_ = read_all(content, max_size_bytes, poll);
      bytes_ = {reinterpret_cast<const std::uint8_t*>(owned_.data()), owned_.size()};
    }
  }
  Loaded(const Loaded&) = delete;
  Loaded& operator=(const Loaded&) = delete;
  [[nodiscard]] Bytes bytes() const noexcept { return bytes_; }

 private:
  std::string owned_;
  Bytes bytes_;
};

image::Decoded decode(Bytes bytes, Format format, const image::DecodeOptions& options,
                      const tenon::plugins::Poll& poll) {
  return format == Format::jpeg ? image::decode_jpeg(bytes, options, poll) : image::decode_png(bytes, options, poll);
}

/// The extension that the result gets: the present one where it fits the format already.
std::string extension_for(Format format, std::string_view path) {
  std::string extension = tenon::plugins::extension_of(path);
  if (format == Format::png) {
    return "png";
  }
  return extension == "jpeg" || extension == "jpe" || extension == "jfif" ? extension : "jpg";
}

Format result_format(Format wanted, Format present) {
  if (wanted > Format::MAX) {
    throw tenon::TaskError(TENON_INVALID_ARGUMENT, "`format` is " + std::to_string(static_cast<unsigned>(wanted)) +
                                                       "; it is auto, jpeg or png");
  }
  return wanted == Format::auto_ ? present : wanted;
}

/// A picture as a File that carries it, named after `argument`.
tenon::Offset<tenon::File> picture_file(tenon::Call& call, const tenon::File& argument, image::Picture picture,
                                        Format format, unsigned quality, std::uint32_t background,
                                        std::string_view suffix) {
  const auto poll = poll_of(call);
  const std::vector<std::uint8_t> data =
      format == Format::jpeg ? image::encode_jpeg(image::flatten(std::move(picture), background), quality, poll)
                             : image::encode_png(picture, poll);
  auto& builder = call.builder(data.size() + 1024);
  const auto content = builder.CreateVector(data);
  const auto path_text = view(argument.path());
  const auto relative_text = view(argument.relative_path());
  const std::string extension_text = extension_for(format, path_text);
  const auto path = builder.CreateString(tenon::plugins::with_extension(path_text, suffix, extension_text));
  const auto relative_path = builder.CreateString(
      relative_text.empty() ? std::string() : tenon::plugins::with_extension(relative_text, suffix, extension_text));
  const auto extension = builder.CreateString(extension_text);
  return tenon::CreateFile(builder, path, relative_path, data.size(), argument.mtime_ns(), argument.mode(),
                           tenon::FileKind::Regular, extension, content);
}

image::ImageInfoT probe(tenon::Call& call, const tenon::File& argument, const image::ProbeParams& params) {
  const Loaded loaded(argument, params.max_size_bytes(), poll_of(call));
  const auto path = view(argument.path());
  auto info = image::detect_format(loaded.bytes(), path) == Format::jpeg ? image::probe_jpeg(loaded.bytes(), path)
                                                                         : image::probe_png(loaded.bytes(), path);
  info.path = path;
  return info;
}

tenon::Offset<tenon::File> thumbnail(tenon::Call& call, const tenon::File& argument,
                                     const image::ThumbnailParams& params) {
  if (params.edge() == 0) {
    call.fail(TENON_INVALID_ARGUMENT, "`edge` is 0; give the longer edge of the thumbnail in pixels");
  }
  const auto poll = poll_of(call);
  const Loaded loaded(argument, params.max_size_bytes(), poll);
  const auto path = view(argument.path());
  const Format present = image::detect_format(loaded.bytes(), path);
  const Format format = result_format(params.format(), present);
  auto decoded = decode(loaded.bytes(), present, {params.max_pixels(), params.edge(), path}, poll);
  // From the stored size: the decoder may have scaled already, and rounded.
  const image::Size size = image::fit(decoded.stored, params.edge());
  auto small = image::scale_down(decoded.picture, size, poll);
  decoded.picture = {};
  return picture_file(call, argument, image::make_upright(std::move(small), decoded.orientation), format,
                      params.quality(), params.background(), view(params.suffix()));
}

tenon::Offset<tenon::File> convert(tenon::Call& call, const tenon::File& argument, const image::ConvertParams& params) {
  const auto poll = poll_of(call);
  const Loaded loaded(argument, params.max_size_bytes(), poll);
  const auto path = view(argument.path());
  const Format present = image::detect_format(loaded.bytes(), path);
  const Format format = result_format(params.format(), present);
  auto decoded = decode(loaded.bytes(), present, {params.max_pixels(), 0, path}, poll);
  return picture_file(call, argument, image::make_upright(std::move(decoded.picture), decoded.orientation), format,
                      params.quality(), params.background(), {});
}

}  // namespace

TENON_PLUGIN(image) {
  plugin.task<probe>("probe");
  plugin.task<thumbnail>("thumbnail");
  plugin.task<convert>("convert");
}
