#include "platform/control_channel.hpp"

#include <array>
#include <chrono>
#include <cstring>
#include <string>
#include <thread>

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "child_process.hpp"
#include "tenon_test/bytes.hpp"

using namespace tenon;
using namespace tenon::internal;
using namespace tenon::test;
using tenon::test::bytes_of;

namespace {

std::pair<ControlChannel, ControlChannel> pair() {
  auto made = ControlChannel::create_pair();
  REQUIRE(made);
  return std::move(*made);
}

std::string text_of(const Buffer& bytes) {
  return std::string(bytes.begin(), bytes.end());
}

}  // namespace

TEST_CASE("ControlChannel: an end that only sends gets no message and no descriptor") {
  auto pair = ControlChannel::create_pair();
  REQUIRE(pair);
  pair->first.stop_receiving();
  const std::array<int, 1> descriptors = {0};
  const tenon::Buffer message(3, 1);
  CHECK(pair->second.send(message, descriptors).error().code == ErrorCode::kUnavailable);
  CHECK_FALSE(pair->second.hung_up());
  REQUIRE(pair->first.send(message, descriptors));
  auto received = pair->second.receive(0);
  REQUIRE(received);
  REQUIRE(*received);
  CHECK((*received)->descriptors.size() == 1);
  pair->first = ControlChannel();
  CHECK(pair->second.hung_up());
}

TEST_CASE("ControlChannel: one whose number other code took is found out, and nothing is read from there") {
  auto pair = ControlChannel::create_pair();
  REQUIRE(pair);
  auto own = pair->second.descriptor().duplicate();
  REQUIRE(own);
  auto channel = ControlChannel::adopt(std::move(*own));
  REQUIRE(channel);
  auto other = ControlChannel::create_pair();
  REQUIRE(other);
  REQUIRE(other->first.send(tenon::Buffer(3, 1)));
  REQUIRE(::dup2(other->second.descriptor().get(), channel->descriptor().get()) >= 0);
  CHECK(channel->receive(0).error().code == ErrorCode::kIo);
  CHECK(other->second.receive(0).value().has_value());
}

TEST_CASE("ControlChannel: messages arrive whole and in order, both ways") {
  auto [a, b] = pair();
  REQUIRE(a.send(bytes_of("one")));
  REQUIRE(a.send(bytes_of("two two")));
  REQUIRE(b.send(bytes_of("back")));
  CHECK(text_of(b.receive(soon()).value()->bytes) == "one");
  CHECK(text_of(b.receive(soon()).value()->bytes) == "two two");
  CHECK(text_of(a.receive(soon()).value()->bytes) == "back");
  CHECK_FALSE(a.receive(monotonic_now_ns()).value().has_value());
  CHECK_FALSE(a.receive(monotonic_now_ns() + 2'000'000).value().has_value());
}

TEST_CASE("ControlChannel: the largest message passes, a larger or an empty one is refused") {
  auto [a, b] = pair();
  const std::string largest(kMaxControlMessageBytes, 'x');
  REQUIRE(a.send(bytes_of(largest)));
  CHECK(b.receive(soon()).value()->bytes.size() == kMaxControlMessageBytes);
  CHECK(a.send(bytes_of(largest + "x")).error().code == ErrorCode::kTooLarge);
  CHECK(a.send({}).error().code == ErrorCode::kInvalidArgument);
  const std::array<int, kMaxControlDescriptors + 1> many{};
  CHECK(a.send(bytes_of("x"), many).error().code == ErrorCode::kTooLarge);
}

TEST_CASE("ControlChannel: descriptors travel, close-on-exec, and none leaks") {
  const std::size_t before = open_descriptor_count().value();
  {
    auto [a, b] = pair();
    int ends[2];
    REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
    const FileDescriptor read_end(ends[0]);
    FileDescriptor write_end(ends[1]);
    std::array<int, kMaxControlDescriptors> numbers;
    numbers.fill(write_end.get());
    REQUIRE(a.send(bytes_of("with"), numbers));
    auto message = b.receive(soon());
    REQUIRE(message);
    REQUIRE((*message)->descriptors.size() == kMaxControlDescriptors);
    for (const FileDescriptor& descriptor : (*message)->descriptors) {
      CHECK((::fcntl(descriptor.get(), F_GETFD) & FD_CLOEXEC) != 0);
    }
    REQUIRE(write_all((*message)->descriptors[3], bytes_of("!")));
    std::array<std::uint8_t, 4> buffer{};
    CHECK(read_some(read_end, buffer).value() == 1);
    // A descriptor that is never received is closed with the channel.
    REQUIRE(a.send(bytes_of("lost"), std::array{write_end.get()}));
  }
  CHECK(open_descriptor_count().value() == before);
  auto [a, b] = pair();
  CHECK_FALSE(a.send(bytes_of("x"), std::array{-1}));
}

