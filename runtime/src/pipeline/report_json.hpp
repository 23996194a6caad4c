/// pipeline/report_json.hpp: reports of the loader and of a run as JSON trees. See
/// tools/tenon/JSON.md.
#pragma once

#include <tenon/pipeline.hpp>

#include "base/json.hpp"

namespace tenon::internal {

/// Returns an array with one object per message.
[[nodiscard]] Json to_json(const Diagnostics& diagnostics);

[[nodiscard]] Json to_json(const StageReport& stage);

/// Returns the whole report, but the outputs are represented by their sizes.
[[nodiscard]] Json to_json(const RunReport& report);

}  // namespace tenon::internal
