#include "harness/measure.hpp"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <string>

namespace tenon::bench {

void report(std::string_view name, std::string_view unit, const std::vector<double>& samples, double scale) {
  std::string line =
      "{\"name\": \"" + std::string(name) + "\", \"unit\": \"" + std::string(unit) + "\", \"samples\": [";
  char number[32];
  for (std::size_t i = 0; i < samples.size(); ++i) {
    std::snprintf(number, sizeof number, "%s%.6g", i == 0 ? "" : ",", samples[i]);
    line += number;
  }
  std::snprintf(number, sizeof number, "], \"scale\": %.6g}", scale);
  line += number;
  std::puts(line.c_str());
  std::fflush(stdout);
}

int run_steps(const std::vector<Step>& steps, int argc, char** argv) {
  Settings settings;
  std::vector<const Step*> chosen;
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--quick") == 0) {
      settings.quick = true;
      continue;
    }
    const auto step =
        std::find_if(steps.begin(), steps.end(), [&](const Step& s) { return std::strcmp(s.name, argv[i]) == 0; });
    if (step == steps.end()) {
      std::fprintf(stderr, "%s: no step '%s'; there are:", argv[0], argv[i]);
      for (const Step& known : steps) {
        std::fprintf(stderr, " %s", known.name);
      }
      std::fputs("\n", stderr);
      return 2;
    }
    chosen.push_back(&*step);
  }
  for (const Step* step : chosen) {
    step->run(settings);
  }
  return 0;
}

}  // namespace tenon::bench
