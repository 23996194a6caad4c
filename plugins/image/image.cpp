#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include <tenon/plugin.hpp>

#include "common/content.hpp"
#include "common/file_name.hpp"
#include "common/utf8.hpp"
#include "image/jpeg.hpp"
#include "image/orient.hpp"
#include "image/picture.hpp"
#include "image/png_picture.hpp"
#include "image/render.hpp"
#include "image_generated.h"

namespace {

using image::Format;
using image::Picture;
using image::PictureError;
using tenon::TaskError;
using tenon::plugins::Content;
using tenon::plugins::Poll;
using tenon::plugins::quote;
using tenon::plugins::view;

// A block of transport memory holds less than 2 GiB, including the table around the content.
constexpr std::uint64_t kLargestResultBytes = 0x7FF00000;

Poll poll_of(const tenon::Call& call) {
  return [&call] { call.check(); };
}

/// Runs `work` on the picture of `file`; its errors about the picture get the file's name.
template <typename Work>
auto with_name(const tenon::File& file, Work&& work) {
  try {
    return std::forward<Work>(work)();
  } catch (const PictureError& error) {
    const auto path = view(file.path());
    throw TaskError(error.code(), (path.empty() ? std::string("the data") : quote(path)) + ": " + error.what());
  }
}

/// Options common to thumbnail and convert.
struct Request {
  image::RenderOptions render;
  Format format = Format::auto_;
  std::uint8_t quality = 85;
  std::uint32_t background = 0xFFFFFF;
  std::string_view suffix;
  std::uint64_t max_size_bytes = 0;

