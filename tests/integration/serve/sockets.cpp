// Which users and processes can use a daemon's socket.
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>

#include "daemon.hpp"
#include "platform/unix_socket.hpp"
#include "serve/protocol.hpp"
#include "tenon_test/catch.hpp"
#include "tenon_test/paths.hpp"

using namespace tenon::test;

TEST_CASE("tenon serve: a socket that is taken names the process, which goes on") {
  Daemon daemon;
  const Ended second = tenon::test::tenon({"serve", "--socket", daemon.socket()});
  CHECK(second.exit == 1);
  CHECK(has(second.error, "is taken: process " + std::to_string(daemon.program().pid())));
  CHECK(daemon.json({"status"})["state"] == "serving");
}

TEST_CASE("tenon serve: what is no socket, and a path that is too long, are wrong usage") {
  const TemporaryDirectory directory;
  std::ofstream(directory / "file") << "mine";
  const Ended file = tenon::test::tenon({"serve", "--socket", (directory / "file").string()});
  CHECK(file.exit == 2);
  CHECK(has(file.error, "is not a socket"));
  const Ended longer = tenon::test::tenon({"serve", "--socket", (directory / std::string(120, 'x')).string()});
  CHECK(longer.exit == 2);
  CHECK(has(longer.error, "107"));
  for (const char* relative : {"", "relative", "./here"}) {
    ProgramOptions options;
    options.environment = {{"XDG_RUNTIME_DIR", relative}};
    const Ended nowhere = tenon::test::tenon({"status"}, options);
    CHECK(nowhere.exit == 2);
    CHECK(has(nowhere.error, "--socket"));
  }
}

TEST_CASE("tenon serve: another user is refused in words, whatever the file's mode") {
  if (geteuid() != 0) {
    WARN("skipped: only root can run a client as another user");
    return;
  }
  Daemon daemon;
  // The file mode already keeps other users out; this tests the check of the peer.
  REQUIRE(chmod(daemon.socket().c_str(), 0777) == 0);
  REQUIRE(chmod(daemon.directory().c_str(), 0755) == 0);
  if (std::system("command -v setpriv > /dev/null") != 0) {
    WARN("skipped: there is no setpriv");
    return;
  }
  // A copy of the program that the other user can reach, wherever this build is.
  const std::filesystem::path program = daemon.directory() / "tenon";
  std::filesystem::copy_file(build_dir() / "bin" / "tenon", program);
  std::filesystem::permissions(program, std::filesystem::perms(0755));
  const std::filesystem::path output = daemon.directory() / "refused";
  const std::string command = "setpriv --reuid=65534 --regid=65534 --clear-groups '" + program.string() +
                              "' status --socket '" + daemon.socket() + "' > /dev/null 2> '" + output.string() + "'";
  const int status = std::system(command.c_str());
  CHECK(WEXITSTATUS(status) == 1);
  std::ifstream file(output, std::ios::binary);
  const std::string said(std::istreambuf_iterator<char>(file), {});
  CAPTURE(said);
  CHECK(has(said, "not user 65534"));
  CHECK(eventually([&] { return has(daemon.program().error(), "of user 65534 was refused"); }));
  CHECK(daemon.json({"status"})["clients"] == 1);
}

TEST_CASE("tenon serve: an old client and garbage are told why, and hurt nobody") {
  using namespace tenon::internal;
  Daemon daemon;
  const auto say = [&](tenon::BytesView bytes) {
    const auto socket = connect_unix(daemon.socket(), deadline_after(std::chrono::seconds(60)));
    REQUIRE(socket);
    REQUIRE(send_some(*socket, bytes));
    std::string said;
    std::array<std::uint8_t, 4096> buffer;
    for (;;) {
      const auto received = receive_some(*socket, buffer);
      if (!received || received->ended) {
        return said;
      }
      said.append(buffer.begin(), buffer.begin() + static_cast<std::ptrdiff_t>(received->size_bytes));
      if (received->size_bytes == 0) {
        REQUIRE(wait_readable(*socket, deadline_after(std::chrono::seconds(60))));
      }
    }
  };
  const std::string old = say(*pack(tenon::serve::HelloT()));
  CHECK(has(old, "protocol 0"));
  CHECK(has(old, "client is too old"));
  const std::string garbage = "GET / HTTP/1.1\r\n\r\n";
  CHECK(has(say({reinterpret_cast<const std::uint8_t*>(garbage.data()), garbage.size()}), "not the tenon protocol"));
  CHECK(daemon.json({"status"})["clients"] == 1);
}
