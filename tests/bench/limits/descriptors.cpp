#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>

#include "harness/child.hpp"
#include "limits/limits.hpp"

namespace tenon::bench {
namespace {

/// One direction: data written to one end is read from the other.
struct Way {
  int read_end = -1;
  int write_end = -1;
  void send(std::uint64_t word) const { TENON_CHECK(write(write_end, &word, sizeof word) == sizeof word); }
  [[nodiscard]] std::uint64_t receive() const {
    std::uint64_t word = 0;
    TENON_CHECK(read(read_end, &word, sizeof word) == sizeof word);
    return word;
  }
  void close_both() const {
    close(read_end);
    if (write_end != read_end) {
      close(write_end);
    }
  }
};

void ping_pong(const char* name, const Settings& settings, Way there, Way back) {
  constexpr std::uint64_t kGo = 1;
  constexpr std::uint64_t kStop = 2;
  {
    const Child child([&] {
      while (there.receive() != kStop) {
        back.send(kGo);
      }
    });
    report(name, "us", time_each(settings.time(), 100, 20'000, [&] {
             there.send(kGo);
             (void)back.receive();
           }));
    there.send(kStop);
  }
  there.close_both();
  back.close_both();
}

Way make_eventfd() {
  const int descriptor = eventfd(0, EFD_CLOEXEC);
  TENON_CHECK(descriptor >= 0);
  return {descriptor, descriptor};
}

Way make_pipe() {
  int ends[2];
  TENON_CHECK(pipe(ends) == 0);
  return {ends[0], ends[1]};
}

}  // namespace

void descriptor_ping_pong(const Settings& settings) {
  ping_pong("limit.eventfd_ping_pong", settings, make_eventfd(), make_eventfd());
  ping_pong("limit.pipe_ping_pong", settings, make_pipe(), make_pipe());
  int ends[2];
  TENON_CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends) == 0);
  ping_pong("limit.unix_socket_ping_pong", settings, {ends[1], ends[0]}, {ends[0], ends[1]});
}

}  // namespace tenon::bench
