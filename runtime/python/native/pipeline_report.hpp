/// python/native/pipeline_report.hpp: what a pipeline reports, as dicts and lists.
#pragma once

#include <tenon/pipeline.hpp>

#include "python/native/ref.hpp"

namespace tenon::python {

/// Tuples (severity, file, line, column, message, hint, text), of which the last one shows the place. Null with an
/// exception set.
[[nodiscard]] Ref diagnostics_list(const Diagnostics& diagnostics);
/// A report as a dict; results of sinks that collect are Tables. Null with an exception set.
[[nodiscard]] PyObject* report_dict(const RunReport& report);

}  // namespace tenon::python
