/// A runtime leaves nothing behind.
#include <thread>
#include <vector>

#include "platform/file_descriptor.hpp"
#include "runtimes.hpp"
#include "tenon_test/catch.hpp"
#include "tenon_test/runtime.hpp"

using tenon::test::sized_argument;

namespace {

void use(tenon::Runtime& runtime) {
  std::vector<tenon::Future<tenon::Reply>> futures;
  for (int i = 0; i < 20; ++i) {
    futures.push_back(runtime.submit("tenon.echo", sized_argument(i % 2 == 0 ? 100 : 2'000'000)));
  }
  for (const auto& future : futures) {
    REQUIRE(future.get());
  }
}

}  // namespace

TEST_CASE("Runtime: leaves no descriptor behind") {
  tenon::RuntimeOptions options = tenon::test::runtime_options(2);
  options.plugin_dirs = {tenon::test::build_dir() / "plugins"};
  {
    auto warm_up = tenon::Runtime::start(options);
    REQUIRE(warm_up);
    use(*warm_up);
  }
  const std::size_t before = *tenon::internal::open_descriptor_count();
  for (int round = 0; round < 3; ++round) {
    auto runtime = tenon::Runtime::start(options);
    REQUIRE(runtime);
    use(*runtime);
  }
  REQUIRE(*tenon::internal::open_descriptor_count() == before);
}

TEST_CASE("Runtime: large arguments give their descriptors back while it runs") {
  tenon::RuntimeOptions options = tenon::test::runtime_options(2);
  options.plugin_dirs = {tenon::test::build_dir() / "plugins"};
  auto runtime = tenon::Runtime::start(options);
  REQUIRE(runtime);
  use(*runtime);
  const std::size_t before = *tenon::internal::open_descriptor_count();
  for (int round = 0; round < 20; ++round) {
    use(*runtime);
  }
  // The thread that completed a call may still hold its last reference.
  REQUIRE(*tenon::internal::open_descriptor_count() <= before + 20);
}
