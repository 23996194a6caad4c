#include "workloads/process_status.hpp"

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "tenon_test/check.hpp"

namespace tenon::bench {
namespace {

/// Returns the sum of the numbers in the lines of a file that start with one of two names.
std::int64_t sum_of_lines(const std::filesystem::path& file, const std::string& first, const std::string& second) {
  std::ifstream lines(file);
  TENON_CHECK(lines.is_open());
  std::int64_t sum = 0;
  for (std::string line; std::getline(lines, line);) {
    for (const std::string& name : {first, second}) {
      if (line.rfind(name, 0) == 0) {
        sum += std::stoll(line.substr(name.size()));
      }
    }
  }
  return sum;
}

std::filesystem::path directory_of(std::int64_t pid) {
  return std::filesystem::path("/proc") / std::to_string(pid);
}

}  // namespace

std::int64_t resident_bytes() {
  std::ifstream file("/proc/self/statm");
  std::int64_t total_pages = 0;
  std::int64_t resident_pages = 0;
  TENON_CHECK(file >> total_pages >> resident_pages);
  return resident_pages * sysconf(_SC_PAGESIZE);
}

std::int64_t private_bytes(std::int64_t pid) {
  return 1024 * sum_of_lines(directory_of(pid) / "smaps_rollup", "Private_Clean:", "Private_Dirty:");
}

std::int64_t context_switches(std::int64_t pid, std::int64_t but_for) {
  std::int64_t switches = 0;
  for (const auto& thread : std::filesystem::directory_iterator(directory_of(pid) / "task")) {
    if (thread.path().filename() != std::to_string(but_for)) {
      switches += sum_of_lines(thread.path() / "status", "voluntary_ctxt_switches:", "nonvoluntary_ctxt_switches:");
    }
  }
  return switches;
}

}  // namespace tenon::bench
