#include "platform/dynamic_library.hpp"

#include <fstream>

#include "tenon_test/catch.hpp"
#include "tenon_test/paths.hpp"
#include "tenon_test/temporary_directory.hpp"

using namespace tenon;
using namespace tenon::internal;

namespace {

std::filesystem::path library() {
  return test::build_dir() / "tests" / "platform_test_library.so";
}

}  // namespace

TEST_CASE("DynamicLibrary: loads a file and finds its functions") {
  auto loaded = DynamicLibrary::load(library());
  REQUIRE(loaded);
  auto answer = loaded->function<int (*)()>("platform_test_answer");
  REQUIRE(answer);
  CHECK((*answer)() == 42);
  auto missing = loaded->symbol("no_such_symbol");
  REQUIRE_FALSE(missing);
  CHECK(missing.error().code == ErrorCode::kNotFound);
}

TEST_CASE("DynamicLibrary: a missing or broken file is an error with the loader's words") {
  const tenon::test::TemporaryDirectory directory;
  CHECK(DynamicLibrary::load(directory / "none.so").error().code == ErrorCode::kNotFound);
  std::ofstream(directory / "text.so") << "this is no library";
  auto broken = DynamicLibrary::load(directory / "text.so");
  REQUIRE_FALSE(broken);
  CHECK(broken.error().code == ErrorCode::kIncompatible);
  const std::string& message = broken.error().message;
  CHECK(message.find("text.so") != std::string::npos);
  CHECK(message.find("boost") == std::string::npos);
  CHECK(message.find("descriptor") == std::string::npos);
  CHECK(message.back() != ')');
}
