#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>

#include "limits/limits.hpp"
#include "tenon_test/check.hpp"
#include "tenon_test/paths.hpp"

namespace tenon::bench {
namespace {

/// Starts `count` children whose standard output is one pipe. Returns the time until each has
/// written its byte.
double spawn_and_read(int count) {
  int ends[2];
  TENON_CHECK(pipe(ends) == 0);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
  std::string program = (test::build_dir() / "tests" / "bench" / "bench_first_byte").string();
  char* arguments[] = {program.data(), nullptr};
  char* environment[] = {nullptr};
  std::vector<pid_t> children(static_cast<std::size_t>(count));
  const double took = time_once([&] {
    for (pid_t& child : children) {
      TENON_CHECK(posix_spawn(&child, program.c_str(), &actions, nullptr, arguments, environment) == 0);
    }
    for (int i = 0; i < count; ++i) {
      char byte = 0;
      TENON_CHECK(read(ends[0], &byte, 1) == 1);
    }
  });
  posix_spawn_file_actions_destroy(&actions);
  close(ends[0]);
  close(ends[1]);
  for (const pid_t child : children) {
    waitpid(child, nullptr, 0);
  }
  return took;
}

}  // namespace

void spawn_to_first_byte(const Settings& settings) {
  for (const int count : {1, 2, 8}) {
    std::vector<double> samples;
    (void)spawn_and_read(count);
    for (int sample = 0; sample < settings.pick(30, 10); ++sample) {
      samples.push_back(spawn_and_read(count));
    }
    report("limit.spawn." + std::to_string(count), "us", samples);
  }
}

}  // namespace tenon::bench
