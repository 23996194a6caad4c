#include "tenon_test/paths.hpp"

namespace tenon::test {

std::filesystem::path build_dir() {
  return TENON_TEST_BINARY_DIR;
}

std::filesystem::path source_dir() {
  return TENON_TEST_SOURCE_DIR;
}

}  // namespace tenon::test
