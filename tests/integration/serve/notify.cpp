// The notifications of a daemon to the service manager.
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>

#include "daemon.hpp"
#include "tenon_test/catch.hpp"

using namespace tenon::test;

namespace {

/// The manager's side of $NOTIFY_SOCKET.
class Manager {
 public:
  Manager() : descriptor_(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path().c_str(), sizeof address.sun_path - 1);
    REQUIRE(bind(descriptor_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  }
  ~Manager() { close(descriptor_); }
  [[nodiscard]] std::string path() const { return (directory_ / "notify").string(); }
  /// Waits until a notification contains `part`.
  bool wait_for(const std::string& part) {
    return eventually([&] {
      char message[4096];
      for (ssize_t size; (size = recv(descriptor_, message, sizeof message, 0)) > 0;) {
        received_.append(message, static_cast<std::size_t>(size));
        received_ += '\n';
      }
      return has(received_, part);
    });
  }
  void forget() { received_.clear(); }
  [[nodiscard]] const std::string& received() const { return received_; }

 private:
  TemporaryDirectory directory_;
  int descriptor_;
  std::string received_;
};

}  // namespace

TEST_CASE("tenon serve: tells the service manager when it is ready, reloads, lives and stops") {
  Manager manager;
  Daemon daemon({}, {{"NOTIFY_SOCKET", manager.path()}, {"WATCHDOG_USEC", "200000"}, {"JOURNAL_STREAM", "8:1"}});
  CHECK(manager.wait_for("READY=1"));
  CHECK(has(manager.received(), "STATUS=serving"));
  CHECK(manager.wait_for("WATCHDOG=1"));
  manager.forget();
  CHECK(manager.wait_for("WATCHDOG=1"));
  daemon.signal(SIGHUP);
  CHECK(manager.wait_for("RELOADING=1"));
  CHECK(has(manager.received(), "MONOTONIC_USEC="));
  CHECK(manager.wait_for("READY=1"));
  daemon.signal(SIGTERM);
  CHECK(manager.wait_for("STOPPING=1"));
  CHECK(daemon.program().wait() == 0);
  CHECK(has(daemon.program().error(), "<6>tenon: info: "));
}
