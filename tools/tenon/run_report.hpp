/// Formats the report of a run, for people and for machines.
#pragma once

#include <functional>
#include <span>
#include <string>

#include <tenon/catalog.hpp>
#include <tenon/pipeline.hpp>
#include <tenon/swap.hpp>

#include "tools/tenon/failure.hpp"

namespace tenon::cli {

/// Returns the exit code for a run.
[[nodiscard]] ExitCode exit_code(const RunReport& report) noexcept;

/// Returns the outcome and the counts of each stage, in a few lines.
[[nodiscard]] std::string summary_text(const std::string& name, const RunReport& report);

/// Returns what to tell about items that fail while the run continues: the first of a stage and
/// error code as failures_text() does, the others as counts.
[[nodiscard]] std::string failure_line(const FailureNotice& notice, bool color);

/// Returns why the run failed and which items failed, one line each; at most `max_items` items.
/// Leaves out the items for which `told` returns true; it may be empty.
[[nodiscard]] std::string failures_text(const RunReport& report, std::size_t max_items, bool color,
                                        const std::function<bool(const ItemFailure&)>& told = {});

/// Returns the report, with the results of collecting sinks as JSON values in "outputs" and `swaps`
/// in "swaps". Results are read with the types of the version that gave them, or with those of
/// `catalog` if it is not known: the catalog of the runtime after the run. `exit` is part of the
/// report; it becomes kFailed if a result cannot be written as JSON.
[[nodiscard]] std::string report_json(const RunReport& report, const Catalog& catalog, std::span<const SwapEvent> swaps,
                                      ExitCode& exit);

/// Returns the results of collecting sinks as JSON, one after another; errors are added to
/// `problems`, one line each. Types as in report_json.
[[nodiscard]] std::string outputs_text(const RunReport& report, const Catalog& catalog, std::string& problems);

}  // namespace tenon::cli
