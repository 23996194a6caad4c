// How a task misuses descriptors that belong to the worker.
#include <dirent.h>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "misbehave.hpp"

namespace tenon::chaos {
namespace {

/// Returns the descriptors of this process except the standard ones.
std::vector<int> descriptors() {
  std::vector<int> found;
  DIR* directory = ::opendir("/proc/self/fd");
  if (directory == nullptr) {
    return found;
  }
  while (const dirent* entry = ::readdir(directory)) {
    const int number = ::atoi(entry->d_name);
    if (number > 2 && number != ::dirfd(directory)) {
      found.push_back(number);
    }
  }
  ::closedir(directory);
  return found;
}

std::string target_of(int descriptor) {
  std::array<char, 256> target{};
  const std::string link = "/proc/self/fd/" + std::to_string(descriptor);
  const ssize_t length = ::readlink(link.c_str(), target.data(), target.size());
  return length < 0 ? std::string() : std::string(target.data(), static_cast<std::size_t>(length));
}

int one_of(const std::vector<int>& all, std::uint64_t random) {
  return all.empty() ? -1 : all[random % all.size()];
}

void put_null_over(int descriptor) {
  const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  if (null >= 0 && descriptor >= 0) {
    ::dup2(null, descriptor);
  }
  ::close(null);
}

void set_flags(std::uint64_t random) {
  for (const int descriptor : descriptors()) {
    const int flags = ::fcntl(descriptor, F_GETFL);
    ::fcntl(descriptor, F_SETFL, random % 4 == 0 ? flags | O_NONBLOCK : flags & ~O_NONBLOCK);
  }
}

/// Sends a message of random bytes, with a socket whose last close blocks.
void send_garbage(std::uint64_t random) {
  for (const int descriptor : descriptors()) {
    if (!target_of(descriptor).starts_with("socket:")) {
      continue;
    }
    for (std::uint64_t i = 0; i < random % 8 + 1; ++i) {
      std::array<std::uint64_t, 32> bytes{};
      for (std::uint64_t& word : bytes) {
        word = random = scatter(random);
      }
      iovec part{bytes.data(), random % sizeof bytes};
      msghdr message{};
      message.msg_iov = &part;
      message.msg_iovlen = 1;
      alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
      std::array<int, 2> ends = {-1, -1};
      if (random / 256 % 2 == 0 && ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) == 0) {
        const linger wait = {1, 1000};
        ::setsockopt(ends[0], SOL_SOCKET, SO_LINGER, &wait, sizeof wait);
        message.msg_control = control.data();
        message.msg_controllen = control.size();
        cmsghdr* head = CMSG_FIRSTHDR(&message);
        head->cmsg_level = SOL_SOCKET;
        head->cmsg_type = SCM_RIGHTS;
        head->cmsg_len = CMSG_LEN(sizeof(int));
        std::memcpy(CMSG_DATA(head), ends.data(), sizeof(int));
      }
      static_cast<void>(::sendmsg(descriptor, &message, MSG_DONTWAIT | MSG_NOSIGNAL));
      if (ends[0] >= 0) {
        ::close(ends[0]);
        ::close(ends[1]);
      }
    }
  }
}

/// Afterwards, a blocking ring waits forever.
void fill_bells() {
  for (const int descriptor : descriptors()) {
    if (target_of(descriptor) == "anon_inode:[eventfd]") {
      ::fcntl(descriptor, F_SETFL, ::fcntl(descriptor, F_GETFL) | O_NONBLOCK);
      const std::uint64_t most = 0xfffffffffffffffe;
      static_cast<void>(!::write(descriptor, &most, sizeof most));
      ::fcntl(descriptor, F_SETFL, ::fcntl(descriptor, F_GETFL) & ~O_NONBLOCK);
    }
  }
}

}  // namespace

bool meddle_with_descriptors(Way way, const Culprit& culprit) {
  const auto damage = [&] { culprit.ledger.mark(culprit.worker_id, kMarkDamaged, way); };
  switch (way) {
    case Way::kCloseAll:
      damage();
      for (const int descriptor : descriptors()) {
        ::close(descriptor);
      }
      return true;
    case Way::kCloseOne:
      damage();
      ::close(one_of(descriptors(), culprit.random));
      return true;
    case Way::kCloseStandard:
      for (int descriptor = 0; descriptor <= 2; ++descriptor) {
        ::close(descriptor);
      }
      return true;
    case Way::kNullOverOne:
      damage();
      put_null_over(one_of(descriptors(), culprit.random));
      return true;
    case Way::kBlockingFlags:
      damage();
      set_flags(culprit.random);
      return true;
    case Way::kGarbageMessages:
      damage();
      send_garbage(culprit.random);
      return true;
    case Way::kFillBells:
      damage();
      fill_bells();
      return true;
    case Way::kLateClose:
      damage();
      std::thread([random = culprit.random] {
        std::this_thread::sleep_for(std::chrono::microseconds(random % 20'000));
        if (random % 2 == 0) {
          ::close(one_of(descriptors(), random));
        } else {
          put_null_over(one_of(descriptors(), random));
        }
      }).detach();
      return true;
    default:
      return false;
  }
}

}  // namespace tenon::chaos
