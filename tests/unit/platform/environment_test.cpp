#include "platform/environment.hpp"

#include <cstdlib>

#include "tenon_test/catch.hpp"

using namespace tenon::internal;

TEST_CASE("environment: values are found, absent and empty ones differ") {
  ::setenv("TENON_TEST_EMPTY", "", 1);
  CHECK(get_environment("TENON_TEST_EMPTY") == "");
  ::unsetenv("TENON_TEST_EMPTY");
  CHECK_FALSE(get_environment("TENON_TEST_EMPTY").has_value());
}

TEST_CASE("split_search_path: drops empty parts") {
  CHECK(split_search_path("").empty());
  CHECK(split_search_path("::").empty());
  CHECK(split_search_path("/a::b:") == std::vector<std::filesystem::path>{"/a", "b"});
}

TEST_CASE("executable_path and module_path: this program and its libraries") {
  const auto self = executable_path();
  REQUIRE(self);
  CHECK(self->filename() == "platform_test");
  const auto module = module_path(reinterpret_cast<const void*>(&executable_path));
  REQUIRE(module);
  CHECK(module->filename() == "platform_test");
  CHECK_FALSE(module_path(nullptr));
}

TEST_CASE("cache_directory: follows XDG_CACHE_HOME when it is absolute") {
  const auto before = get_environment("XDG_CACHE_HOME");
  ::setenv("XDG_CACHE_HOME", "/somewhere", 1);
  CHECK(cache_directory() == "/somewhere/tenon");
  ::setenv("XDG_CACHE_HOME", "relative", 1);
  CHECK(cache_directory() == home_directory() / ".cache" / "tenon");
  if (before) {
    ::setenv("XDG_CACHE_HOME", before->c_str(), 1);
  } else {
    ::unsetenv("XDG_CACHE_HOME");
  }
}
