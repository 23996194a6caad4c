#include <sys/stat.h>

#include <array>
#include <string>
#include <string_view>

#include <tenon/plugin.hpp>

#include "common/byte_block.hpp"
#include "common/byte_finder.hpp"
#include "common/content.hpp"
#include "common/file_name.hpp"
#include "common/utf8.hpp"
#include "support.hpp"
#include "tenon_test/catch.hpp"
#include "tenon_test/temporary_directory.hpp"

using namespace tenon::plugins;

TEST_CASE("Utf8: valid text is told from invalid") {
  CHECK(is_utf8(""));
  CHECK(is_utf8("plain \xC3\xBC \xE6\x97\xA5 \xF0\x9F\x98\x80"));
  for (const char* broken : {"\xFF", "\x80", "\xC0\xAF", "\xE0\x80\xAF", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xC3",
                             "\xE6\x97", "\xF0\x9F\x98"}) {
    CHECK_FALSE(is_utf8(broken));
  }
}

TEST_CASE("Utf8: each wrong byte becomes one replacement character") {
  CHECK(to_utf8("a\xFF\xFE") == "a\xEF\xBF\xBD\xEF\xBF\xBD");
  CHECK(to_utf8("\xE6\x97z") == "\xEF\xBF\xBD\xEF\xBF\xBDz");
}

TEST_CASE("Utf8: a quoted name stands on one line") {
  CHECK(quote("a\nb\tc\x01\xFF") == "'a\\nb\\tc\\x01\\xff'");
  CHECK(quote(std::string(5000, 'x')).size() < 1100);
}

TEST_CASE("FileName: extensions") {
  CHECK(extension_of("a/b.TXT") == "txt");
  CHECK(extension_of("a.tar.gz") == "gz");
  CHECK(extension_of("Makefile").empty());
  CHECK(extension_of(".profile").empty());
  CHECK(extension_of("..x").empty());
  CHECK(extension_of("name.").empty());
  CHECK(extension_of("a.b/c").empty());
  CHECK(with_extension("a/b.PNG", "-small", "jpg") == "a/b-small.jpg");
  CHECK(with_extension("a.b/c", "", "jpg") == "a.b/c.jpg");
}

TEST_CASE("Content: what is no regular file is refused and never waited for") {
  const tenon::test::TemporaryDirectory directory;
  REQUIRE(::mkfifo((directory / "fifo").c_str(), 0600) == 0);
  for (const std::string& path : {(directory / "fifo").string(), directory.path().string(), std::string("/dev/null")}) {
    struct stat status {};
    try {
      open_regular(path, status);
      FAIL(path);
    } catch (const tenon::TaskError& error) {
      CHECK(error.code() == TENON_INVALID_ARGUMENT);
      CHECK(std::string(error.what()).find(path) != std::string::npos);
    }
  }
}

TEST_CASE("Content: a missing file is an error with its path and reason") {
  struct stat status {};
  const std::string path = tenon::test::missing_path("at all").string();
  CHECK_THROWS_WITH(open_regular(path, status), "'" + path + "': cannot be opened: No such file or directory");
}

TEST_CASE("Content: read_all keeps to its limit, also for a file that reports no size") {
  const tenon::test::TemporaryDirectory directory;
  tenon::test::write_text(directory / "f", std::string(100, 'x'));
  const Poll poll = [] {};
  flatbuffers::FlatBufferBuilder builder;
  builder.Finish(tenon::CreateFileDirect(builder, (directory / "f").c_str()));
  const auto& file = *flatbuffers::GetRoot<tenon::File>(builder.GetBufferPointer());
  Content content(file);
  CHECK(read_all(content, 100, poll) == std::string(100, 'x'));
  Content again(file);
  CHECK_THROWS_AS(read_all(again, 99, poll), tenon::TaskError);

  flatbuffers::FlatBufferBuilder proc;
  proc.Finish(tenon::CreateFileDirect(proc, "/proc/self/status"));
  const auto& status = *flatbuffers::GetRoot<tenon::File>(proc.GetBufferPointer());
  Content growing(status);
  CHECK(read_all(growing, 1 << 20, poll).size() > 100);
  Content limited(status);
  CHECK_THROWS_AS(read_all(limited, 10, poll), tenon::TaskError);
}

