#include "tools/tenon/run_report.hpp"

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <utility>

#include <nlohmann/json.hpp>

#include "base/text.hpp"
#include "pipeline/failure_notices.hpp"
#include "pipeline/report_json.hpp"
#include "serve/protocol.hpp"
#include "tools/tenon/daemon_text.hpp"
#include "tools/tenon/failure.hpp"
#include "tools/tenon/json_output.hpp"
#include "tools/tenon/progress.hpp"

namespace tenon::cli {
namespace {

constexpr std::size_t kMaxDocumentBytes = std::size_t{64} << 20;
/// How many lines of a crashed worker's stderr or stdout a failure shows.
constexpr std::size_t kMaxOutputLines = 10;

Result<std::string> output_json(const std::pair<std::string, Reply>& output, const RunReport& report,
                                const Catalog& catalog, JsonOptions options) {
  const auto stage = std::find_if(report.stages.begin(), report.stages.end(),
                                  [&output](const StageReport& one) { return one.name == output.first; });
  if (stage == report.stages.end()) {
    return fail(ErrorCode::kInternal, "there is no stage '" + output.first + "'");
  }
  // The plugin may have been swapped since; only the version that gave the result knows all of its
  // fields.
  if (const PluginInfo* const maker = output.second.plugin(); maker != nullptr && maker->schema) {
    const std::string_view method = std::string_view(stage->task).substr(stage->task.find('.') + 1);
    if (const TaskInfo* const task = maker->schema->find_task(method)) {
      return maker->schema->to_json(task->result_type, output.second.bytes(), options);
    }
  }
  return catalog.find_task(stage->task).and_then([&](const TaskRef& task) {
    return task.plugin->schema->to_json(task.task->result_type, output.second.bytes(), options);
  });
}

std::string seconds_text(double seconds) {
  if (seconds >= 60) {
    return format_duration(seconds);
  }
  char text[32];
  std::snprintf(text, sizeof text, "%.1f s", seconds);
  return text;
}

/// Returns whether `text` contains `item` as a name, not as a part of a longer name.
bool names(std::string_view text, std::string_view item) {
  const auto part_of_name = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '/' || c == '-';
  };
  for (std::size_t at = text.find(item); !item.empty() && at != std::string_view::npos; at = text.find(item, at + 1)) {
    const std::size_t end = at + item.size();
    const bool begins = at == 0 || !part_of_name(text[at - 1]);
    const bool ends = end == text.size() || !part_of_name(text[end]);
    if (begins && ends) {
      return true;
    }
  }
  return false;
}

void append_error_line(std::string& text, std::string_view line, bool color) {
  text += color ? "tenon: \x1b[1;31merror:\x1b[0m " : "tenon: error: ";
  text += line;
  text += '\n';
}

void append_item(std::string& text, const ItemFailure& failure, bool color) {
  const std::string item = internal::printable(failure.item, 1000);
  const std::string message = internal::printable(failure.error.message, 2000);
  append_error_line(
      text, internal::printable(failure.stage) + ": " + (names(message, item) ? "" : item + ": ") + message, color);
  text += crash_text(failure.error, kMaxOutputLines);
}

}  // namespace

ExitCode exit_code(const RunReport& report) noexcept {
  switch (report.end) {
    case RunReport::End::kInterrupted:
      return ExitCode::kInterrupted;
    case RunReport::End::kFailed:
      return ExitCode::kFailed;
    case RunReport::End::kDone:
    case RunReport::End::kRunning:
      break;
  }
  return report.failure_count > 0 ? ExitCode::kFailed : ExitCode::kDone;
}

