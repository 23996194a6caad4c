/// Runs the child program of these tests.
#pragma once

#include <chrono>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "platform/process.hpp"
#include "tenon_test/catch.hpp"
#include "tenon_test/paths.hpp"

namespace tenon::test {

inline std::filesystem::path child_executable() {
  return build_dir() / "tests" / "platform_child";
}

inline internal::MonotonicNs soon() {
  return internal::deadline_after(std::chrono::seconds(60));
}

/// Runs the child until it exits.
inline internal::CapturedRun run_child(std::vector<std::string> arguments, internal::SpawnOptions options = {}) {
  options.executable = child_executable();
  options.arguments = std::move(arguments);
  auto run = internal::run_captured(std::move(options), soon(), 1 << 20);
  REQUIRE(run);
  return std::move(*run);
}

}  // namespace tenon::test
