/// pipeline/report_json.hpp: what the loader and a run report, as JSON trees. See tools/tenon/JSON.md.
#pragma once

#include <tenon/pipeline.hpp>

#include "base/json.hpp"

namespace tenon::internal {

/// An array with one object per message.
[[nodiscard]] Json to_json(const Diagnostics& diagnostics);

[[nodiscard]] Json to_json(const StageReport& stage);

/// Everything but the bytes of the outputs; their size stands for them.
[[nodiscard]] Json to_json(const RunReport& report);

}  // namespace tenon::internal