  /// Throws TaskError TENON_INVALID_ARGUMENT for values out of range.
  void check() const {
    const auto refuse = [](const char* name, const std::string& value, const char* range) {
      throw TaskError(TENON_INVALID_ARGUMENT, std::string("`") + name + "` is " + value + "; it must be " + range);
    };
    if (render.edge == 0) {
      refuse("edge", "0", "a number of pixels, 1 or more");
    }
    if (quality < 1 || quality > 100) {
      refuse("quality", std::to_string(quality), "1 to 100");
    }
    if (background > 0xFFFFFF) {
      refuse("background", std::to_string(background), "a colour as 0xRRGGBB, at most 0xFFFFFF (16777215)");
    }
    if (format > Format::MAX) {
      refuse("format", std::to_string(static_cast<unsigned>(format)), "auto, jpeg or png");
    }
    if (suffix.find('/') != std::string_view::npos || suffix.find('\0') != std::string_view::npos) {
      refuse("suffix", quote(suffix), "a part of a file's name, without '/'");
    }
  }
};

/// Keeps the file's own extension if it already stands for `format`, so that a.jpg and a.jpeg
/// remain two files.
std::string_view extension_for(std::string_view path, Format format) {
  const std::string lower = tenon::plugins::extension_of(path);
  const auto is_one_of = [&lower](std::initializer_list<std::string_view> names) {
    return std::find(names.begin(), names.end(), lower) != names.end();
  };
  if (format == Format::jpeg ? is_one_of({"jpg", "jpeg", "jpe", "jfif"}) : is_one_of({"png"})) {
    return path.substr(path.size() - lower.size());
  }
  return format == Format::jpeg ? "jpg" : "png";
}

/// Converts the picture as requested: returns the bytes of the new file, and their format.
std::pair<std::vector<std::uint8_t>, Format> make_picture(std::span<const std::uint8_t> bytes, const Request& request,
                                                          const Poll& poll) {
  Picture picture;
  Format format = request.format;
  {
    const auto reader = image::open_picture(bytes, poll);
    if (format == Format::auto_) {
      format = reader->info().format;
    }
    picture = render(*reader, request.render, poll);
  }
  if (format == Format::jpeg) {
    picture = on_background(std::move(picture), request.background, poll);
    return {write_jpeg(picture, request.quality, poll), format};
  }
  return {write_png(picture, poll), format};
}

tenon::Offset<tenon::File> process(tenon::Call& call, const tenon::File& argument, const Request& request) {
  request.check();
  const Poll poll = poll_of(call);
  tenon::FileT file;
  file.mtime_ns = argument.mtime_ns();
  file.mode = argument.mode();
  std::vector<std::uint8_t> made;
  {
    std::string read;
    std::span<const std::uint8_t> bytes;
    Content content(argument);
    if (content.is_file()) {
      read = read_all(content, request.max_size_bytes, poll);
      bytes = {reinterpret_cast<const std::uint8_t*>(read.data()), read.size()};
      tenon::plugins::describe(content.status(), file);
    } else {
      bytes = {argument.data()->data(), argument.data()->size()};
      if (bytes.size() > request.max_size_bytes) {
        tenon::plugins::throw_too_large(content.path(), bytes.size(), request.max_size_bytes, "max_size_bytes");
      }
    }
    Format format{};
    std::tie(made, format) = with_name(argument, [&] { return make_picture(bytes, request, poll); });
    const auto rename = [&](std::string_view path) {
      return path.empty() ? std::string()
                          : tenon::plugins::with_extension(path, request.suffix, extension_for(path, format));
    };
    file.path = rename(view(argument.path()));
    file.relative_path = rename(view(argument.relative_path()));
    file.extension = tenon::plugins::extension_of(file.path);
  }
  if (made.size() > kLargestResultBytes) {
    call.fail(TENON_TOO_LARGE, quote(view(argument.path())) + ": the new file would have " +
                                   std::to_string(made.size()) + " bytes; the limit is " +
                                   std::to_string(kLargestResultBytes) + "; choose `jpeg` as the `format`");
  }
  auto& builder = call.builder(made.size() + 1024);
  const auto data = builder.CreateVector(made);
  const auto path = builder.CreateString(file.path);
  const auto relative_path = builder.CreateString(file.relative_path);
  const auto extension = builder.CreateString(file.extension);
  return tenon::CreateFile(builder, path, relative_path, made.size(), file.mtime_ns, file.mode,
                           tenon::FileKind::Regular, extension, data);
}

/// Reads as much of the file as its header needs: repeats with more bytes while they end too early.
image::ImageInfoT read_info(Content& content, std::uint64_t max_size_bytes, const Poll& poll) {
  constexpr std::size_t kFirstBytes = 64 * 1024;
  std::vector<std::uint8_t> bytes;
  bool at_end = false;
  for (std::size_t wanted = kFirstBytes;; wanted *= 4) {
    std::size_t size = bytes.size();
    bytes.resize(wanted);
    while (size < wanted && !at_end) {
      poll();
      const std::size_t count = content.read(std::span(bytes).subspan(size));
      size += count;
      at_end = count == 0;
    }
    bytes.resize(size);
    try {
      return image::open_picture(bytes, poll)->info();
    } catch (const PictureError& error) {
      if (!error.ends_early() || at_end) {
        throw;
      }
    }
    if (bytes.size() >= max_size_bytes) {
      tenon::plugins::throw_too_large(content.path(), bytes.size(), max_size_bytes, "max_size_bytes");
    }
  }
}

image::ImageInfoT probe(tenon::Call& call, const tenon::File& argument, const image::ProbeParams& params) {
  Content content(argument);
  const Poll poll = poll_of(call);
  auto info = with_name(argument, [&] { return read_info(content, params.max_size_bytes(), poll); });
  info.path = view(argument.path());
  return info;
}

tenon::Offset<tenon::File> thumbnail(tenon::Call& call, const tenon::File& argument,
                                     const image::ThumbnailParams& params) {
  Request request;
  request.render.edge = params.edge();
  request.render.max_pixels = params.max_pixels();
  request.format = params.format();
  request.quality = params.quality();
  request.background = params.background();
  request.suffix = view(params.suffix());
  request.max_size_bytes = params.max_size_bytes();
  return process(call, argument, request);
}

tenon::Offset<tenon::File> convert(tenon::Call& call, const tenon::File& argument, const image::ConvertParams& params) {
  Request request;
  request.render.max_pixels = params.max_pixels();
  request.format = params.format();
  request.quality = params.quality();
  request.background = params.background();
  request.suffix = view(params.suffix());
  request.max_size_bytes = params.max_size_bytes();
  return process(call, argument, request);
}

}  // namespace

TENON_PLUGIN(image) {
  plugin.task<probe>("probe");
  plugin.task<thumbnail>("thumbnail");
  plugin.task<convert>("convert");
}
