#include "base/text.hpp"

#include <array>
#include <string>
#include <vector>

#include "tenon_test/catch.hpp"

using namespace tenon::internal;

namespace {

std::string suggestion(std::string_view word) {
  static const std::vector<std::string> names = {"text.count", "text.lines", "files.walk", "files.digest",
                                                 "image.probe"};
  return did_you_mean(word, names);
}

}  // namespace

TEST_CASE("edit_distance: counts slips, a swap of neighbours as one") {
  CHECK(edit_distance("", "") == 0);
  CHECK(edit_distance("", "abc") == 3);
  CHECK(edit_distance("kitten", "sitting") == 3);
  CHECK(edit_distance("cuont", "count") == 1);
  CHECK(edit_distance(std::string(300, 'a'), std::string(300, 'b')) == 300);
}

TEST_CASE("did_you_mean: suggests near names, nearest first, and is silent otherwise") {
  CHECK(suggestion("text.cuont") == "did you mean 'text.count'?");
  CHECK(suggestion("TEXT.COUNT") == "did you mean 'text.count'?");
  CHECK(suggestion("files.wakl") == "did you mean 'files.walk'?");
  CHECK(suggestion("zebra").empty());
  CHECK(suggestion("").empty());
}

TEST_CASE("nearest_names: takes a beginning, and keeps to the maximum") {
  const std::array<std::string_view, 4> names = {"workers", "worker", "work", "play"};
  CHECK(nearest_names("work", names, 2) == std::vector<std::string_view>{"work", "worker"});
  CHECK(nearest_names("work", names, 0).empty());
  CHECK(nearest_names("work", std::span<const std::string_view>(), 3).empty());
}

TEST_CASE("format_size and count_of: read like a sentence") {
  CHECK(format_size(0) == "0 bytes");
  CHECK(format_size(1) == "1 byte");
  CHECK(format_size(1024) == "1 KiB");
  CHECK(format_size(1536) == "1.5 KiB");
  CHECK(format_size(std::uint64_t{1} << 40) == "1 TiB");
  CHECK(count_of(2, "item", "items") == "2 items");
}

TEST_CASE("printable: disarms control characters and broken UTF-8, and cuts") {
  CHECK(printable("plain \xc3\xa9") == "plain \xc3\xa9");
  CHECK(printable("a\n\x1b[31m") == "a\\x0a\\x1b[31m");
  CHECK(printable("\xff\xc3") == "\\xff\\xc3");
  CHECK(printable("\xed\xa0\x80") == "\\xed\\xa0\\x80");
  CHECK(printable("\xc2\x9b") == "\\xc2\\x9b");
  CHECK(printable("abcdef", 3) == "abc...");
}

TEST_CASE("to_hex: two lower-case digits a byte") {
  const std::array<std::uint8_t, 3> bytes = {0x00, 0xab, 0x7f};
  CHECK(to_hex(bytes) == "00ab7f");
}
