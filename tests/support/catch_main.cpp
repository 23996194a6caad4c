#if TENON_CATCH2_VERSION < 3
#define CATCH_CONFIG_RUNNER
#include <catch2/catch.hpp>
#else
#include <catch2/catch_session.hpp>
#endif

#include "tenon_test/environment.hpp"

int main(int argc, char** argv) {
  const tenon::test::OwnEnvironment environment;
  return Catch::Session().run(argc, argv);
}