std::string summary_text(const std::string& name, const RunReport& report) {
  std::string text = internal::printable(name);
  switch (report.end) {
    case RunReport::End::kDone:
      text += report.failure_count == 0 ? ": done in " : ": done, with failures, in ";
      break;
    case RunReport::End::kInterrupted:
      text += ": interrupted after ";
      break;
    case RunReport::End::kFailed:
      text += ": failed after ";
      break;
    case RunReport::End::kRunning:
      text += ": running for ";
      break;
  }
  text += seconds_text(report.seconds) + '\n';
  std::size_t name_columns = 0;
  std::size_t task_columns = 0;
  for (const StageReport& stage : report.stages) {
    name_columns = std::max(name_columns, stage.name.size());
    task_columns = std::max(task_columns, (stage.task.empty() ? stage.kind : stage.task).size());
  }
  for (const StageReport& stage : report.stages) {
    std::string label = stage.name;
    label.resize(name_columns, ' ');
    std::string task = stage.task.empty() ? stage.kind : stage.task;
    task.resize(task_columns, ' ');
    text += "  " + label + "  " + task;
    if (stage.kind != "source") {
      text += "  " + group_digits(stage.items_in) + " in";
    }
    text += "  " + group_digits(stage.items_out) + " out";
    const auto count = [&text](std::uint64_t number, const char* what) {
      if (number > 0) {
        text += "  " + group_digits(number) + ' ' + what;
      }
    };
    count(stage.failed, "failed");
    count(stage.retried, "retried");
    count(stage.dropped, "dropped");
    text += '\n';
    if (!stage.note.empty()) {
      text += "  " + std::string(name_columns, ' ') + "  " + stage.note + '\n';
    }
  }
  return text;
}

std::string failure_line(const FailureNotice& notice, bool color) {
  std::string text;
  if (notice.total == 1) {
    append_item(text, {notice.stage, notice.item, notice.error}, color);
  } else {
    append_error_line(text, internal::to_text(notice), color);
  }
  return text;
}

std::string failures_text(const RunReport& report, std::size_t max_items, bool color,
                          const std::function<bool(const ItemFailure&)>& told) {
  std::string text;
  if (report.error) {
    append_error_line(text, report.error->message, color);
    text += crash_text(*report.error, kMaxOutputLines);
  }
  std::size_t shown = 0;
  std::size_t left_out = 0;
  for (const ItemFailure& failure : report.failures) {
    if (told && told(failure)) {
      ++left_out;
    } else if (shown < max_items) {
      append_item(text, failure, color);
      ++shown;
    }
  }
  if (report.failure_count > shown + left_out) {
    const std::uint64_t more = report.failure_count - shown - left_out;
    append_error_line(text, "and " + group_digits(more) + " more; --json lists up to 1,000", color);
  }
  return text;
}

std::string report_json(const RunReport& report, const Catalog& catalog, std::span<const SwapEvent> swaps,
                        ExitCode& exit) {
  // The JSON document needs many times the memory of its text.
  const JsonOptions options = {.indent = -1, .defaults = true, .max_bytes = kMaxDocumentBytes};
  auto document = internal::to_json(report);
  auto outputs = Json::array();
  for (const auto& output : report.outputs) {
    Json entry;
    entry["sink"] = output.first;
    if (auto value = output_json(output, report, catalog, options)) {
      entry["value"] = Json::parse(*value, nullptr, false);
    } else {
      entry["error"] = internal::to_json(value.error());
      exit = exit == ExitCode::kDone ? ExitCode::kFailed : exit;
    }
    outputs.push_back(std::move(entry));
  }
  document["outputs"] = std::move(outputs);
  document["swaps"] = Json::array();
  for (const SwapEvent& event : swaps) {
    document["swaps"].push_back(to_json(internal::to_message(event)));
  }
  document["exit_code"] = static_cast<int>(exit);
  return dump(document);
}

std::string outputs_text(const RunReport& report, const Catalog& catalog, std::string& problems) {
  std::string text;
  for (const auto& output : report.outputs) {
    if (auto value = output_json(output, report, catalog, {.indent = 2, .defaults = true})) {
      text += *value;
      if (!text.ends_with('\n')) {
        text += '\n';
      }
    } else {
      append_error_line(problems, output.first + ": " + value.error().message, false);
    }
  }
  return text;
}

}  // namespace tenon::cli
