// Runs a fuzz target with its seeds, every short prefix of them, and a fixed number of mutations
// from a fixed random seed: the part of fuzzing that belongs in every run of the suite. With arguments, it replays
// these files instead.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <random>

#include "target.hpp"

namespace {

constexpr std::size_t kMutations = 4000;
constexpr std::size_t kMaxPrefixes = 512;

void run(const std::string& input) {
  // A heap copy of exactly this size, so that a sanitizer detects a read one byte beyond it.
  const std::vector<std::uint8_t> copy(input.begin(), input.end());
  LLVMFuzzerTestOneInput(copy.data(), copy.size());
}

void mutate(std::string& input, std::mt19937_64& random) {
  const auto below = [&random](std::size_t bound) {
    return static_cast<std::size_t>(random() % std::max<std::size_t>(bound, 1));
  };
  for (std::size_t changes = 1 + below(8); changes > 0; --changes) {
    if (input.empty()) {
      input.push_back(static_cast<char>(random()));
    }
    const std::size_t at = below(input.size());
    switch (below(7)) {
      case 0:
        input[at] = static_cast<char>(random());
        break;
      case 1:
        input[at] = static_cast<char>(input[at] ^ (1 << below(8)));
        break;
      case 2:
        input.erase(at, 1 + below(16));
        break;
      case 3:
        input.insert(at, input.substr(below(input.size()), 1 + below(32)));
        break;
      case 4: {
        // Numbers that break arithmetic: all ones, the largest positive number, and numbers
        // slightly above zero.
        static constexpr std::uint64_t kTelling[] = {
            ~std::uint64_t{0}, 0x7fffffffffffffff, 0x80000000, 0x7fffffff, 1, 0};
        const std::uint64_t value = kTelling[below(std::size(kTelling))];
        const std::size_t width = std::min<std::size_t>(std::size_t{1} << below(4), input.size() - at);
        input.replace(at, width, reinterpret_cast<const char*>(&value), width);
        break;
      }
      case 5:
        input.resize(at);
        break;
      default:
        std::swap(input[at], input[below(input.size())]);
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 1) {
    for (int i = 1; i < argc; ++i) {
      std::printf("%s\n", argv[i]);
      run(tenon::fuzz::read_file(argv[i]));
    }
    return 0;
  }
  const std::vector<std::string> seeds = tenon::fuzz::seeds();
  if (seeds.empty()) {
    std::fprintf(stderr, "the fuzz target has no seeds\n");
    return 1;
  }
  std::size_t runs = 0;
  for (const std::string& seed : seeds) {
    run(seed);
    ++runs;
    const std::size_t step = std::max<std::size_t>(1, seed.size() / kMaxPrefixes);
    for (std::size_t size = 0; size < seed.size(); size += step) {
      run(seed.substr(0, size));
      ++runs;
    }
  }
  std::mt19937_64 random(20240229);
  for (std::size_t i = 0; i < kMutations; ++i) {
    std::string input = seeds[i % seeds.size()];
    mutate(input, random);
    run(input);
    ++runs;
  }
  std::printf("%zu inputs, no crash\n", runs);
  return 0;
}
