/// A server and workers of another system, on a separate port, which exit with this program.
#pragma once

#include <cstddef>
#include <functional>
#include <list>
#include <string>
#include <vector>

#include "harness/child.hpp"
#include "harness/measure.hpp"

namespace tenon::bench {

inline constexpr int kPeerWorkers = 2;
inline constexpr std::size_t kPeerPayloadBytes = 64;

/// Returns a program found in PATH or among the system's servers; empty if it is not installed.
[[nodiscard]] std::string find_server(const std::string& name);

/// A running server with workers: each worker is this program with the arguments `--worker PORT`.
class ServerWithWorkers {
 public:
  /// Returns after the server accepts connections. `arguments` returns the arguments of the server
  /// for a port.
  ServerWithWorkers(const std::string& program, const std::function<std::vector<std::string>(int)>& arguments);
  ServerWithWorkers(const ServerWithWorkers&) = delete;
  ServerWithWorkers& operator=(const ServerWithWorkers&) = delete;
  ~ServerWithWorkers();
  [[nodiscard]] int port() const { return port_; }

 private:
  int port_;
  std::list<Child> children_;
};

/// Reports to tests/bench/run that this system is not installed. Returns the exit code.
int report_absent(const std::string& reason);

/// Returns the calls per second of `run(count)`, with a count that takes about `time`.
[[nodiscard]] std::vector<double> rates(Clock::duration time, int first, const std::function<void(int)>& run);

}  // namespace tenon::bench
