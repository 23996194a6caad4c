#include "platform/unix_socket.hpp"

#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "child_process.hpp"
#include "tenon_test/bytes.hpp"
#include "tenon_test/catch.hpp"
#include "tenon_test/temporary_directory.hpp"
#include "tenon_test/text.hpp"

using namespace tenon;
using namespace tenon::internal;
using namespace tenon::test;
using tenon::test::bytes_of;
using tenon::test::has;

namespace {

UnixListener listen(const std::filesystem::path& path) {
  auto listener = UnixListener::listen(path);
  INFO((listener ? "" : listener.error().to_string()));
  REQUIRE(listener);
  return std::move(*listener);
}

/// Starts a child that listens; it is ready when this returns.
Process listening_child(const std::filesystem::path& path) {
  auto child = Process::spawn(
      {.executable = child_executable(), .arguments = {"listen", path.string()}, .standard_output = StreamMode::kPipe});
  REQUIRE(child);
  std::array<std::uint8_t, 8> line{};
  REQUIRE(read_some(child->standard_output(), line).value_or(0) == 8);
  REQUIRE(std::string(line.begin(), line.end()) == "listens\n");
  return std::move(*child);
}

}  // namespace

TEST_CASE("UnixListener: the socket is its owner's alone, and goes with the listener") {
  const TemporaryDirectory directory;
  {
    const UnixListener listener = listen(directory / "socket");
    struct stat file {};
    REQUIRE(::lstat((directory / "socket").c_str(), &file) == 0);
    CHECK(S_ISSOCK(file.st_mode));
    CHECK((file.st_mode & 0777) == 0600);
  }
  CHECK(std::filesystem::is_empty(directory.path()));
}

TEST_CASE("UnixListener: a lock file that is not its own is left as it is") {
  const TemporaryDirectory directory;
  const auto path = directory / "socket";
  const auto lock = directory / "socket.lock";
  const auto content = [&] {
    std::ifstream file(lock);
    return std::string(std::istreambuf_iterator<char>(file), {});
  };
  for (const auto& [text, mode] : std::vector<std::pair<std::string, mode_t>>{
           {"my notes\n", 0600}, {"12 months\n", 0600}, {"12", 0600}, {"4711\n", 0644}, {"", 0644}}) {
    std::ofstream(lock) << text;
    REQUIRE(::chmod(lock.c_str(), mode) == 0);
    const auto refused = UnixListener::listen(path);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == ErrorCode::kInvalidArgument);
    CHECK(has(refused.error().message, lock.string()));
    CHECK(content() == text);
    std::filesystem::remove(lock);
  }
  std::filesystem::create_directory(lock);
  CHECK_FALSE(UnixListener::listen(path));
  std::filesystem::remove(lock);
  REQUIRE(::mkfifo(lock.c_str(), 0600) == 0);
  CHECK_FALSE(UnixListener::listen(path));
  std::filesystem::remove(lock);
  // The socket of a killed process is taken over.
  for (const std::string text : {"", "4711\n"}) {
    std::ofstream(lock) << text;
    REQUIRE(::chmod(lock.c_str(), 0600) == 0);
    CHECK(UnixListener::listen(path));
    CHECK_FALSE(std::filesystem::exists(lock));
  }
}

TEST_CASE("UnixListener: bytes go both ways, each end knows the other") {
  const TemporaryDirectory directory;
  UnixListener listener = listen(directory / "socket");
  CHECK_FALSE(listener.accept()->valid());
  const auto client = connect_unix(directory / "socket", soon());
  REQUIRE(client);
  REQUIRE(wait_readable(listener.descriptor(), soon()));
  const auto server = listener.accept();
  REQUIRE((server && server->valid()));
  for (const FileDescriptor* end : {&*client, &*server}) {
    const auto peer = peer_credentials(*end);
    REQUIRE(peer);
    CHECK(peer->process_id == ::getpid());
    CHECK(peer->user_id == ::geteuid());
  }
  CHECK(send_some(*client, bytes_of("hello")).value_or(0) == 5);
  REQUIRE(wait_readable(*server, soon()));
  std::array<std::uint8_t, 16> buffer{};
  CHECK(receive_some(*server, buffer)->size_bytes == 5);
  const auto nothing = receive_some(*server, buffer);
  REQUIRE(nothing);
  CHECK(nothing->size_bytes == 0);
  CHECK_FALSE(nothing->ended);
}

