#include "python/native/pipeline_report.hpp"

#include "python/native/errors.hpp"
#include "python/native/schema.hpp"
#include "python/native/table.hpp"

namespace tenon::python {
namespace {

unsigned long long number(std::uint64_t value) {
  return value;
}

/// A list of the results of `make` for each item; null with an exception set.
template <typename Items, typename Make>
Ref list_of(const Items& items, Make make) {
  Ref list = Ref::steal(PyList_New(0));
  for (const auto& item : items) {
    const Ref entry = list ? make(item) : Ref();
    if (!entry || PyList_Append(list.get(), entry.get()) != 0) {
      return {};
    }
  }
  return list;
}

Ref stage_dict(const StageReport& stage) {
  const Ref note = text(stage.note);
  return !note
             ? Ref()
             : Ref::steal(Py_BuildValue(
                   "{ss ss ss sK sK sK sK sK sK sK sK sK sO sO sd}", "name", stage.name.c_str(), "task",
                   stage.task.c_str(), "kind", stage.kind.c_str(), "items_in", number(stage.items_in), "items_out",
                   number(stage.items_out), "grouped", number(stage.grouped), "failed", number(stage.failed), "retried",
                   number(stage.retried), "dropped", number(stage.dropped), "in_flight", number(stage.in_flight),
                   "queued", number(stage.queued), "expected_items", number(stage.expected_items), "ended",
                   stage.ended ? Py_True : Py_False, "note", note.get(), "busy_seconds", stage.busy_seconds));
}

Ref failure_dict(const ItemFailure& failure) {
  const Ref item = text(failure.item);
  const Ref error = make_exception(failure.error);
  return item && error ? Ref::steal(Py_BuildValue("{ss sO sO}", "stage", failure.stage.c_str(), "item", item.get(),
                                                  "error", error.get()))
                       : Ref();
}

/// The result of a collecting sink: a Table, or the exception that says why it cannot be read.
Ref output_table(const RunReport& report, const std::string& sink, const Reply& reply) {
  const PluginInfo* const plugin = reply.plugin();
  if (plugin == nullptr || !plugin->schema) {
    return Ref::share(Py_None);
  }
  for (const StageReport& stage : report.stages) {
    const std::size_t dot = stage.task.rfind('.');
    const TaskInfo* const task = stage.name != sink || dot == std::string::npos
                                     ? nullptr
                                     : plugin->schema->find_task(std::string_view(stage.task).substr(dot + 1));
    if (task == nullptr) {
      continue;
    }
    const Ref schema = shared_schema(*plugin->schema);
    const ObjectPlan* const plan = schema ? plan_of(schema.get()).find_object(task->result_type) : nullptr;
    return plan == nullptr ? Ref() : Ref::steal(make_root_table(schema.get(), *plan, reply));
  }
  return Ref::share(Py_None);
}

Ref outputs_dict(const RunReport& report) {
  Ref outputs = Ref::steal(PyDict_New());
  for (const auto& [sink, reply] : report.outputs) {
    const Ref table = outputs ? output_table(report, sink, reply) : Ref();
    if (!table && PyErr_Occurred() == nullptr) {
      PyErr_SetString(PyExc_RuntimeError, "the schema of a sink's task lacks its result");
    }
    if (!table || PyDict_SetItemString(outputs.get(), sink.c_str(), table.get()) != 0) {
      return {};
    }
  }
  return outputs;
}

}  // namespace

Ref diagnostics_list(const Diagnostics& diagnostics) {
  return list_of(diagnostics.items, [](const Diagnostic& item) {
    constexpr const char* kSeverities[] = {"error", "warning", "note"};
    const Ref file = text(item.file);
    const Ref message = text(item.message);
    const Ref hint = text(item.hint);
    const Ref shown = text(Diagnostics{{item}}.to_text());
    return file && message && hint && shown
               ? Ref::steal(Py_BuildValue("(sOIIOOO)", kSeverities[static_cast<int>(item.severity)], file.get(),
                                          item.line, item.column, message.get(), hint.get(), shown.get()))
               : Ref();
  });
}

PyObject* report_dict(const RunReport& report) {
  const Ref stages = list_of(report.stages, stage_dict);
  const Ref failures = stages ? list_of(report.failures, failure_dict) : Ref();
  const Ref error = !failures ? Ref() : report.error ? make_exception(*report.error) : Ref::share(Py_None);
  const Ref outputs = error ? outputs_dict(report) : Ref();
  if (!outputs) {
    return nullptr;
  }
  // A running pipeline has no end yet.
  const bool running = report.end == RunReport::End::kRunning;
  return Py_BuildValue("{ss sO sO sK sO sd sO}", "end", running ? "running" : run_end_name(report.end).data(), "stages",
                       stages.get(), "failures", failures.get(), "failure_count", number(report.failure_count), "error",
                       error.get(), "seconds", report.seconds, "outputs", outputs.get());
}

}  // namespace tenon::python
