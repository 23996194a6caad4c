// What the tasks guarantee in addition to the pixels: names, formats, params, limits, stopping.
#include <cstdlib>
#include <fstream>
#include <string>

#include "image_calls.hpp"
#include "tenon_test/catch.hpp"
#include "tenon_test/temporary_directory.hpp"
#include "tenon_test/text.hpp"

using image::ConvertParamsT;
using image::Format;
using image::ThumbnailParamsT;
using tenon::test::Canvas;
using tenon::test::data_of;
using tenon::test::encode_jpeg;
using tenon::test::encode_png;
using tenon::test::file_of;
using tenon::test::FileBytes;
using tenon::test::filled;
using tenon::test::gradient;
using tenon::test::has;
using tenon::test::Outcome;
using tenon::test::picture_of;
using tenon::test::Worker;

namespace {

bool is_jpeg(const Outcome& outcome) {
  return data_of(outcome)[0] == 0xFF;
}

}  // namespace

TEST_CASE("Thumbnail: the result is named after the argument") {
  Worker worker;
  const auto argument = file_of(encode_png(gradient(20, 10, 3)), "/photos/a.b/Sea.PNG", "a.b/Sea.PNG");
  ThumbnailParamsT params;
  params.edge = 10;
  params.suffix = "-small";
  const auto same = worker.call("thumbnail", argument, params);
  const auto& file = same.as<tenon::File>();
  CHECK(file.path()->str() == "/photos/a.b/Sea-small.PNG");
  CHECK(file.relative_path()->str() == "a.b/Sea-small.PNG");
  CHECK(file.extension()->str() == "png");
  CHECK(file.size_bytes() == file.data()->size());
  CHECK(file.mtime_ns() == tenon::test::kModifiedNs);
  CHECK(file.mode() == tenon::test::kMode);
  CHECK(file.kind() == tenon::FileKind::Regular);
  CHECK_FALSE(is_jpeg(same));

  params.format = Format::jpeg;
  params.suffix.clear();
  const auto other = worker.call("thumbnail", argument, params);
  CHECK(other.as<tenon::File>().relative_path()->str() == "a.b/Sea.jpg");
  CHECK(other.as<tenon::File>().extension()->str() == "jpg");
  CHECK(is_jpeg(other));
}

TEST_CASE("Thumbnail: a.jpg and a.jpeg stay two files") {
  Worker worker;
  const auto bytes = encode_jpeg(gradient(20, 10, 3));
  CHECK(worker.call("thumbnail", file_of(bytes, "a.jpg")).as<tenon::File>().path()->str() == "a.jpg");
  CHECK(worker.call("thumbnail", file_of(bytes, "a.jpeg")).as<tenon::File>().path()->str() == "a.jpeg");
  CHECK(worker.call("thumbnail", file_of(bytes, "a")).as<tenon::File>().path()->str() == "a.jpg");
}

TEST_CASE("Thumbnail: the format is that of the bytes, whatever the name says") {
  Worker worker;
  const auto outcome = worker.call("thumbnail", file_of(encode_jpeg(gradient(20, 10, 3)), "wrong.png"));
  CHECK(is_jpeg(outcome));
  CHECK(outcome.as<tenon::File>().path()->str() == "wrong.jpg");
}

TEST_CASE("Thumbnail: a smaller picture keeps its size") {
  Worker worker;
  const Canvas canvas = gradient(30, 20, 3);
  CHECK(picture_of(tenon::test::thumbnail(worker, encode_png(canvas), 256)).samples == canvas.samples);
}

TEST_CASE("Thumbnail: reads the file itself when the argument has no data") {
  Worker worker;
  tenon::test::TemporaryDirectory directory;
  const auto bytes = encode_png(gradient(300, 200, 4));
  tenon::FileT file;
  file.path = (directory / "it's one.png").string();
  file.relative_path = "it's one.png";
  std::ofstream(file.path, std::ios::binary)
      .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  const auto outcome = worker.call("thumbnail", file);
  const Canvas made = picture_of(outcome);
  CHECK(made.width == 256);
  CHECK(made.height == 171);
  CHECK(outcome.as<tenon::File>().mtime_ns() != 0);
  CHECK(outcome.as<tenon::File>().mode() != 0);
}

TEST_CASE("Thumbnail: transparent parts of a JPEG show the background") {
  Worker worker;
  ThumbnailParamsT params;
  params.format = Format::jpeg;
  params.background = 0xFF0000;
  params.quality = 100;
  const auto mean = [&](const Canvas& canvas) {
    return tenon::test::mean_colour(picture_of(worker.call("thumbnail", file_of(encode_png(canvas)), params)));
  };
  const auto near = [](const std::vector<double>& got, const std::vector<double>& wanted) {
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      if (got.size() != wanted.size() || std::abs(got[i] - wanted[i]) > 3) {
        return false;
      }
    }
    return true;
  };
  CHECK(near(mean(filled(16, 16, {0, 0, 255, 0})), {255, 0, 0}));
  CHECK(near(mean(filled(16, 16, {0, 0, 255, 255})), {0, 0, 255}));
  CHECK(near(mean(filled(16, 16, {0, 0, 255, 51})), {204, 0, 51}));
  CHECK(near(mean(filled(16, 16, {100, 0})), {255, 0, 0}));
  params.background = 0xFFFFFF;
  CHECK(near(mean(filled(16, 16, {100, 0})), {255}));
}

