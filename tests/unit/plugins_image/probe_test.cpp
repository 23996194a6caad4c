#include <string>

#include "image_calls.hpp"
#include "tenon_test/catch.hpp"
#include "tenon_test/temporary_directory.hpp"

#include <fstream>

using image::Format;
using image::ImageInfo;
using tenon::test::encode_jpeg;
using tenon::test::encode_png;
using tenon::test::file_of;
using tenon::test::FileBytes;
using tenon::test::filled;
using tenon::test::gradient;
using tenon::test::Outcome;
using tenon::test::Worker;

namespace {

Outcome probe(Worker& worker, FileBytes bytes) {
  return worker.call("probe", file_of(std::move(bytes)));
}

}  // namespace

TEST_CASE("Probe: tells what a JPEG file's header says") {
  Worker worker;
  const auto outcome = probe(worker, encode_jpeg(gradient(60, 40, 3), {.progressive = true, .orientation = 6}));
  const auto& info = outcome.as<ImageInfo>();
  CHECK(info.path()->str() == "in/picture.bin");
  CHECK(info.format() == Format::jpeg);
  CHECK(info.width() == 60);
  CHECK(info.height() == 40);
  CHECK(int{info.channels()} == 3);
  CHECK(int{info.bits_per_sample()} == 8);
  CHECK(info.color()->str() == "rgb");
  CHECK_FALSE(info.has_alpha());
  CHECK(info.progressive());
  CHECK(int{info.orientation()} == 6);
  CHECK(probe(worker, encode_jpeg(gradient(8, 8, 1))).as<ImageInfo>().color()->str() == "gray");
  CHECK(probe(worker, encode_jpeg(gradient(8, 8, 4))).as<ImageInfo>().color()->str() == "cmyk");
}

TEST_CASE("Probe: tells what a PNG file's header says") {
  Worker worker;
  const auto deep = probe(worker, encode_png(gradient(60, 40, 1), {.interlaced = true, .bit_depth = 16}));
  CHECK(deep.as<ImageInfo>().format() == Format::png);
  CHECK(deep.as<ImageInfo>().color()->str() == "gray");
  CHECK(int{deep.as<ImageInfo>().bits_per_sample()} == 16);
  CHECK(deep.as<ImageInfo>().progressive());
  CHECK(int{deep.as<ImageInfo>().orientation()} == 1);
  const auto clear = probe(worker, encode_png(gradient(3, 4, 4), {.orientation = 8}));
  CHECK(clear.as<ImageInfo>().has_alpha());
  CHECK(int{clear.as<ImageInfo>().channels()} == 4);
  CHECK(int{clear.as<ImageInfo>().orientation()} == 8);
  const auto palette = probe(worker, encode_png(filled(3, 4, {0}), {.palette = {{1, 2, 3}}, .palette_alpha = {100}}));
  CHECK(palette.as<ImageInfo>().color()->str() == "palette");
  CHECK(palette.as<ImageInfo>().has_alpha());
}

TEST_CASE("Probe: needs the header alone") {
  Worker worker;
  auto jpeg = encode_jpeg(gradient(400, 400, 3));
  jpeg.resize(jpeg.size() / 2);
  CHECK(probe(worker, jpeg).as<ImageInfo>().width() == 400);
  auto png = encode_png(gradient(400, 400, 3));
  png.resize(png.size() / 2);
  CHECK(probe(worker, png).as<ImageInfo>().width() == 400);
}

TEST_CASE("Probe: reads from the path, also where the header is long") {
  Worker worker;
  tenon::test::TemporaryDirectory directory;
  const auto bytes = encode_jpeg(gradient(30, 20, 3), {.padding_bytes = 700'000});
  const std::string path = (directory / "long header.jpg").string();
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  tenon::FileT file;
  file.path = path;
  CHECK(worker.call("probe", file).as<ImageInfo>().width() == 30);

  image::ProbeParamsT params;
  params.max_size_bytes = 100'000;
  const auto refused = worker.call("probe", file, params);
  CHECK(refused.status == TENON_TOO_LARGE);
  CHECK(refused.message.find("long header.jpg") != std::string::npos);
  CHECK(refused.message.find("max_size_bytes") != std::string::npos);
}

TEST_CASE("Probe: a missing file and a directory are errors that name them") {
  Worker worker;
  tenon::test::TemporaryDirectory directory;
  tenon::FileT file;
  file.path = (directory / "none.png").string();
  CHECK(worker.call("probe", file).status == TENON_NOT_FOUND);
  CHECK(worker.call("thumbnail", file).status == TENON_NOT_FOUND);
  file.path = directory.path().string();
  const auto outcome = worker.call("thumbnail", file);
  CHECK(outcome.status == TENON_INVALID_ARGUMENT);
  CHECK(outcome.message.find(file.path) != std::string::npos);
}
