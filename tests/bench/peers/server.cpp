#include "peers/server.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <sstream>
#include <thread>

namespace tenon::bench {
namespace {

sockaddr_in local_address(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  return address;
}

int free_port() {
  const int socket_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = local_address(0);
  socklen_t size = sizeof address;
  TENON_CHECK(bind(socket_fd, reinterpret_cast<sockaddr*>(&address), size) == 0);
  TENON_CHECK(getsockname(socket_fd, reinterpret_cast<sockaddr*>(&address), &size) == 0);
  close(socket_fd);
  return ntohs(address.sin_port);
}

bool takes_connections(int port) {
  const int socket_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_in address = local_address(port);
  const bool connected = connect(socket_fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  close(socket_fd);
  return connected;
}

/// Replaces this process by that program; `quiet` discards its output.
[[noreturn]] void become(const std::vector<char*>& arguments, bool quiet) {
  if (quiet) {
    const int nowhere = open("/dev/null", O_RDWR);
    dup2(nowhere, STDOUT_FILENO);
    dup2(nowhere, STDERR_FILENO);
  }
  execv(arguments.front(), arguments.data());
  _exit(127);
}

std::vector<char*> pointers_to(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (std::string& text : texts) {
    pointers.push_back(text.data());
  }
  pointers.push_back(nullptr);
  return pointers;
}

}  // namespace

std::string find_server(const std::string& name) {
  const char* path = std::getenv("PATH");
  std::istringstream directories(std::string(path == nullptr ? "" : path) + ":/usr/sbin:/usr/local/sbin");
  for (std::string directory; std::getline(directories, directory, ':');) {
    std::string program = directory + "/" + name;
    if (!directory.empty() && access(program.c_str(), X_OK) == 0) {
      return program;
    }
  }
  return "";
}

ServerWithWorkers::ServerWithWorkers(const std::string& program,
                                     const std::function<std::vector<std::string>(int)>& arguments)
    : port_(free_port()) {
  std::vector<std::string> server = arguments(port_);
  server.insert(server.begin(), program);
  const std::vector<char*> server_pointers = pointers_to(server);
  children_.emplace_back([&] { become(server_pointers, true); });
  const Clock::time_point end = Clock::now() + std::chrono::seconds(10);
  while (!takes_connections(port_)) {
    TENON_CHECK(Clock::now() < end);
    std::this_thread::sleep_for(std::chrono::microseconds(200));
  }
  std::vector<std::string> worker = {"/proc/self/exe", "--worker", std::to_string(port_)};
  const std::vector<char*> worker_pointers = pointers_to(worker);
  for (int i = 0; i < kPeerWorkers; ++i) {
    children_.emplace_back([&] { become(worker_pointers, false); });
  }
}

ServerWithWorkers::~ServerWithWorkers() {
  for (const Child& child : children_) {
    child.kill();
  }
}

int report_absent(const std::string& reason) {
  std::printf("{\"absent\": \"%s\"}\n", reason.c_str());
  return 0;
}

std::vector<double> rates(Clock::duration time, int first, const std::function<void(int)>& run) {
  int count = first;
  double took = time_once([&] { run(count); });
  while (took < microseconds(time) / 3) {
    count = static_cast<int>(count * std::min(10.0, microseconds(time) / took)) + 1;
    took = time_once([&] { run(count); });
  }
  const double again = time_once([&] { run(count); });
  return {count / took * 1e6, count / again * 1e6};
}

}  // namespace tenon::bench