TEST_CASE("Thumbnail: quality changes the size of a JPEG") {
  Worker worker;
  ThumbnailParamsT params;
  const auto size = [&](std::uint8_t quality) {
    params.quality = quality;
    return worker.call("thumbnail", file_of(encode_jpeg(gradient(300, 300, 3))), params).as<tenon::File>().size_bytes();
  };
  CHECK(size(1) < size(50));
  CHECK(size(50) < size(100));
}

TEST_CASE("Thumbnail: params out of range are errors that name them") {
  Worker worker;
  const auto refused = [&](const ThumbnailParamsT& params, const char* name) {
    const auto outcome = worker.call("thumbnail", file_of(encode_png(gradient(4, 4, 3))), params);
    return outcome.status == TENON_INVALID_ARGUMENT && has(outcome.message, "`" + std::string(name) + "`");
  };
  ThumbnailParamsT params;
  params.edge = 0;
  CHECK(refused(params, "edge"));
  params = {};
  params.quality = 0;
  CHECK(refused(params, "quality"));
  params.quality = 101;
  CHECK(refused(params, "quality"));
  params = {};
  params.background = 0x1000000;
  CHECK(refused(params, "background"));
  params = {};
  params.suffix = "../x";
  CHECK(refused(params, "suffix"));
  params = {};
  params.format = static_cast<Format>(77);
  CHECK(refused(params, "format"));
}

TEST_CASE("Thumbnail: more pixels or bytes than allowed are refused") {
  Worker worker;
  ThumbnailParamsT params;
  params.max_pixels = 99;
  auto outcome = worker.call("thumbnail", file_of(encode_png(gradient(10, 10, 3)), "big.png"), params);
  CHECK(outcome.status == TENON_TOO_LARGE);
  CHECK(has(outcome.message, "big.png"));
  CHECK(has(outcome.message, "10x10"));
  CHECK(has(outcome.message, "max_pixels"));
  params.max_pixels = 100;
  CHECK(worker.call("thumbnail", file_of(encode_png(gradient(10, 10, 3))), params).ok());

  params.max_size_bytes = 20;
  outcome = worker.call("thumbnail", file_of(encode_png(gradient(10, 10, 3)), "big.png"), params);
  CHECK(outcome.status == TENON_TOO_LARGE);
  CHECK(has(outcome.message, "max_size_bytes"));
}

TEST_CASE("Convert: turns each format into the other") {
  Worker worker;
  ConvertParamsT params;
  CHECK_FALSE(is_jpeg(worker.call("convert", file_of(encode_jpeg(gradient(40, 30, 3))), params)));
  params.format = Format::jpeg;
  const auto jpeg = worker.call("convert", file_of(encode_png(gradient(40, 30, 3)), "x.png"), params);
  CHECK(is_jpeg(jpeg));
  CHECK(jpeg.as<tenon::File>().path()->str() == "x.jpg");
  CHECK(picture_of(jpeg).width == 40);
  params.format = Format::auto_;
  CHECK(is_jpeg(worker.call("convert", file_of(encode_jpeg(gradient(40, 30, 3))), params)));
}

TEST_CASE("Convert: a picture that no JPEG can hold is refused") {
  Worker worker;
  ConvertParamsT params;
  params.format = Format::jpeg;
  const auto outcome = worker.call("convert", file_of(encode_png(filled(70000, 1, {1})), "wide.png"), params);
  CHECK(outcome.status == TENON_TOO_LARGE);
  CHECK(has(outcome.message, "wide.png"));
  CHECK(has(outcome.message, "png"));
}

TEST_CASE("Tasks: stop when they are told to, wherever they are") {
  Worker worker;
  worker.settings.stop_status = TENON_CANCELLED;
  const std::vector<FileBytes> files{
      encode_jpeg(gradient(64, 64, 3)), encode_jpeg(gradient(64, 64, 3), {.progressive = true}),
      encode_png(gradient(64, 64, 4)), encode_png(gradient(64, 64, 4), {.interlaced = true})};
  for (const FileBytes& bytes : files) {
    bool finished = false;
    std::uint64_t polls = 0;
    for (; !finished && polls < 5000; polls += polls < 40 ? 1 : 13) {
      worker.settings.polls_before_stop = polls;
      const auto outcome = tenon::test::thumbnail(worker, bytes, 16);
      finished = outcome.ok();
      CHECK((finished || outcome.status == TENON_CANCELLED));
    }
    CHECK(finished);
    CHECK(polls > 10);
  }
}

TEST_CASE("Tasks: no memory for the result is an error") {
  Worker worker;
  worker.settings.failing_allocation = 1;
  CHECK(tenon::test::thumbnail(worker, encode_png(gradient(10, 10, 3)), 5).status == TENON_OUT_OF_MEMORY);
}
