/// What a run left behind, for people and for machines.
#pragma once

#include <span>
#include <string>

#include <tenon/catalog.hpp>
#include <tenon/pipeline.hpp>
#include <tenon/swap.hpp>

#include "tools/tenon/failure.hpp"

namespace tenon::cli {

/// The exit code a run ends with.
[[nodiscard]] ExitCode exit_code(const RunReport& report) noexcept;

/// How it ended and the counts of each stage, in a few lines.
[[nodiscard]] std::string summary_text(const std::string& name, const RunReport& report);

/// Items that fail while the run continues, as a line.
[[nodiscard]] std::string failure_line(const FailureNotice& notice, bool color);

/// Why the run failed and which items did, one line each; at most `max_items` of them.
[[nodiscard]] std::string failures_text(const RunReport& report, std::size_t max_items, bool color);

/// The report with the results of collecting sinks as JSON values in "outputs" and `swaps` in "swaps". Results are read
/// by the types of the version that gave them, or of `catalog` where that is not known: the runtime's after the run.
/// `exit` is in it; it becomes kFailed when a result cannot be written as JSON.
[[nodiscard]] std::string report_json(const RunReport& report, const Catalog& catalog, std::span<const SwapEvent> swaps,
                                      ExitCode& exit);

/// The results of collecting sinks as JSON, one after another; errors stand in `problems`, one line each. Types as
/// in report_json.
[[nodiscard]] std::string outputs_text(const RunReport& report, const Catalog& catalog, std::string& problems);

}  // namespace tenon::cli
