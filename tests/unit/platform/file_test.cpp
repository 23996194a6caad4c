#include "platform/file.hpp"

#include <csignal>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "tenon_test/bytes.hpp"
#include "tenon_test/catch.hpp"
#include "tenon_test/temporary_directory.hpp"

using namespace tenon;
using namespace tenon::internal;
using tenon::test::bytes_of;
using tenon::test::TemporaryDirectory;

namespace {

std::size_t entries_of(const std::filesystem::path& directory) {
  std::size_t count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(directory)) {
    ++count;
  }
  return count;
}

std::string text_of(const std::filesystem::path& file) {
  std::ifstream stream(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
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
  // This file reports the size 0 but is not empty.
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

  // A limit on file sizes simulates a full disk: the write fails half-way.
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

TEST_CASE("file: a named fifo is read like a stream, as far as the bound") {
  const TemporaryDirectory directory;
  const std::filesystem::path fifo = directory / "fifo";
  REQUIRE(::mkfifo(fifo.c_str(), 0600) == 0);
  const auto read_while_written = [&fifo](std::size_t size, std::uint64_t max_bytes) {
    std::thread writer([&fifo, size] { std::ofstream(fifo) << std::string(size, 'x'); });
    auto content = read_file(fifo, max_bytes, ReadFrom::kStream);
    writer.join();
    return content;
  };
  auto whole = read_while_written(50'000, 50'000);
  REQUIRE(whole);
  CHECK(whole->size() == 50'000);
  auto none = read_while_written(0, 10);
  REQUIRE(none);
  CHECK(none->empty());
  CHECK(read_while_written(20, 10).error().code == ErrorCode::kTooLarge);
  CHECK(read_file(directory.path(), 10, ReadFrom::kStream).error().code == ErrorCode::kInvalidArgument);
  CHECK(read_file(directory / "none", 10, ReadFrom::kStream).error().code == ErrorCode::kNotFound);
}

TEST_CASE("NamedOutput: a file is replaced as a whole, or not at all") {
  const TemporaryDirectory directory;
  const std::filesystem::path file = directory / "file";
  for (const bool finished : {true, false}) {
    auto output = NamedOutput::open(file, {.sync = false});
    REQUIRE(output);
    CHECK_FALSE(output->direct());
    REQUIRE(output->write(bytes_of(finished ? "whole " : "half ")));
    if (finished) {
      CHECK_FALSE(std::filesystem::exists(file));
      REQUIRE(output->write(bytes_of("content")));
      REQUIRE(output->finish());
    }
  }
  CHECK(text_of(file) == "whole content");
  CHECK(entries_of(directory.path()) == 1);
  const auto refused = NamedOutput::open(directory.path());
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ErrorCode::kInvalidArgument);
  CHECK(refused.error().message.find("it is a directory") != std::string::npos);
}

TEST_CASE("NamedOutput: behind a link it is the target that is written") {
  const TemporaryDirectory directory;
  std::filesystem::create_directory(directory / "inner");
  const std::filesystem::path target = directory / "inner" / "target";
  std::filesystem::create_symlink("inner/target", directory / "link");
  std::filesystem::create_symlink("link", directory / "outer");
  for (const std::string content : {"missing before", "there before"}) {
    auto output = NamedOutput::open(directory / "outer", {.sync = false});
    REQUIRE(output);
    REQUIRE(output->write(bytes_of(content)));
    REQUIRE(output->finish());
    CHECK(std::filesystem::is_symlink(directory / "outer"));
    CHECK(std::filesystem::is_symlink(directory / "link"));
    CHECK(text_of(target) == content);
  }
  CHECK(entries_of(directory / "inner") == 1);
  std::filesystem::create_symlink("round", directory / "round");
  CHECK_FALSE(NamedOutput::open(directory / "round"));
}

TEST_CASE("NamedOutput: a fifo is written to and stays a fifo") {
  const TemporaryDirectory directory;
  const std::filesystem::path fifo = directory / "fifo";
  REQUIRE(::mkfifo(fifo.c_str(), 0600) == 0);
  std::string seen;
  std::thread reader([&] { seen = text_of(fifo); });
  {
    auto output = NamedOutput::open(fifo);
    REQUIRE(output);
    CHECK(output->direct());
    CHECK(output->write(bytes_of("through")));
    CHECK(output->finish());
  }
  reader.join();
  CHECK(seen == "through");
  CHECK(std::filesystem::is_fifo(fifo));
  CHECK(entries_of(directory.path()) == 1);
}

TEST_CASE("NamedOutput: a device is written to and stays a device") {
  const TemporaryDirectory directory;
  const std::filesystem::path device = directory / "full";
  constexpr unsigned kMemoryDevices = 1;
  constexpr unsigned kFull = 7;
  if (::mknod(device.c_str(), S_IFCHR | 0600, makedev(kMemoryDevices, kFull)) != 0) {
    WARN("skipped: making a device needs rights that this process does not have");
    return;
  }
  auto output = NamedOutput::open(device);
  if (!output) {
    WARN("skipped: the file system of the temporary directory allows no devices");
    return;
  }
  const auto written = output->write(bytes_of("x"));
  REQUIRE_FALSE(written);
  CHECK(written.error().message.find("disk is full") != std::string::npos);
  CHECK(std::filesystem::is_character_file(device));
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
