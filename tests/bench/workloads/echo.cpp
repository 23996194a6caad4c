#include <string>

#include "workloads/bench_runtime.hpp"
#include "workloads/workloads.hpp"

namespace tenon::bench {
namespace {

constexpr std::size_t kKiB = 1024;
constexpr std::size_t kMiB = kKiB * kKiB;

struct Size {
  const char* name;
  std::size_t bytes;
};
constexpr Size kSizes[] = {
    {"4KiB", 4 * kKiB}, {"64KiB", 64 * kKiB}, {"1MiB", kMiB}, {"64MiB", 64 * kMiB}, {"256MiB", 256 * kMiB}};

}  // namespace

void echo(const Settings& settings) {
  Runtime runtime = start_runtime(1);
  for (const Size& size : kSizes) {
    const std::string name = std::string("tenon.echo.") + size.name;
    const flatbuffers::FlatBufferBuilder argument = bytes_argument(size.bytes);
    const BytesView bytes = view(argument);
    const auto copied = [&] {
      const Reply reply = TENON_VALUE(runtime.call("tenon.echo", bytes));
      TENON_CHECK(echoed(reply.bytes(), bytes));
    };
    report(name + ".copied", "us", time_each(settings.time() / 2, 3, 2'000, copied));

    // What lies in the transport's memory already: here an earlier result.
    const Reply in_place = TENON_VALUE(runtime.call("tenon.echo", bytes));
    report(name + ".in_place", "us", time_each(settings.time() / 2, 20, 20'000, [&] {
             const Reply reply = TENON_VALUE(runtime.submit("tenon.echo", in_place).get());
             TENON_CHECK(echoed(reply.bytes(), bytes));
           }));
  }
}

}  // namespace tenon::bench
