#include "platform/resource_limits.hpp"

#include <sys/resource.h>

#include <cerrno>
#include <csignal>
#include <string>

#include "child_process.hpp"
#include "platform/thread.hpp"
#include "tenon_test/temporary_directory.hpp"
#include "tenon_test/text.hpp"

using namespace tenon::internal;
using namespace tenon::test;
using tenon::test::has;

namespace {

/// Sets a soft limit of this process while the object exists.
class SoftLimit {
 public:
  SoftLimit(int resource, rlim_t value) : resource_(static_cast<decltype(RLIMIT_FSIZE)>(resource)) {
    ::getrlimit(resource_, &before_);
    rlimit limit = before_;
    limit.rlim_cur = value;
    ::setrlimit(resource_, &limit);
  }
  SoftLimit(const SoftLimit&) = delete;
  SoftLimit& operator=(const SoftLimit&) = delete;
  ~SoftLimit() { ::setrlimit(resource_, &before_); }

 private:
  decltype(RLIMIT_FSIZE) resource_;
  rlimit before_{};
};

}  // namespace

TEST_CASE("Thread: runs its function, with a name and without the program's signals") {
  std::string state;
  auto thread = Thread::start("a-name-of-a-thread", [&] {
    sigset_t blocked;
    ::pthread_sigmask(SIG_SETMASK, nullptr, &blocked);
    state = sigismember(&blocked, SIGTERM) == 1 && sigismember(&blocked, SIGSEGV) == 0 ? "as meant" : "otherwise";
  });
  REQUIRE(thread);
  CHECK(thread->joinable());
  thread->join();
  CHECK_FALSE(thread->joinable());
  CHECK(state == "as meant");
}

TEST_CASE("Thread: its stack does not depend on the limit of stacks") {
  const SoftLimit small(RLIMIT_STACK, 64 << 10);
  bool ran = false;
  auto thread = Thread::start("test", [&] {
    volatile char large[1 << 20];
    large[0] = 1;
    ran = large[0] == 1;
  });
  REQUIRE(thread);
  thread->join();
  CHECK(ran);
}

TEST_CASE("Thread: without room for a further one the error names the limit") {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  WARN("skipped: a sanitizer needs more address space than the limit");
#else
  const CapturedRun run = run_child({"thread_without_room"});
  CAPTURE(run.standard_output);
  CHECK(run.status->exit_code == 0);
  CHECK(has(run.standard_output, "unavailable: cannot start the thread 'test'"));
  CHECK(has(run.standard_output, "RLIMIT_AS"));
#endif
}

TEST_CASE("file size limit: a write beyond it is an error with its value, and no signal") {
  const TemporaryDirectory directory;
  const CapturedRun run = run_child({"write_beyond_limit", (directory / "file").string()});
  CAPTURE(run.standard_output, run.status->to_string());
  CHECK(run.status->exit_code == 0);
  CHECK(has(run.standard_output, "too_large: cannot write '" + (directory / "file").string()));
  CHECK(has(run.standard_output, "into shared memory"));
  CHECK(has(run.standard_output, "files of at most 4 KiB"));
  CHECK(has(run.standard_output, "RLIMIT_FSIZE"));
  // The program's own signal dispositions are unchanged. A sanitizer catches SIGBUS, SIGFPE and
  // SIGSEGV.
  const bool untouched = has(run.standard_output, "pending 0 blocked 0 blocked=0 ignored=0 caught=0\n") ||
                         has(run.standard_output, "pending 0 blocked 0 blocked=0 ignored=0 caught=4c0\n");
  CHECK(untouched);
  CHECK(std::filesystem::is_empty(directory.path()));
}

TEST_CASE("limit_error: names the limit with its value") {
  {
    const SoftLimit few(RLIMIT_NOFILE, 77);
    CHECK(has(limit_error(EMFILE, "cannot open").message, "77 descriptors open"));
    CHECK(has(limit_error(EMFILE, "cannot open").message, "ulimit -n"));
  }
  const auto tasks = limit_error(EAGAIN, "cannot start");
  CHECK(tasks.code == tenon::ErrorCode::kUnavailable);
  CHECK(has(tasks.message, "use fewer workers"));
  CHECK(limit_error(ENOENT, "cannot open").message == tenon::os_error(ENOENT, "cannot open").message);
}

TEST_CASE("ExitStatus: the signal of a limit is told with the limit") {
  ExitStatus status;
  status.signal = SIGXFSZ;
  const SoftLimit small(RLIMIT_FSIZE, 3 << 20);
  CHECK(has(status.to_string(), "files are limited to 3 MiB, RLIMIT_FSIZE"));
}

TEST_CASE("check_stack_limit: refuses what no program can run in") {
  CHECK(check_stack_limit("tenon"));
  const SoftLimit small(RLIMIT_STACK, 64 << 10);
  const auto refused = check_stack_limit("tenon");
  REQUIRE_FALSE(refused);
  CHECK(has(refused.error().message, "64 KiB"));
  CHECK(has(refused.error().message, "ulimit -s"));
}
