#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <string>

#include <tenon/plugin_test.hpp>

#include "files/digest.hpp"
#include "files_generated.h"
#include "support.hpp"
#include "tenon_test/catch.hpp"
#include "tenon_test/temporary_directory.hpp"

using tenon::test::file_at;
using tenon::test::file_with;
using tenon::test::TemporaryDirectory;
using tenon::test::Worker;
using tenon::test::write_text;

namespace {

std::string hex_of(Worker& worker, const tenon::FileT& file, files::Algorithm algorithm = files::Algorithm::sha256) {
  files::DigestParamsT params;
  params.algorithm = algorithm;
  return worker.call("digest", file, params).as<tenon::Digest>().hex()->str();
}

std::string output_of(const std::string& command) {
  const std::unique_ptr<FILE, int (*)(FILE*)> pipe(::popen(command.c_str(), "r"), &::pclose);
  std::array<char, 256> buffer{};
  std::string output;
  while (pipe && std::fgets(buffer.data(), static_cast<int>(buffer.size()), pipe.get()) != nullptr) {
    output += buffer.data();
  }
  return output;
}

}  // namespace

TEST_CASE("Digest: known vectors of SHA-256 and BLAKE2b") {
  Worker worker;
  CHECK(hex_of(worker, file_with("abc", "abc")) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(hex_of(worker, file_with("abc", "abc"), files::Algorithm::blake2b) ==
        "ba80a53f981c4d0d6a2797b69f12f6e94c212f14685ac4b74b12bb6fdbffa2d1"
        "7d87c5392aab792dc252d5de4533cc9518d38aa8dbf1925ab92386edd4009923");
  const TemporaryDirectory directory;
  write_text(directory / "empty", "");
  CHECK(hex_of(worker, file_at(directory / "empty")) ==
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

TEST_CASE("Digest: equals sha256sum for odd names and sizes round the chunks") {
  const TemporaryDirectory directory;
  Worker worker;
  for (const std::size_t size : {1u, 55u, 64u, 4096u, (1u << 20) - 1, 1u << 20, (1u << 20) + 1, 3000001u}) {
    std::string text(size, '\0');
    for (std::size_t i = 0; i < size; ++i) {
      text[i] = static_cast<char>(i * 31 + size);
    }
    const auto path = directory.path() / ("n '\xFF " + std::to_string(size));
    write_text(path, text);
    std::string quoted = path.string();
    quoted.replace(quoted.find('\''), 1, "'\\''");
    const std::string expected = output_of("sha256sum < '" + quoted + "'").substr(0, 64);
    if (expected.empty()) {
      WARN("skipped: there is no sha256sum");
      return;
    }
    CHECK(hex_of(worker, file_at(path)) == expected);
  }
}

TEST_CASE("Digest: keeps what the item says and adds what the file says") {
  const TemporaryDirectory directory;
  write_text(directory / "a.txt", "hello");
  Worker worker;
  const auto outcome = worker.call("digest", file_at(directory / "a.txt", "below/a.txt"));
  const auto& digest = outcome.as<tenon::Digest>();
  CHECK(digest.algorithm()->str() == "sha256");
  CHECK(digest.value()->size() == 32);
  CHECK(digest.file()->relative_path()->str() == "below/a.txt");
  CHECK(digest.file()->extension()->str() == "txt");
  CHECK(digest.file()->size_bytes() == 5);
  CHECK(digest.file()->mtime_ns() > 0);
  CHECK(digest.file()->data() == nullptr);
}

TEST_CASE("Digest: a sparse file is read in bounded memory and can be cancelled") {
  const TemporaryDirectory directory;
  write_text(directory / "sparse", "");
  std::filesystem::resize_file(directory / "sparse", 64u << 20);
  Worker worker;
  CHECK(hex_of(worker, file_at(directory / "sparse")) ==
        "3b6a07d0d404fab4e23b6d34bc6696a6a312dd92821332385e5af7c01c421351");
  worker.settings.polls_before_stop = 3;
  CHECK(worker.call("digest", file_at(directory / "sparse")).status == TENON_CANCELLED);
}

TEST_CASE("Digest: fifos, directories, missing and unreadable files are errors with their path") {
  const TemporaryDirectory directory;
  REQUIRE(::mkfifo((directory / "fifo").c_str(), 0600) == 0);
  Worker worker;
  CHECK(worker.call("digest", file_at(directory / "fifo")).status == TENON_INVALID_ARGUMENT);
  CHECK(worker.call("digest", file_at(directory.path())).status == TENON_INVALID_ARGUMENT);
  const auto missing = worker.call("digest", file_at(directory / "missing"));
  CHECK(missing.status == TENON_NOT_FOUND);
  CHECK(missing.message.find((directory / "missing").string()) != std::string::npos);
  CHECK(worker.call("digest", file_at("")).status == TENON_INVALID_ARGUMENT);
  if (::geteuid() != 0) {
    write_text(directory / "secret", "x");
    REQUIRE(::chmod((directory / "secret").c_str(), 0) == 0);
    CHECK(worker.call("digest", file_at(directory / "secret")).status == TENON_IO);
  } else {
    WARN("the unreadable file is skipped: root may read every file");
  }
}

TEST_CASE("Digest: a file that shrinks, grows or is rewritten while it is read is an error if that counts") {
  constexpr std::size_t kSize = 1u << 20;
  const TemporaryDirectory directory;
  const auto path = directory / "f";
  files::Digester digester;
  // Returns the digest of a file of kSize bytes that `change` changes after the first piece.
  const auto digest = [&](bool detect_changes, const std::function<void()>& change) {
    write_text(path, std::string(kSize, 'x'));
    const tenon::test::Block file(file_at(path));
    tenon::plugins::Content content(file.as<tenon::File>());
    int polls = 0;
    return digester.digest(content, files::Algorithm::sha256, detect_changes, [&] {
      if (++polls == 2) {
        change();
      }
    });
  };
  const auto shrink = [&] { std::filesystem::resize_file(path, kSize / 2); };
  const auto grow = [&] { std::ofstream(path, std::ios::app | std::ios::binary) << "more"; };
  const auto empty = [&] { std::filesystem::resize_file(path, 0); };
  CHECK_THROWS_AS(digest(true, shrink), tenon::TaskError);
  CHECK_THROWS_AS(digest(true, grow), tenon::TaskError);
  CHECK_THROWS_AS(digest(true, empty), tenon::TaskError);
  CHECK(digest(false, shrink).size_bytes == kSize / 2);
  CHECK(digest(false, grow).size_bytes == kSize + 4);
  // The next content is not affected by the errors.
  CHECK(files::to_hex(digest(true, [] {}).value.bytes()) ==
        output_of("head -c 1048576 /dev/zero | tr '\\0' x | sha256sum").substr(0, 64));
}

TEST_CASE("Digest: a file that claims to be empty is read to its end") {
  if (!std::filesystem::exists("/proc/self/status")) {
    WARN("skipped: there is no /proc");
    return;
  }
  Worker worker;
  const auto outcome = worker.call("digest", file_at("/proc/version"));
  CHECK(outcome.as<tenon::Digest>().file()->size_bytes() > 0);
  CHECK(outcome.as<tenon::Digest>().hex()->str() == output_of("sha256sum < /proc/version").substr(0, 64));
}

TEST_CASE("Digest: an unknown algorithm is an error") {
  Worker worker;
  files::DigestParamsT params;
  params.algorithm = static_cast<files::Algorithm>(9);
  CHECK(worker.call("digest", file_with("a", "a"), params).status == TENON_INVALID_ARGUMENT);
}

TEST_CASE("Read: carries the content and refuses what is too large") {
  const TemporaryDirectory directory;
  const std::string text = std::string("zero \0 byte", 11) + std::string(2000000, 'y');
  write_text(directory / "f.bin", text);
  Worker worker;
  const auto outcome = worker.call("read", file_at(directory / "f.bin"));
  const auto& file = outcome.as<tenon::File>();
  CHECK(std::string(file.data()->begin(), file.data()->end()) == text);
  CHECK(file.size_bytes() == text.size());
  CHECK(file.mode() != 0);
  files::ReadParamsT params;
  params.max_size_bytes = text.size() - 1;
  const auto refused = worker.call("read", file_at(directory / "f.bin"), params);
  CHECK(refused.status == TENON_TOO_LARGE);
  CHECK(refused.message.find("max_size_bytes") != std::string::npos);
}

TEST_CASE("Read: an empty file has empty data, not none") {
  const TemporaryDirectory directory;
  write_text(directory / "empty", "");
  Worker worker;
  const auto outcome = worker.call("read", file_at(directory / "empty"));
  REQUIRE(outcome.as<tenon::File>().data() != nullptr);
  CHECK(outcome.as<tenon::File>().data()->size() == 0);
}
