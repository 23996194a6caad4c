#include <sys/stat.h>

#include <string>

#include <tenon/plugin.hpp>

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
