#include "platform/environment.hpp"

#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

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

namespace {

/// Sets a variable for one scope; nullptr removes it.
class Variable {
 public:
  Variable(const char* name, const char* value) : name_(name), before_(get_environment(name)) { set(value); }
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;
  ~Variable() { set(before_ ? before_->c_str() : nullptr); }

 private:
  void set(const char* value) { value == nullptr ? ::unsetenv(name_) : ::setenv(name_, value, 1); }

  const char* name_;
  std::optional<std::string> before_;
};

}  // namespace

TEST_CASE("home_directory: follows HOME when it is absolute, else the user database") {
  std::filesystem::path database;
  {
    const Variable none("HOME", nullptr);
    database = home_directory();
  }
  for (const char* relative : {"", "relative", "./x", "~"}) {
    const Variable home("HOME", relative);
    CHECK(home_directory() == database);
  }
  const Variable home("HOME", "/somewhere");
  CHECK(home_directory() == "/somewhere");
}

TEST_CASE("cache_directory: follows XDG_CACHE_HOME when it is absolute") {
  {
    const Variable cache("XDG_CACHE_HOME", "/somewhere");
    CHECK(cache_directory() == "/somewhere/tenon");
  }
  const Variable cache("XDG_CACHE_HOME", "relative");
  CHECK(cache_directory() == home_directory() / ".cache" / "tenon");
}

TEST_CASE("OwnEnvironment: a test sees neither the user's directories nor locale, time zone and settings") {
  const auto home = get_environment("HOME");
  REQUIRE(home);
  CHECK(std::filesystem::is_empty(*home));
  const auto cache = get_environment("XDG_CACHE_HOME");
  REQUIRE(cache);
  CHECK(*cache != *home);
  CHECK(get_environment("TZ") == "UTC0");
  for (const char* const name : {"LANG", "LANGUAGE", "LC_ALL", "LC_NUMERIC", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME",
                                 "XDG_DATA_HOME", "TENON_SOCKET", "TENON_PLUGIN_PATH", "NO_COLOR"}) {
    CAPTURE(name);
    CHECK_FALSE(get_environment(name));
  }
  for (char** entry = environ; *entry != nullptr; ++entry) {
    CHECK_FALSE(std::string_view(*entry).starts_with("TENON_"));
  }
}
