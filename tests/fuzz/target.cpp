#include "target.hpp"

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include "tenon_test/paths.hpp"

namespace tenon::fuzz {

std::string read_file(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  if (!in) {
    std::fprintf(stderr, "%s: cannot be read\n", file.c_str());
    std::exit(1);
  }
  return {std::istreambuf_iterator<char>(in), {}};
}

std::string plugin_bytes(std::string_view name) {
  return read_file(test::build_dir() / "plugins" / (std::string(name) + ".so"));
}

}  // namespace tenon::fuzz
