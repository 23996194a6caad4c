#include "platform/sandbox.hpp"

#include <csignal>
#include <string>

#include "child_process.hpp"

using namespace tenon::internal;
using namespace tenon::test;

namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif

}  // namespace

TEST_CASE("apply_sandbox: a small address space makes shared memory fail with the limit's name") {
  if (kSanitized) {
    WARN("skipped: a sanitizer reserves more address space than the limit");
    return;
  }
  const CapturedRun run = run_child({"sandbox", "address_space", std::to_string(512 << 20)});
  CHECK(run.status->exit_code == 1);
  CHECK(run.standard_output.starts_with("out_of_memory: "));
  CHECK(run.standard_output.find("RLIMIT_AS") != std::string::npos);
}

TEST_CASE("apply_sandbox: a small data limit makes private memory fail with the limit's name") {
  if (kSanitized) {
    WARN("skipped: a sanitizer needs more private memory than the limit");
    return;
  }
  const CapturedRun run = run_child({"sandbox", "data", std::to_string(64 << 20)});
  CHECK(run.status->exit_code == 1);
  CHECK(run.standard_output.find("RLIMIT_DATA") != std::string::npos);
}

TEST_CASE("apply_sandbox: a small file size makes large shared memory fail with the limit's name") {
  const CapturedRun run = run_child({"sandbox", "file_size", std::to_string(1 << 20)});
  CHECK(run.status->exit_code == 1);
  CHECK(run.standard_output.starts_with("too_large: "));
  CHECK(run.standard_output.find("4 MiB") != std::string::npos);
  CHECK(run.standard_output.find("files of at most 1 MiB") != std::string::npos);
  CHECK(run.standard_output.find("RLIMIT_FSIZE") != std::string::npos);
}

TEST_CASE("apply_sandbox: processor time ends with SIGXCPU") {
  const CapturedRun run = run_child({"sandbox", "cpu", "1"});
  REQUIRE(run.status.has_value());
  CHECK(run.status->signal == SIGXCPU);
}
