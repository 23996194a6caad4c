#include "platform/host_watch.hpp"

#include <csignal>
#include <string>
#include <thread>

#include "base/clock.hpp"
#include "base/scope_guard.hpp"
#include "child_process.hpp"
#include "platform/process_state.hpp"

using namespace tenon;
using namespace tenon::internal;
using namespace tenon::test;

TEST_CASE("HostWatch: a child whose host is killed ends, whatever it has closed") {
  // Without a separate descriptor table, which some systems refuse, the only check is the one for
  // the parent.
  for (const std::string table : {"separate", "shared"}) {
    for (const std::string descriptors : {"keeps", "closes"}) {
      INFO(table << " " << descriptors);
      const CapturedRun run = run_child({"watched_host", table + " " + descriptors + " killed"});
      REQUIRE(run.status);
      CHECK(run.status->signal == SIGKILL);
      REQUIRE_FALSE(run.standard_output.empty());
      const pid_t child = std::stoi(run.standard_output);
      const ScopeGuard end_it([&] { ::kill(child, SIGKILL); });
      const MonotonicNs deadline_ns = soon();
      const auto lives = [&] {
        // The process that adopts orphans may leave a zombie.
        const auto state = process_state(child);
        return state && !state->ending && !state->main_thread_ended;
      };
      while (lives() && monotonic_now_ns() < deadline_ns) {
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
      }
      CHECK_FALSE(lives());
    }
  }
}

TEST_CASE("HostWatch: a channel that a living host lets go is told as lost") {
  for (const std::string table : {"separate keeps", "separate closes", "shared keeps"}) {
    INFO(table);
    const CapturedRun run = run_child({"watched_host", table});
    REQUIRE(run.status);
    CHECK(run.status->success());
    CHECK(run.standard_output.substr(run.standard_output.find('\n') + 1) == "41\n");
  }
}
