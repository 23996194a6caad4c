// Measures gearmand with libgearman: a server, two workers and this client, over TCP on this
// machine.
#include <libgearman/gearman.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "peers/server.hpp"

namespace tenon::bench {
namespace {

constexpr char kFunction[] = "echo";
constexpr int kTimeoutMs = 15'000;
constexpr char kHost[] = "127.0.0.1";

void* echo(gearman_job_st* job, void*, std::size_t* size, gearman_return_t* result) {
  *size = gearman_job_workload_size(job);
  void* answer = std::malloc(*size);  // The library frees it.
  std::memcpy(answer, gearman_job_workload(job), *size);
  *result = GEARMAN_SUCCESS;
  return answer;
}

int work(int port) {
  gearman_worker_st* worker = gearman_worker_create(nullptr);
  TENON_CHECK(gearman_worker_add_server(worker, kHost, static_cast<in_port_t>(port)) == GEARMAN_SUCCESS);
  TENON_CHECK(gearman_worker_add_function(worker, kFunction, 0, echo, nullptr) == GEARMAN_SUCCESS);
  while (gearman_worker_work(worker) == GEARMAN_SUCCESS) {
  }
  return 1;
}

class Client {
 public:
  explicit Client(int port) : client_(gearman_client_create(nullptr)) {
    gearman_client_set_timeout(client_, kTimeoutMs);
    TENON_CHECK(gearman_client_add_server(client_, kHost, static_cast<in_port_t>(port)) == GEARMAN_SUCCESS);
    gearman_client_set_complete_fn(client_, [](gearman_task_st* task) {
      ++*static_cast<int*>(gearman_task_context(task));
      return GEARMAN_SUCCESS;
    });
  }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;
  ~Client() { gearman_client_free(client_); }

  void call(const std::vector<char>& argument) {
    std::size_t size = 0;
    gearman_return_t result = GEARMAN_SUCCESS;
    void* answer = gearman_client_do(client_, kFunction, nullptr, argument.data(), argument.size(), &size, &result);
    TENON_CHECK(result == GEARMAN_SUCCESS && size == argument.size());
    std::free(answer);
  }

  /// Runs tasks concurrently, in batches that keep the client's own lists short.
  void futures(int count, const std::vector<char>& argument) {
    constexpr int kAtOnce = 1000;
    int done = 0;
    for (int submitted = 0; submitted < count;) {
      for (const int end = std::min(count, submitted + kAtOnce); submitted < end; ++submitted) {
        gearman_return_t result = GEARMAN_SUCCESS;
        (void)gearman_client_add_task(client_, nullptr, &done, kFunction, nullptr, argument.data(), argument.size(),
                                      &result);
        TENON_CHECK(result == GEARMAN_SUCCESS);
      }
      TENON_CHECK(gearman_client_run_tasks(client_) == GEARMAN_SUCCESS);
      gearman_client_task_free_all(client_);
    }
    TENON_CHECK(done == count);
  }

 private:
  gearman_client_st* client_;
};

int measure(const Settings& settings) {
  const std::string program = find_server("gearmand");
  if (program.empty()) {
    return report_absent("gearmand is not installed");
  }
  const std::vector<char> payload(kPeerPayloadBytes, 'x');
  std::vector<double> starts;
  std::optional<ServerWithWorkers> server;
  for (int sample = 0; sample < settings.pick(3, 1); ++sample) {
    server.reset();
    starts.push_back(time_once([&] {
      server.emplace(program, [](int port) {
        return std::vector<std::string>{"--listen", kHost, "--port", std::to_string(port), "--log-file", "none"};
      });
      Client(server->port()).call(payload);
    }));
  }
  report("start.2", "us", starts);
  Client client(server->port());
  const auto call = [&] { client.call(payload); };
  report("call.64B.sleeping", "us",
         time_each(settings.time(), 5, 300, call, [] { std::this_thread::sleep_for(kPause); }));
  report("call.64B.awake", "us", time_each(settings.time(), 5, 5'000, call));
  report("futures.1", "calls/s", rates(settings.time(), 100, [&](int count) { client.futures(count, payload); }));
  const std::vector<char> tiny(8, 'x');
  report("map.tiny", "calls/s", rates(settings.time(), 100, [&](int count) { client.futures(count, tiny); }));
  return 0;  // No echo of 256 MiB: gearmand 1.1.20 does not answer a job of 64 MiB within a minute.
}

}  // namespace
}  // namespace tenon::bench

int main(int argc, char** argv) {
  using namespace tenon::bench;
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  if (arguments.size() == 2 && arguments[0] == "--worker") {
    return work(std::stoi(arguments[1]));
  }
  return measure({.quick = std::find(arguments.begin(), arguments.end(), "--quick") != arguments.end()});
}