TEST_CASE("Content: times that do not fit into nanoseconds are the first or the last that do") {
  CHECK(nanoseconds_of({0, 0}) == 0);
  CHECK(nanoseconds_of({-1, 999'999'999}) == -1);
  CHECK(nanoseconds_of({9'223'372'036, 854'775'807}) == INT64_MAX);
  CHECK(nanoseconds_of({9'223'372'036, 854'775'808}) == INT64_MAX);
  CHECK(nanoseconds_of({253'402'300'799, 0}) == INT64_MAX);
  CHECK(nanoseconds_of({-100'000'000'000, 0}) == INT64_MIN);
}

TEST_CASE("Content: a zero byte in a path is an error, not its end") {
  const tenon::test::TemporaryDirectory directory;
  tenon::test::write_text(directory / "a", "secret");
  struct stat status {};
  std::string path = (directory / "a").string();
  path += std::string("\0.txt", 5);
  try {
    open_regular(path, status);
    FAIL("it was opened");
  } catch (const tenon::TaskError& error) {
    CHECK(error.code() == TENON_INVALID_ARGUMENT);
    CHECK(std::string(error.what()).find("a\\x00.txt': the path contains a zero byte") != std::string::npos);
  }
}

TEST_CASE("ByteFinder: finds the first occurrence at every place") {
  for (const std::string wanted : {"a", "ab", "needle", "aaaa", "\n", "zz top and more than sixteen bytes"}) {
    const tenon::plugins::ByteFinder finder(wanted);
    CHECK(finder.find("") == std::string_view::npos);
    for (std::size_t before = 0; before < 200; ++before) {
      for (const std::size_t after : {0u, 1u, 70u}) {
        const std::string text = std::string(before, 'x') + wanted + std::string(after, 'a');
        CHECK(finder.find(text) == text.find(wanted));
        CHECK(finder.find(std::string(before, wanted[0])) == std::string(before, wanted[0]).find(wanted));
      }
    }
  }
}

TEST_CASE("ByteBlock: masks say what the bytes are") {
  std::array<unsigned char, 64> bytes{};
  for (int start = 0; start < 256; start += 64) {
    for (int i = 0; i < 64; ++i) {
      bytes[static_cast<std::size_t>(i)] = static_cast<unsigned char>(start + i);
    }
    const tenon::plugins::ByteBlock block(bytes.data());
    std::array<unsigned char, 64> lower{};
    block.copy_lower(lower.data());
    for (std::size_t i = 0; i < 64; ++i) {
      const unsigned char byte = bytes[i];
      const bool capital = byte >= 'A' && byte <= 'Z';
      CHECK(((block.equal('x') >> i) & 1) == (byte == 'x' ? 1u : 0u));
      CHECK(((block.between('!', '~') >> i) & 1) == (byte >= '!' && byte <= '~' ? 1u : 0u));
      CHECK(((block.not_ascii() >> i) & 1) == (byte >= 0x80 ? 1u : 0u));
      CHECK(((block.letters() >> i) & 1) == (capital || (byte >= 'a' && byte <= 'z') ? 1u : 0u));
      CHECK(lower[i] == (capital ? byte + 32 : byte));
    }
  }
  const std::string many(10000, 'n');
  const auto* data = reinterpret_cast<const std::uint8_t*>(many.data());
  for (const std::size_t size : {0u, 1u, 15u, 16u, 4079u, 4080u, 4096u, 10000u}) {
    CHECK(tenon::plugins::count_bytes(data, data + size, 'n') == size);
    CHECK(tenon::plugins::count_bytes(data, data + size, 'm') == 0);
  }
}