TEST_CASE("ControlChannel: the end of the other side is seen after its last message, and raises no signal") {
  auto [a, b] = pair();
  REQUIRE(a.send(bytes_of("last")));
  CHECK_FALSE(b.hung_up());
  { const ControlChannel closed = std::move(a); }
  CHECK(b.hung_up());
  CHECK(b.wait_for_hang_up(soon()));
  CHECK(text_of(b.receive(soon()).value()->bytes) == "last");
  CHECK(b.receive(soon()).error().code == ErrorCode::kUnavailable);
  CHECK(b.send(bytes_of("x")).error().code == ErrorCode::kUnavailable);
}

TEST_CASE("ControlChannel: shut_down is seen also while a copy of the end is open") {
  auto [a, b] = pair();
  const auto copy = a.descriptor().duplicate();
  REQUIRE(copy);
  a.shut_down();
  CHECK(b.wait_for_hang_up(soon()));
  CHECK(b.receive(soon()).error().code == ErrorCode::kUnavailable);
  CHECK(b.wait_for_hang_up(0));
}

TEST_CASE("ControlChannel: a full buffer waits until the deadline, or until it is read") {
  auto [a, b] = pair();
  const std::string large(kMaxControlMessageBytes, 'x');
  int sent = 0;
  Result<void> last;
  while ((last = a.send(bytes_of(large), {}, monotonic_now_ns() + 5'000'000))) {
    ++sent;
    REQUIRE(sent < 10'000);
  }
  CHECK(last.error().code == ErrorCode::kDeadline);
  CHECK(sent >= 2);
  std::thread reader([&b = b, sent] {
    for (int i = 0; i <= sent; ++i) {
      static_cast<void>(b.receive(soon()));
    }
  });
  CHECK(a.send(bytes_of(large), {}, soon()));
  reader.join();
}

TEST_CASE(
    "ControlChannel: raw messages that are empty, too large or full of descriptors are corrupt and leak nothing") {
  const std::size_t before = open_descriptor_count().value();
  {
    int ends[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0);
    const FileDescriptor raw(ends[0]);
    auto channel = ControlChannel::adopt(FileDescriptor(ends[1]));
    REQUIRE(channel);
    const std::string large(kMaxControlMessageBytes + 1, 'x');
    REQUIRE(::send(raw.get(), large.data(), large.size(), MSG_NOSIGNAL) > 0);
    CHECK(channel->receive(soon()).error().code == ErrorCode::kCorrupt);
    REQUIRE(::send(raw.get(), "", 0, MSG_NOSIGNAL) == 0);
    CHECK(channel->receive(soon()).error().code == ErrorCode::kCorrupt);

    constexpr std::size_t kMany = kMaxControlDescriptors + 20;
    alignas(cmsghdr) std::array<char, CMSG_SPACE(kMany * sizeof(int))> control{};
    char letter = 'x';
    iovec part{&letter, 1};
    msghdr header{};
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    header.msg_control = control.data();
    header.msg_controllen = control.size();
    cmsghdr* item = CMSG_FIRSTHDR(&header);
    item->cmsg_level = SOL_SOCKET;
    item->cmsg_type = SCM_RIGHTS;
    item->cmsg_len = CMSG_LEN(kMany * sizeof(int));
    std::array<int, kMany> numbers;
    numbers.fill(raw.get());
    std::memcpy(CMSG_DATA(item), numbers.data(), sizeof numbers);
    REQUIRE(::sendmsg(raw.get(), &header, MSG_NOSIGNAL) == 1);
    CHECK(channel->receive(soon()).error().code == ErrorCode::kCorrupt);
    REQUIRE(::send(raw.get(), "fine", 4, MSG_NOSIGNAL) == 4);
    CHECK(text_of(channel->receive(soon()).value()->bytes) == "fine");
  }
  CHECK(open_descriptor_count().value() == before);
}

TEST_CASE("ControlChannel: adopt refuses what is not an end of one") {
  CHECK_FALSE(ControlChannel::adopt(FileDescriptor()));
  CHECK_FALSE(ControlChannel::adopt(FileDescriptor(::open("/dev/null", O_RDONLY | O_CLOEXEC))));
  int ends[2];
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
  const FileDescriptor other(ends[1]);
  CHECK_FALSE(ControlChannel::adopt(FileDescriptor(ends[0])));
}

TEST_CASE("ControlChannel: a child answers, and ends when this end closes") {
  auto [mine, childs] = pair();
  auto child = Process::spawn(
      {.executable = child_executable(), .arguments = {"echo"}, .descriptors = {{childs.descriptor().get(), 3}}});
  REQUIRE(child);
  { const ControlChannel handed_over = std::move(childs); }
  const FileDescriptor null(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  REQUIRE(mine.send(bytes_of("hello"), std::array{null.get()}));
  auto answer = mine.receive(soon());
  REQUIRE(answer);
  CHECK(text_of((*answer)->bytes) == "hello");
  CHECK((*answer)->descriptors.size() == 1);
  { const ControlChannel closed = std::move(mine); }
  CHECK(child->wait(soon()).value()->success());
}
