// Runs files.walk | image.thumbnail | files.write over typical directories: valid, broken and
// foreign files.
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "pictures.hpp"
#include "program.hpp"
#include "tenon_test/catch.hpp"
#include "tenon_test/paths.hpp"
#include "tenon_test/temporary_directory.hpp"
#include "tenon_test/text.hpp"

namespace fs = std::filesystem;
using nlohmann::json;
using tenon::test::Canvas;
using tenon::test::encode_jpeg;
using tenon::test::encode_png;
using tenon::test::Ended;
using tenon::test::FileBytes;
using tenon::test::gradient;
using tenon::test::has;

namespace {

void write(const fs::path& path, const FileBytes& bytes) {
  fs::create_directories(path.parent_path());
  std::ofstream file(path, std::ios::binary);
  file.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  REQUIRE(file.good());
}

FileBytes read(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

FileBytes text(std::string_view words) {
  return {words.begin(), words.end()};
}

FileBytes first_half(FileBytes bytes) {
  bytes.resize(bytes.size() / 2);
  return bytes;
}

/// The width and height that each thumbnail must have.
using Sizes = std::map<std::string, std::pair<unsigned, unsigned>>;

/// Makes pictures of many kinds below `root`; returns the sizes of their thumbnails of 64 pixels.
Sizes make_good(const fs::path& root) {
  write(root / "wide.jpg", encode_jpeg(gradient(640, 320, 3)));
  write(root / "gray.jpeg", encode_jpeg(gradient(100, 300, 1), {.progressive = true}));
  write(root / "turned.jpg", encode_jpeg(gradient(400, 200, 3), {.orientation = 6}));
  write(root / "print.jpg", encode_jpeg(gradient(128, 128, 4)));
  write(root / "below/it's a \"name\".png", encode_png(gradient(320, 160, 4)));
  write(root / "below/laced.png", encode_png(gradient(160, 320, 3), {.interlaced = true, .bit_depth = 16}));
  write(root / "below/deep/\xC3\xA9t\xC3\xA9.PNG", encode_png(gradient(20, 10, 3)));
  return {{"wide.jpg", {64, 32}},
          {"gray.jpeg", {21, 64}},
          {"turned.jpg", {32, 64}},
          {"print.jpg", {64, 64}},
          {"below/it's a \"name\".png", {64, 32}},
          {"below/laced.png", {32, 64}},
          {"below/deep/\xC3\xA9t\xC3\xA9.PNG", {20, 10}}};
}

/// Makes files that are not valid pictures; returns a part of the expected message for each.
std::map<std::string, std::string> make_bad(const fs::path& root) {
  write(root / "cut.jpg", first_half(encode_jpeg(gradient(300, 200, 3))));
  write(root / "below/cut.png", first_half(encode_png(gradient(300, 200, 3))));
  write(root / "empty.png", {});
  write(root / "letter.jpg", text("Dear all,\nthis is no picture.\n"));
  write(root / "moving.png", text("GIF89a and more"));
  return {{"cut.jpg", "the file ends before the picture does"},
          {"below/cut.png", "the file ends before the picture does"},
          {"empty.png", "the file is empty"},
          {"letter.jpg", "is not a JPEG or PNG picture but a text"},
          {"moving.png", "is not a JPEG or PNG picture but a GIF picture"}};
}

std::string example(const std::string& name) {
  return (tenon::test::source_dir() / "plugins/image" / name).string();
}

Ended run(const fs::path& root, const fs::path& target, std::vector<std::string> before = {}) {
  std::vector<std::string> words = std::move(before);
  for (const std::string& word : {std::string("run"), example("thumbnails.toml"), std::string("--workers"),
                                  std::string("2"), std::string("--set"), "sources.tree.args.root=" + root.string(),
                                  std::string("--set"), "sinks.write.params.directory=" + target.string(),
                                  std::string("--set"), std::string("stages.thumbnail.params.edge=64")}) {
    words.push_back(word);
  }
  return tenon::test::tenon(words);
}

std::set<std::string> files_below(const fs::path& directory) {
  std::set<std::string> names;
  if (fs::exists(directory)) {
    for (const auto& entry : fs::recursive_directory_iterator(directory)) {
      if (!entry.is_directory()) {
        names.insert(fs::relative(entry.path(), directory).string());
      }
    }
  }
  return names;
}

/// Checks that `target` contains exactly these thumbnails.
void check_thumbnails(const fs::path& source, const fs::path& target, const Sizes& sizes) {
  std::set<std::string> names;
  for (const auto& [name, size] : sizes) {
    INFO(name);
    names.insert(name);
    REQUIRE(fs::exists(target / name));
    const FileBytes made = read(target / name);
    CHECK(made.front() == read(source / name).front());  // It has the same format.
    const Canvas picture = tenon::test::decode(made);
    CHECK(picture.width == size.first);
    CHECK(picture.height == size.second);
  }
  CHECK(files_below(target) == names);
}

}  // namespace

TEST_CASE("Thumbnails: good pictures alone end with exit code 0") {
  tenon::test::TemporaryDirectory directory;
  const Sizes sizes = make_good(directory / "in");
  write(directory / "in/notes.txt", text("not asked for"));
  const Ended ended = run(directory / "in", directory / "out");
  INFO(ended.error);
  CHECK(ended.exit == 0);
  check_thumbnails(directory / "in", directory / "out", sizes);

  const Canvas before = gradient(640, 320, 3);
  const auto expected = tenon::test::mean_colour(before);
  const auto got = tenon::test::mean_colour(tenon::test::decode(read(directory / "out/wide.jpg")));
  REQUIRE(got.size() == expected.size());
  for (std::size_t i = 0; i < got.size(); ++i) {
    CHECK(std::abs(got[i] - expected[i]) < 3.0);
  }
}

TEST_CASE("Thumbnails: bad files are listed by name, the good ones are made, exit code 1") {
  tenon::test::TemporaryDirectory directory;
  const Sizes sizes = make_good(directory / "in");
  const auto bad = make_bad(directory / "in");
  const Ended ended = run(directory / "in", directory / "out");
  INFO(ended.error);
  CHECK(ended.exit == 1);
  check_thumbnails(directory / "in", directory / "out", sizes);
  for (const auto& [name, reason] : bad) {
    CHECK(has(ended.error, "'" + (directory / "in" / name).string() + "': "));
    CHECK(has(ended.error, reason));
  }
}

TEST_CASE("Thumbnails: --json lists each failure with stage, code and message") {
  tenon::test::TemporaryDirectory directory;
  make_good(directory / "in");
  const auto bad = make_bad(directory / "in");
  const Ended ended = run(directory / "in", directory / "out", {"--json"});
  INFO(ended.error);
  CHECK(ended.exit == 1);
  const json report = json::parse(ended.output);
  CHECK(report.at("exit_code") == 1);
  CHECK(report.at("failure_count") == bad.size());
  REQUIRE(report.at("failures").size() == bad.size());
  for (const auto& [name, reason] : bad) {
    const std::string path = (directory / "in" / name).string();
    const auto& failures = report.at("failures");
    const auto found = std::find_if(failures.begin(), failures.end(), [&path](const json& failure) {
      return has(failure.at("error").at("message").get<std::string>(), path);
    });
    INFO(name);
    REQUIRE(found != failures.end());
    CHECK(found->at("stage") == "thumbnail");
    CHECK(has(found->at("error").at("message").get<std::string>(), reason));
  }
}

TEST_CASE("Thumbnails: an empty directory is done at once") {
  tenon::test::TemporaryDirectory directory;
  fs::create_directory(directory / "in");
  const Ended ended = run(directory / "in", directory / "out");
  INFO(ended.error);
  CHECK(ended.exit == 0);
  CHECK(files_below(directory / "out").empty());
}

// As its README shows it: the results lie below the pictures.
TEST_CASE("thumbnails.toml: a second run in the same directory makes no thumbnails of thumbnails") {
  tenon::test::TemporaryDirectory directory;
  const Sizes sizes = make_good(directory / "in");
  const fs::path target = directory / "in" / "thumbnails";
  for (int times = 0; times < 2; ++times) {
    const Ended ended = run(directory / "in", target, {"--json"});
    INFO(ended.error);
    CHECK(ended.exit == 0);
    CHECK(json::parse(ended.output).at("stages")[0].at("items_out") == sizes.size());
    check_thumbnails(directory / "in", target, sizes);
  }
  const Ended checked = tenon::test::tenon({"check", example("thumbnails.toml"), "--set",
                                            "sources.tree.args.root=" + (directory / "in").string(), "--set",
                                            "sinks.write.params.directory=" + target.string()});
  INFO(checked.output << checked.error);
  CHECK(checked.exit == 0);
  CHECK(has(checked.error + checked.output, "warning: "));
  CHECK(has(checked.error + checked.output, target.string()));
}

TEST_CASE("convert.toml: a second run makes nothing of what the first one made, and two items of one name are told") {
  tenon::test::TemporaryDirectory directory;
  const fs::path in = directory / "in";
  write(in / "one.png", encode_png(gradient(32, 16, 4)));
  write(in / "below" / "two.png", encode_png(gradient(20, 20, 3)));
  const auto convert = [&](const std::vector<std::string>& more) {
    std::vector<std::string> words = {"run",   example("convert.toml"),
                                      "--set", "sources.tree.args.root=" + in.string(),
                                      "--set", "sinks.write.params.directory=" + (in / "converted").string()};
    words.insert(words.end(), more.begin(), more.end());
    return tenon::test::tenon(words);
  };
  const std::set<std::string> both = {"one.jpg", "below/two.jpg"};
  for (int times = 0; times < 2; ++times) {
    const Ended ended = convert({});
    INFO(ended.error);
    CHECK(ended.exit == 0);
    CHECK(files_below(in / "converted") == both);
    CHECK(tenon::test::decode(read(in / "converted" / "one.jpg")).width == 32);
  }
  // Both become one.jpg.
  write(in / "one.PNG", encode_png(gradient(48, 16, 3)));
  const Ended twice = convert({"--json"});
  INFO(twice.error);
  CHECK(twice.exit == 1);
  const json report = json::parse(twice.output);
  CHECK(report.at("failure_count") == 1);
  CHECK(has(report.at("failures")[0].at("error").at("message").get<std::string>(), "one.jpg"));
  CHECK(files_below(in / "converted") == both);
  CHECK(convert({"--set", "sinks.write.on_conflict=number"}).exit == 0);
  CHECK(files_below(in / "converted").size() == 3);
}
