#include "workloads/bench_runtime.hpp"
#include "workloads/workloads.hpp"

namespace tenon::bench {
namespace {

/// Returns an argument of tenon.nest: a table with one number of 32 bits.
flatbuffers::FlatBufferBuilder nest_argument(std::uint32_t depth) {
  flatbuffers::FlatBufferBuilder builder;
  const auto table = builder.StartTable();
  builder.AddElement<std::uint32_t>(4, depth, 0);
  builder.Finish(flatbuffers::Offset<void>(builder.EndTable(table)));
  return builder;
}

}  // namespace

void nested(const Settings& settings) {
  Runtime runtime = start_runtime(1);
  constexpr std::uint32_t kDepth = 32;
  const flatbuffers::FlatBufferBuilder one = nest_argument(1);
  const flatbuffers::FlatBufferBuilder deep = nest_argument(kDepth + 1);
  report("tenon.nested", "us",
         time_each(settings.time() / 2, 50, 20'000, [&] { (void)TENON_VALUE(runtime.call("tenon.nest", view(one))); }));
  std::vector<double> levels =
      time_each(settings.time() / 2, 20, 5'000, [&] { (void)TENON_VALUE(runtime.call("tenon.nest", view(deep))); });
  for (double& level : levels) {
    level /= kDepth + 1;
  }
  report("tenon.nested.level", "us", levels);
}

}  // namespace tenon::bench
