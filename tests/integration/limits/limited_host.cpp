// A program that uses the library and has no signal handlers, which check_limits runs under each
// limit. Prints "ok" and exits with 0 after some calls, or prints the error and exits with 1.
#include <cstdio>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include <tenon/types_generated.h>
#include <tenon/runtime.hpp>

namespace {

int report(const tenon::Error& error) {
  std::printf("%s\n", error.to_string().c_str());
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    std::puts("usage: limited_host PLUGINS WORKER CACHE");
    return 2;
  }
  // Allocated before the library needs memory: the program's own allocations are not part of the
  // test.
  std::vector<tenon::Buffer> arguments;
  try {
    for (const std::size_t size_bytes : {16u, 300'000u, 1'200'000u}) {
      flatbuffers::FlatBufferBuilder builder;
      const tenon::Buffer content(size_bytes, 7);
      builder.Finish(tenon::CreateBytes(builder, builder.CreateVector(content)));
      arguments.emplace_back(builder.GetBufferPointer(), builder.GetBufferPointer() + builder.GetSize());
    }
  } catch (const std::bad_alloc&) {
    std::puts("RLIMIT_DATA or RLIMIT_AS has no room for this program itself");
    return 1;
  }
  tenon::RuntimeOptions options;
  options.workers = 2;
  options.plugin_dirs = {argv[1]};
  options.worker_executable = argv[2];
  options.cache_dir = argv[3];
  auto runtime = tenon::Runtime::start(std::move(options));
  if (!runtime) {
    return report(runtime.error());
  }
  for (const tenon::Buffer& argument : arguments) {
    const auto reply = runtime->call("tenon.echo", argument);
    if (!reply) {
      return report(reply.error());
    }
  }
  runtime->shutdown(tenon::Shutdown::kDrain);
  std::puts("ok");
  return 0;
}
