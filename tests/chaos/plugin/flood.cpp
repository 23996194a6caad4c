// More output than a reader can use.
#include <unistd.h>

#include <string>

#include "misbehave.hpp"

namespace tenon::chaos {
namespace {

void write_lines(int descriptor, std::uint64_t random) {
  std::string lines;
  for (int i = 0; i < 200; ++i) {
    lines += "chaos: line " + std::to_string(i) + " of a flood " + std::string(random % 100, 'x') + "\n";
  }
  if (random % 5 == 0) {
    lines = std::string(lines.size(), 'y');  // One line without a line end.
  }
  for (int i = 0; i < 16; ++i) {
    if (::write(descriptor, lines.data(), lines.size()) < 0) {
      return;
    }
  }
}

}  // namespace

bool flood(Way way, const Culprit& culprit) {
  switch (way) {
    case Way::kFloodStderr:
      write_lines(STDERR_FILENO, culprit.random);
      return true;
    case Way::kFloodStdout:
      write_lines(STDOUT_FILENO, culprit.random);
      return true;
    case Way::kFloodLog:
      for (std::uint64_t i = 0; i < culprit.random % 2000; ++i) {
        culprit.call.log(TENON_LOG_INFO, "line " + std::to_string(i) + " of a flood");
      }
      return true;
    default:
      return false;
  }
}

}  // namespace tenon::chaos
