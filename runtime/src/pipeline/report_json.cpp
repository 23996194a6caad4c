#include "pipeline/report_json.hpp"

#include <cmath>
#include <utility>

#include <nlohmann/json.hpp>

#include "pipeline/diagnostics.hpp"

namespace tenon::internal {
namespace {

/// Rounds seconds to whole milliseconds, so that the number is short as text.
double to_milliseconds(double seconds) {
  return std::round(seconds * 1000) / 1000;
}

}  // namespace

Json to_json(const Diagnostics& diagnostics) {
  Json json = Json::array();
  for (const Diagnostic& item : diagnostics.items) {
    Json one;
    one["severity"] = severity_name(item.severity);
    one["file"] = item.file;
    one["line"] = item.line;
    one["column"] = item.column;
    one["length"] = item.length;
    one["message"] = item.message;
    one["hint"] = item.hint;
    one["source_line"] = item.source_line;
    json.push_back(std::move(one));
  }
  return json;
}

Json to_json(const StageReport& stage) {
  Json json;
  json["name"] = stage.name;
  json["kind"] = stage.kind;
  if (!stage.task.empty()) {
    json["task"] = stage.task;
  }
  json["items_in"] = stage.items_in;
  json["items_out"] = stage.items_out;
  json["grouped"] = stage.grouped;
  json["failed"] = stage.failed;
  json["retried"] = stage.retried;
  json["dropped"] = stage.dropped;
  json["in_flight"] = stage.in_flight;
  json["queued"] = stage.queued;
  json["expected_items"] = stage.expected_items;
  json["ended"] = stage.ended;
  if (!stage.note.empty()) {
    json["note"] = stage.note;
  }
  json["busy_seconds"] = to_milliseconds(stage.busy_seconds);
  return json;
}

Json to_json(const RunReport& report) {
  Json json;
  json["end"] = run_end_name(report.end);
  json["seconds"] = to_milliseconds(report.seconds);
  json["failure_count"] = report.failure_count;
  json["stages"] = Json::array();
  for (const StageReport& stage : report.stages) {
    json["stages"].push_back(to_json(stage));
  }
  json["failures"] = Json::array();
  for (const ItemFailure& failure : report.failures) {
    json["failures"].push_back({{"stage", failure.stage}, {"item", failure.item}, {"error", to_json(failure.error)}});
  }
  json["outputs"] = Json::array();
  for (const auto& [sink, reply] : report.outputs) {
    json["outputs"].push_back({{"sink", sink}, {"size_bytes", reply.size_bytes()}});
  }
  if (report.error) {
    json["error"] = to_json(*report.error);
  }
  return json;
}

}  // namespace tenon::internal
