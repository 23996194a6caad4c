#include "platform/file.hpp"

#include <csignal>
#include <fstream>
#include <string>

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tenon_test/catch.hpp"
#include "tenon_test/temporary_directory.hpp"

using namespace tenon;
using namespace tenon::internal;
using tenon::test::TemporaryDirectory;

namespace {

BytesView bytes_of(std::string_view text) {
  return BytesView(reinterpret_cast<const std::uint8_t*>(text.data()), text.size());
}

std::size_t entries_of(const std::filesystem::path& directory) {
  std::size_t count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(directory)) {
    ++count;
  }
  return count;
}

}  // namespace

TEST_CASE("file: what is written is read, empty and large alike, and nothing stays beside it") {
  const TemporaryDirectory directory;
  for (const std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{65536}, std::size_t{1'000'003}}) {
    const std::string content(size, 'c');
    REQUIRE(write_file(directory / "file", bytes_of(content)));
    auto read = read_file(directory / "file", size);
    REQUIRE(read);
    CHECK(read->size() == size);
  }
  CHECK(entries_of(directory.path()) == 1);
}

TEST_CASE("file: reading is bounded, and refuses what is no regular file without waiting") {
  const TemporaryDirectory directory;
  REQUIRE(write_file(directory / "file", bytes_of("12345")));
  CHECK(read_file(directory / "file", 4).error().code == ErrorCode::kTooLarge);
  CHECK(read_file(directory / "none", 4).error().code == ErrorCode::kNotFound);
  CHECK(read_file(directory.path(), 4).error().code == ErrorCode::kInvalidArgument);
  REQUIRE(::mkfifo((directory / "fifo").c_str(), 0600) == 0);
  CHECK(read_file(directory / "fifo", 4).error().code == ErrorCode::kInvalidArgument);
  // A file that says it is empty and is not.
  auto status = read_file("/proc/self/status", 1 << 20);
  REQUIRE(status);
  CHECK(status->size() > 100);
  CHECK(read_file("/proc/self/status", 10).error().code == ErrorCode::kTooLarge);
}

TEST_CASE("file: a write that fails leaves the old content and no temporary file") {
  const TemporaryDirectory directory;
  REQUIRE(write_file(directory / "file", bytes_of("old")));
  CHECK(write_file(directory / "none" / "file", bytes_of("x")).error().code == ErrorCode::kNotFound);
  CHECK_FALSE(write_file(directory.path(), bytes_of("x")));

  // A limit on file sizes stands for the full disk: the write fails half-way.
  rlimit old{};
  REQUIRE(::getrlimit(RLIMIT_FSIZE, &old) == 0);
  auto* const handler = ::signal(SIGXFSZ, SIG_IGN);
  rlimit small = old;
  small.rlim_cur = 4096;
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &small) == 0);
  const auto written = write_file(directory / "file", bytes_of(std::string(10'000, 'n')));
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &old) == 0);
  ::signal(SIGXFSZ, handler);
  REQUIRE_FALSE(written);
  CHECK(written.error().message.find("file") != std::string::npos);
  CHECK(read_file(directory / "file", 100)->size() == 3);
  CHECK(entries_of(directory.path()) == 1);
}

TEST_CASE("file: a full disk is said in words") {
  const FileDescriptor full(::open("/dev/full", O_WRONLY | O_CLOEXEC));
  if (!full.valid()) {
    WARN("skipped: this system has no /dev/full");
    return;
  }
  const auto written = write_all(full, bytes_of("x"));
  REQUIRE_FALSE(written);
  CHECK(written.error().message.find("disk is full") != std::string::npos);
}

TEST_CASE("file_identity: the same for one state of a file, another after a rewrite") {
  const TemporaryDirectory directory;
  REQUIRE(write_file(directory / "file", bytes_of("one"), {.mode = 0600, .sync = false}));
  const auto first = file_identity(directory / "file");
  REQUIRE(first);
  CHECK(first->regular);
  CHECK(first->size_bytes == 3);
  CHECK((first->mode & 0077u) == 0);
  CHECK(file_identity(directory / "file").value() == *first);
  REQUIRE(write_file(directory / "file", bytes_of("two")));
  CHECK(file_identity(directory / "file").value() != *first);
  CHECK_FALSE(file_identity(directory.path())->regular);
  CHECK(file_identity(directory / "none").error().code == ErrorCode::kNotFound);
}
