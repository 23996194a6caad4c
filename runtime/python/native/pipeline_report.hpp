/// python/native/pipeline_report.hpp: converts the reports of a pipeline to dicts and lists.
#pragma once

#include <tenon/pipeline.hpp>

#include "python/native/ref.hpp"

namespace tenon::python {

/// Tuples (severity, file, line, column, message, hint, text); `text` shows the location. Null with an exception set.
[[nodiscard]] Ref diagnostics_list(const Diagnostics& diagnostics);
/// A report as a dict; the results of collecting sinks are Tables. Null with an exception set.
[[nodiscard]] PyObject* report_dict(const RunReport& report);

}  // namespace tenon::python
