#include "options.hpp"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <random>
#include <string_view>

namespace tenon::chaos {
namespace {

constexpr const char* kUsage =
    "usage: chaos [--calls N] [--seed S] [--json FILE] [--phases NAME,...] [--ways NAME,...] [--forms NAME,...]\n"
    "             [--density N] [--patience SECONDS] [--in-process] [--list]\n";

[[noreturn]] void refuse(const std::string& why) {
  std::fprintf(stderr, "chaos: error: %s\n%s", why.c_str(), kUsage);
  std::exit(2);
}

std::uint64_t number(std::string_view option, const char* text) {
  std::uint64_t value = 0;
  const char* end = text + std::strlen(text);
  const auto [parsed, error] = std::from_chars(text, end, value);
  if (error != std::errc() || parsed != end || value == 0 || value >= std::uint64_t{1} << 48) {
    refuse(std::string(option) + " takes a number from 1 to 2^48, not '" + text + "'");
  }
  return value;
}

std::vector<std::string> split(const std::string& list) {
  std::vector<std::string> names;
  for (std::size_t at = 0; at <= list.size();) {
    const std::size_t comma = std::min(list.find(',', at), list.size());
    names.push_back(list.substr(at, comma - at));
    at = comma + 1;
  }
  return names;
}

Mix mix_named(const std::string& name) {
  for (const Mix& mix : kMixes) {
    if (mix.name == name) {
      return mix;
    }
  }
  refuse("there is no phase '" + name + "'; see --list");
}

Way way_named(const std::string& name) {
  for (const WayInfo& way : kWays) {
    if (way.name == name && way.way != Way::kNone) {
      return way.way;
    }
  }
  refuse("there is no way '" + name + "'; see --list");
}

Kind form_named(const std::string& name) {
  for (std::size_t i = 1; i < kKindNames.size(); ++i) {
    if (kKindNames[i] == name) {
      return Kind(i);
    }
  }
  refuse("there is no form '" + name + "'; see --list");
}

[[noreturn]] void list() {
  std::printf("phases:");
  for (const Mix& mix : kMixes) {
    std::printf(" %s", std::string(mix.name).c_str());
  }
  std::printf("\nways:");
  for (const WayInfo& way : kWays) {
    std::printf(" %s", std::string(way.name).c_str());
  }
  std::printf("\nforms:");
  for (std::size_t i = 1; i < kKindNames.size(); ++i) {
    std::printf(" %s", std::string(kKindNames[i]).c_str());
  }
  std::printf("\n");
  std::exit(0);
}

}  // namespace

Options parse_options(int argc, char** argv) {
  Options options;
  options.seed = std::random_device()() % 1'000'000 + 1;
  std::optional<std::uint64_t> density;
  std::optional<std::uint64_t> ways;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument == "--list") {
      list();
    }
    if (argument == "--in-process") {
      options.in_process = true;
      continue;
    }
    if (i + 1 == argc) {
      refuse("unknown argument '" + argument + "', or its value is missing");
    }
    const char* value = argv[++i];
    if (argument == "--calls") {
      options.calls = number(argument, value);
    } else if (argument == "--seed") {
      options.seed = number(argument, value);
    } else if (argument == "--patience") {
      options.patience = std::chrono::seconds(number(argument, value));
    } else if (argument == "--density") {
      density = number(argument, value);
    } else if (argument == "--json") {
      options.json = value;
    } else if (argument == "--phases") {
      for (const std::string& name : split(value)) {
        options.mixes.push_back(mix_named(name));
      }
    } else if (argument == "--forms") {
      options.forms = 0;
      for (const std::string& name : split(value)) {
        options.forms |= bit(form_named(name));
      }
    } else if (argument == "--ways") {
      ways = 0;
      for (const std::string& name : split(value)) {
        *ways |= bit(way_named(name));
      }
    } else {
      refuse("unknown argument '" + argument + "'");
    }
  }
  if (options.mixes.empty()) {
    if (ways) {
      options.mixes = {Mix{"ways"}};
    } else {
      options.mixes.assign(kMixes.begin(), kMixes.end());
    }
  }
  std::uint64_t possible = kAllWays;
  for (const WayInfo& way : kWays) {
    if (options.in_process && !way.in_process) {
      possible &= ~bit(way.way);
    }
  }
  for (Mix& mix : options.mixes) {
    mix.ways = ways.value_or(mix.ways) & possible;
    mix.attacks = options.in_process ? 0 : mix.attacks;
    mix.density = density.value_or(mix.density);
  }
  return options;
}

}  // namespace tenon::chaos
