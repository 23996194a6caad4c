#include <array>
#include <charconv>
#include <string>

#include <tenon/pipeline.hpp>

#include "pipeline/diagnostics.hpp"

namespace tenon {
namespace {

using internal::json_quote;

/// Returns seconds with three decimals, independent of the locale.
std::string seconds_text(double seconds) {
  std::array<char, 64> text{};
  const auto [end, code] = std::to_chars(text.data(), text.data() + text.size(), seconds, std::chars_format::fixed, 3);
  return code == std::errc() ? std::string(text.data(), end) : std::string("0");
}

std::string error_json(const Error& error) {
  std::string out =
      "{\"code\": " + json_quote(error_code_name(error.code)) + ", \"message\": " + json_quote(error.message);
  const ErrorContext& context = error.context;
  if (!context.task.empty()) {
    out += ", \"task\": " + json_quote(context.task);
  }
  if (!context.plugin.empty()) {
    out += ", \"plugin\": " + json_quote(context.plugin);
  }
  if (context.attempt > 0) {
    out += ", \"attempt\": " + std::to_string(context.attempt);
  }
  if (context.signal != 0) {
    out += ", \"signal\": " + std::to_string(context.signal);
  }
  if (context.exit_code) {
    out += ", \"exit_code\": " + std::to_string(*context.exit_code);
  }
  if (!context.stderr_tail.empty()) {
    out += ", \"stderr\": " + json_quote(context.stderr_tail);
  }
  if (!context.stdout_tail.empty()) {
    out += ", \"stdout\": " + json_quote(context.stdout_tail);
  }
  return out + "}";
}

std::string stage_json(const StageReport& stage) {
  std::string out = "{\"name\": " + json_quote(stage.name) + ", \"kind\": " + json_quote(stage.kind);
  if (!stage.task.empty()) {
    out += ", \"task\": " + json_quote(stage.task);
  }
  const auto count = [&](const char* name, std::uint64_t value) {
    out += std::string(", \"") + name + "\": " + std::to_string(value);
  };
  count("items_in", stage.items_in);
  count("items_out", stage.items_out);
  count("grouped", stage.grouped);
  count("failed", stage.failed);
  count("retried", stage.retried);
  count("dropped", stage.dropped);
  count("in_flight", stage.in_flight);
  count("queued", stage.queued);
  count("expected_items", stage.expected_items);
  out += std::string(", \"ended\": ") + (stage.ended ? "true" : "false");
  if (!stage.note.empty()) {
    out += ", \"note\": " + json_quote(stage.note);
  }
  return out + ", \"busy_seconds\": " + seconds_text(stage.busy_seconds) + "}";
}

}  // namespace

std::string_view run_end_name(RunReport::End end) noexcept {
  switch (end) {
    case RunReport::End::kDone:
      return "done";
    case RunReport::End::kInterrupted:
      return "interrupted";
    case RunReport::End::kFailed:
      return "failed";
    case RunReport::End::kRunning:
      return "running";
  }
  return "failed";
}

std::string RunReport::to_json() const {
  std::string out = "{\n  \"end\": " + json_quote(run_end_name(end)) + ",\n  \"seconds\": " + seconds_text(seconds) +
                    ",\n  \"failure_count\": " + std::to_string(failure_count) + ",\n  \"stages\": [";
  for (std::size_t i = 0; i < stages.size(); ++i) {
    out += (i == 0 ? "\n    " : ",\n    ") + stage_json(stages[i]);
  }
  out += stages.empty() ? "],\n  \"failures\": [" : "\n  ],\n  \"failures\": [";
  for (std::size_t i = 0; i < failures.size(); ++i) {
    out += std::string(i == 0 ? "\n    " : ",\n    ") + "{\"stage\": " + json_quote(failures[i].stage) +
           ", \"item\": " + json_quote(failures[i].item) + ", \"error\": " + error_json(failures[i].error) + "}";
  }
  out += failures.empty() ? "],\n  \"outputs\": [" : "\n  ],\n  \"outputs\": [";
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    out += std::string(i == 0 ? "\n    " : ",\n    ") + "{\"sink\": " + json_quote(outputs[i].first) +
           ", \"size_bytes\": " + std::to_string(outputs[i].second.size_bytes()) + "}";
  }
  out += outputs.empty() ? "]" : "\n  ]";
  if (error) {
    out += ",\n  \"error\": " + error_json(*error);
  }
  return out + "\n}\n";
}

}  // namespace tenon
