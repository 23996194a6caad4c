#include "platform/reactor/poller.hpp"

#include <thread>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "child_process.hpp"

using namespace tenon;
using namespace tenon::internal;
using namespace tenon::test;

TEST_CASE("Poller: an empty set waits until the deadline") {
  auto poller = Poller::create();
  REQUIRE(poller);
  CHECK(poller->wait(monotonic_now_ns() + 1'000'000).value().empty());
  CHECK(poller->wait(0).value().empty());
}

TEST_CASE("Poller: bells from another thread, timers and a child's end come with their tokens") {
  auto poller = Poller::create();
  auto bell = EventBell::create();
  auto timer = Timer::create();
  REQUIRE(poller);
  REQUIRE(bell);
  REQUIRE(timer);
  REQUIRE(poller->add(bell->descriptor(), 1));
  REQUIRE(poller->add(timer->descriptor(), 2));

  std::thread ringer([&bell] {
    bell->ring();
    bell->ring();
  });
  ringer.join();
  auto events = poller->wait(soon());
  REQUIRE(events);
  REQUIRE(events->size() == 1);
  CHECK((*events)[0].token == 1);
  CHECK((*events)[0].readable);
  CHECK(bell->drain());
  CHECK_FALSE(bell->drain());

  timer->set(0);
  CHECK(poller->wait(soon()).value()[0].token == 2);
  CHECK(timer->drain());
  timer->set(monotonic_now_ns() + 1'000'000);
  CHECK(poller->wait(soon()).value()[0].token == 2);
  CHECK(timer->drain());
  timer->set(monotonic_now_ns() + 1'000'000'000'000);
  timer->set(kNever);
  CHECK(poller->wait(monotonic_now_ns() + 1'000'000).value().empty());

  auto child = Process::spawn({.executable = child_executable(), .arguments = {"exit", "1"}});
  REQUIRE(child);
  REQUIRE(poller->add(child->exit_handle(), 3));
  CHECK(poller->wait(soon()).value()[0].token == 3);
  poller->remove(child->exit_handle());
  CHECK(child->wait(0).value()->exit_code == 1);
}

TEST_CASE("Poller: says when the other side is gone, and when there is room to write") {
  auto poller = Poller::create();
  REQUIRE(poller);
  int ends[2];
  REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
  const FileDescriptor read_end(ends[0]);
  FileDescriptor write_end(ends[1]);
  REQUIRE(poller->add(write_end, 1, {.readable = false, .writable = true}));
  CHECK(poller->wait(soon()).value()[0].writable);
  REQUIRE(poller->modify(write_end, 1, {.readable = false, .writable = false}));
  REQUIRE(poller->add(read_end, 2));
  poller->remove(write_end);
  write_end.reset();
  auto events = poller->wait(soon());
  REQUIRE(events);
  CHECK((*events)[0].token == 2);
  CHECK((*events)[0].hang_up);
}

TEST_CASE("Poller: an edge is reported once for each ring, though nothing is read") {
  auto poller = Poller::create();
  auto bell = EventBell::create();
  REQUIRE(poller);
  REQUIRE(bell);
  REQUIRE(poller->add(bell->descriptor(), 1, {.readable = true, .writable = false, .edge_triggered = true}));
  for (int i = 0; i < 3; ++i) {
    bell->ring();
    CHECK(poller->wait(soon()).value().size() == 1);
    CHECK(poller->wait(monotonic_now_ns()).value().empty());
  }
}

TEST_CASE("BellRinger: rings its bell, and leaves alone whatever else has the number") {
  auto bell = EventBell::create();
  REQUIRE(bell);
  auto copy = bell->descriptor().duplicate();
  REQUIRE(copy);
  copy->move_out_of_reach();
  const int number = copy->get();
  CHECK(number > bell->descriptor().get());
  const BellRinger ringer{EventBell(std::move(*copy))};
  REQUIRE(ringer.ring());
  CHECK(bell->drain());

  FileDescriptor file(::memfd_create("file", MFD_CLOEXEC));
  REQUIRE(::dup2(file.get(), number) == number);
  CHECK_FALSE(ringer.ring());
  CHECK(::lseek(file.get(), 0, SEEK_END) == 0);
  REQUIRE(::close(number) == 0);
  CHECK_FALSE(ringer.ring());
  CHECK_FALSE(bell->drain());
}

TEST_CASE("Poller: a descriptor that cannot be watched or is watched already is refused") {
  auto poller = Poller::create();
  auto bell = EventBell::create();
  REQUIRE(poller);
  REQUIRE(bell);
  REQUIRE(poller->add(bell->descriptor(), 1));
  CHECK(poller->add(bell->descriptor(), 1).error().code == ErrorCode::kInvalidArgument);
  CHECK(poller->add(FileDescriptor(), 1).error().code == ErrorCode::kInvalidArgument);
  poller->remove(bell->descriptor());
  poller->remove(bell->descriptor());
  CHECK_FALSE(poller->modify(bell->descriptor(), 1, {}));
}
