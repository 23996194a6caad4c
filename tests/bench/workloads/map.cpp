#include <cstdint>
#include <optional>

#include "workloads/bench_runtime.hpp"
#include "workloads/workloads.hpp"

namespace tenon::bench {

void map(const Settings& settings) {
  Runtime runtime = start_runtime(1);
  flatbuffers::FlatBufferBuilder builder;
  // Not the default value, so that the field is present.
  builder.Finish(CreateNumber(builder, -1));
  auto* argument = flatbuffers::GetMutableRoot<flatbuffers::Table>(builder.GetBufferPointer());

  const auto map_numbers = [&](std::int64_t count) {
    std::int64_t given = 0;
    MapStream results = runtime.map("bench.pass", [&]() -> std::optional<BytesView> {
      if (given == count) {
        return std::nullopt;
      }
      TENON_CHECK(argument->SetField<std::int64_t>(Number::VT_VALUE, ++given, 0));
      return view(builder);
    });
    std::int64_t taken = 0;
    while (const auto item = results.next()) {
      const Reply reply = TENON_VALUE(item->reply);
      TENON_CHECK(flatbuffers::GetRoot<Number>(reply.bytes().data())->value() == ++taken);
    }
    TENON_CHECK(taken == count);
  };

  constexpr std::int64_t kNamed = 10'000'000;
  const std::int64_t count = settings.pick(kNamed, kNamed / 100);
  map_numbers(100'000);
  report("tenon.map.tiny", "calls/s", {static_cast<double>(count) / time_once([&] { map_numbers(count); }) * 1e6},
         static_cast<double>(count) / kNamed);
}

}  // namespace tenon::bench
