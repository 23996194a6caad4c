/// A typed call, like the one in the README.
#include <tenon/types_generated.h>
#include <tenon/runtime.hpp>

#include "tenon_test/catch.hpp"
#include "tenon_test/runtime.hpp"

TEST_CASE("Runtime: a typed call takes a few lines") {
  auto runtime = tenon::Runtime::start({.workers = 2,
                                        .plugin_dirs = {tenon::test::build_dir() / "plugins"},
                                        .worker_executable = tenon::test::build_dir() / "bin" / "tenon-worker",
                                        .cache_dir = tenon::test::build_dir() / "tests" / "cache"});
  REQUIRE(runtime);
  flatbuffers::FlatBufferBuilder argument;
  argument.Finish(tenon::CreateBytesDirect(argument, nullptr, "README.md"));
  const auto echoed = runtime->call<tenon::Bytes>("tenon.echo", argument);
  REQUIRE(echoed);
  REQUIRE((*echoed)->origin()->str() == "README.md");

  const tenon::Future<std::size_t> length =
      runtime->submit<tenon::Bytes>("tenon.echo", argument)
          .then([](const tenon::Result<tenon::TypedReply<tenon::Bytes>>& reply) {
            return reply ? std::size_t{(*reply)->origin()->size()} : std::size_t{0};
          });
  REQUIRE(*length.get() == 9);
}
