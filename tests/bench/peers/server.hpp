/// A server and workers of another system, on a port of their own, which end with this program.
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

/// A program found in PATH or among the system's servers; empty when it is not there.
[[nodiscard]] std::string find_server(const std::string& name);

/// A running server with workers: this program again, called `--worker PORT`.
class ServerWithWorkers {
 public:
  /// Returns once the server takes connections. `arguments` gives those of the server for a port.
  ServerWithWorkers(const std::string& program, const std::function<std::vector<std::string>(int)>& arguments);
  ServerWithWorkers(const ServerWithWorkers&) = delete;
  ServerWithWorkers& operator=(const ServerWithWorkers&) = delete;
  ~ServerWithWorkers();
  [[nodiscard]] int port() const { return port_; }

 private:
  int port_;
  std::list<Child> children_;
};

/// Tells tests/bench/run that this system is not installed. Returns the exit code.
int report_absent(const std::string& reason);

/// Calls a second of `run(count)`, with a count that takes about `time`.
[[nodiscard]] std::vector<double> rates(Clock::duration time, int first, const std::function<void(int)>& run);

}  // namespace tenon::bench