TEST_CASE("UnixListener: an end that is gone is told, a full buffer takes nothing") {
  const TemporaryDirectory directory;
  UnixListener listener = listen(directory / "socket");
  auto client = connect_unix(directory / "socket", soon());
  REQUIRE(client);
  auto server = listener.accept();
  REQUIRE((server && server->valid()));
  const std::string block(1 << 16, 'x');
  std::size_t taken = 1;
  for (int i = 0; i < 1000 && taken > 0; ++i) {
    taken = send_some(*client, bytes_of(block)).value_or(99);
  }
  CHECK(taken == 0);
  CHECK_FALSE(wait_writable(*client, monotonic_now_ns()));
  server->reset();
  CHECK(send_some(*client, bytes_of(block)).error().code == ErrorCode::kUnavailable);
  std::array<std::uint8_t, 16> buffer{};
  CHECK(receive_some(*client, buffer)->ended);
}

TEST_CASE("UnixListener: a path that is taken names the process") {
  const TemporaryDirectory directory;
  Process child = listening_child(directory / "socket");
  const auto second = UnixListener::listen(directory / "socket");
  REQUIRE_FALSE(second);
  CHECK(second.error().code == ErrorCode::kRejected);
  CHECK(has(second.error().message, "process " + std::to_string(child.pid())));
  CHECK(connect_unix(directory / "socket", soon()));

  SECTION("a socket that a killed process left is replaced") {
    child.kill();
    REQUIRE(child.wait(soon())->has_value());
    CHECK(std::filesystem::exists(directory / "socket"));
    CHECK(connect_unix(directory / "socket", soon()).error().code == ErrorCode::kUnavailable);
    const UnixListener listener = listen(directory / "socket");
    CHECK(connect_unix(directory / "socket", soon()));
  }
  child.kill();
}

TEST_CASE("UnixListener: of many that start at once over a dead socket, one gets it") {
  const TemporaryDirectory directory;
  for (int round = 0; round < 20; ++round) {
    {
      Process dead = listening_child(directory / "socket");
      dead.kill();
      REQUIRE(dead.wait(soon())->has_value());
    }
    std::atomic<int> won{0};
    std::atomic<int> lost{0};
    std::vector<std::optional<UnixListener>> listeners(4);
    std::vector<std::thread> threads;
    for (auto& slot : listeners) {
      threads.emplace_back([&] {
        auto listener = UnixListener::listen(directory / "socket");
        if (listener) {
          slot.emplace(std::move(*listener));
          ++won;
        } else if (listener.error().code == ErrorCode::kRejected) {
          ++lost;
        }
      });
    }
    for (std::thread& thread : threads) {
      thread.join();
    }
    CHECK(won == 1);
    CHECK(lost == 3);
    CHECK(connect_unix(directory / "socket", soon()));
  }
}

TEST_CASE("UnixListener: what cannot be a socket is refused in words") {
  const TemporaryDirectory directory;
  std::ofstream(directory / "file") << "not mine";
  auto refused = UnixListener::listen(directory / "file");
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ErrorCode::kInvalidArgument);
  CHECK(has(refused.error().message, "is not a socket"));
  CHECK(std::filesystem::file_size(directory / "file") == 8);

  std::filesystem::create_symlink(directory / "file", directory / "link");
  CHECK(UnixListener::listen(directory / "link").error().code == ErrorCode::kInvalidArgument);

  refused = UnixListener::listen(directory / "missing" / "socket");
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ErrorCode::kNotFound);
  CHECK(has(refused.error().message, "no directory"));
  CHECK(connect_unix(directory / "missing", soon()).error().code == ErrorCode::kNotFound);

  // Only root can search a directory without permissions.
  if (::geteuid() != 0) {
    std::filesystem::create_directories(directory / "closed" / "inner");
    std::filesystem::permissions(directory / "closed", std::filesystem::perms::none);
    refused = UnixListener::listen(directory / "closed" / "inner" / "socket");
    std::filesystem::permissions(directory / "closed", std::filesystem::perms::owner_all);
    REQUIRE_FALSE(refused);
    CHECK(has(refused.error().message, "Permission denied"));
  }
}

TEST_CASE("UnixListener: the longest path works, a longer one is refused with both lengths") {
  const TemporaryDirectory directory;
  const std::string base = directory.path().string() + '/';
  REQUIRE(base.size() < kMaxSocketPathBytes);
  const std::string longest = base + std::string(kMaxSocketPathBytes - base.size(), 's');
  const UnixListener listener = listen(longest);
  CHECK(connect_unix(longest, soon()));
  for (const auto& error : {UnixListener::listen(longest + 's').error(), connect_unix(longest + 's', soon()).error()}) {
    CHECK(error.code == ErrorCode::kTooLarge);
    CHECK(has(error.message, "108 bytes"));
    CHECK(has(error.message, "107"));
  }
}
