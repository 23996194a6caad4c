#include "tools/tenon/daemon_text.hpp"

#include <chrono>
#include <cmath>
#include <cstdio>
#include <string_view>

#include <nlohmann/json.hpp>

#include "base/text.hpp"
#include "pipeline/report_json.hpp"
#include "serve/plugin_labels.hpp"
#include "serve/protocol.hpp"
#include "tools/tenon/json_output.hpp"
#include "tools/tenon/progress.hpp"
#include "tools/tenon/time_text.hpp"

namespace tenon::cli {
namespace {

std::string padded(std::string text, std::size_t columns) {
  if (text.size() < columns) {
    text.append(columns - text.size(), ' ');
  }
  return text;
}

std::string one_line(std::string_view text) {
  std::string line;
  for (const char c : text) {
    line += c == '\n' ? "; " : std::string(1, c);
  }
  return internal::printable(line, 4000);
}

std::string milliseconds_text(std::int64_t nanoseconds) {
  return std::to_string(nanoseconds / 1'000'000) + " ms";
}

/// Formats the run time of calls, as in "1.2 ms".
std::string run_text(std::int64_t nanoseconds) {
  const double microseconds = static_cast<double>(nanoseconds) / 1000;
  char text[48];
  std::snprintf(text, sizeof text, "%.3g %s", microseconds < 1000 ? microseconds : microseconds / 1000,
                microseconds < 1000 ? "us" : "ms");
  return microseconds < 1'000'000 ? text : format_duration(microseconds / 1'000'000);
}

std::string calls_text(std::uint64_t count) {
  return group_digits(count) + (count == 1 ? " call" : " calls");
}

/// Returns "tried 200 calls in 3 s": the calls that the new version had run when it became current.
/// After a shadow no result differs, because a difference prevents the switch.
std::string trial_text(const serve::SwappedT& swapped, bool shadow) {
  const std::uint64_t calls = swapped.now ? swapped.now->calls : 0;
  const double seconds = static_cast<double>(swapped.tried_ns) / 1e9;
  return "tried " + calls_text(calls) + (shadow ? " on both versions in " : " in ") +
         (seconds < 1 ? milliseconds_text(swapped.tried_ns) : format_duration(std::round(seconds))) +
         (calls == 0 ? ": inconclusive"
          : shadow   ? ": all compared results are equal"
                     : "");
}

/// Returns whether the current generation has changed. Generation numbers are unique in a daemon.
bool changed(const serve::SwappedT& swapped) {
  return !swapped.now || !swapped.before || swapped.now->number != swapped.before->number;
}

}  // namespace

Json to_json(const serve::PipelineT& pipeline) {
  Json json;
  json["name"] = pipeline.name;
  json["file"] = pipeline.file;
  json["state"] = pipeline.state;
  json["seconds"] = pipeline.seconds;
  json["failure_count"] = pipeline.failure_count;
  if (pipeline.error) {
    json["error"] = internal::to_json(internal::to_error(*pipeline.error));
  }
  json["stages"] = Json::array();
  for (const auto& stage : pipeline.stages) {
    json["stages"].push_back(internal::to_json(internal::to_report(*stage)));
  }
  return json;
}

Json to_json(const serve::StatusT& status) {
  Json json;
  json["release"] = status.release;
  json["pid"] = status.process_id;
  json["state"] = status.state;
  json["uptime_seconds"] = status.uptime_seconds;
  json["clients"] = status.clients;
  json["calls"] = {{"submitted", status.submitted},
                   {"succeeded", status.succeeded},
                   {"failed", status.failed},
                   {"queued", status.queued},
                   {"running", status.running}};
  json["crashed_workers"] = status.crashed_workers;
  json["workers"] = Json::array();
  for (const auto& worker : status.workers) {
    json["workers"].push_back({{"id", worker->id},
                               {"pid", worker->process_id},
                               {"calls", worker->calls},
                               {"memory_bytes", worker->memory_bytes},
                               {"mean_run_ns", worker->mean_run_ns}});
  }
  json["store"] = status.store;
  json["plugins"] = Json::array();
  for (const auto& plugin : status.plugins) {
    Json one = {{"name", plugin->name},    {"version", plugin->version}, {"sha256", plugin->sha256},
                {"file", plugin->file},    {"tasks", plugin->tasks},     {"source", plugin->source},
                {"p99_ns", plugin->p99_ns}};
    if (!plugin->note.empty()) {
      one["note"] = plugin->note;
    }
    if (!plugin->problem.empty()) {
      one["problem"] = plugin->problem;
    }
    json["plugins"].push_back(std::move(one));
  }
  json["pipelines"] = Json::array();
  for (const auto& pipeline : status.pipelines) {
    json["pipelines"].push_back(to_json(*pipeline));
  }
  return json;
}

Json to_json(const serve::GenerationT& generation) {
  Json json;
  json["number"] = generation.number;
  json["plugin"] = generation.plugin;
  json["version"] = generation.version;
  json["sha256"] = generation.sha256;
  json["source"] = generation.source;
  json["state"] = generation.state;
  json["since"] = time_text(generation.since_ms);
  if (!generation.reason.empty()) {
    json["reason"] = generation.reason;
  }
  json["workers"] = generation.workers;
  json["calls"] = generation.calls;
  json["failed"] = generation.failed;
  json["crashed"] = generation.crashed;
  json["p99_ns"] = generation.p99_ns;
  if (!generation.note.empty()) {
    json["note"] = generation.note;
  }
  return json;
}

Json to_json(const serve::SwappedT& swapped) {
  Json json;
  json["swapped"] = changed(swapped);
  json["now"] = swapped.now ? to_json(*swapped.now) : Json();
  json["before"] = swapped.before ? to_json(*swapped.before) : Json();
  json["overridden"] = swapped.overridden;
  json["nanoseconds"] = {{"staged", swapped.staged_ns},
                         {"examined", swapped.examined_ns},
                         {"warmed", swapped.warmed_ns},
                         {"tried", swapped.tried_ns}};
  if (!swapped.untried.empty()) {
    json["untried"] = swapped.untried;
  }
  return json;
}

Json to_json(const serve::EventT& event) {
  Json json;
  json["number"] = event.number;
  json["time"] = time_text(event.time_ms);
  json["kind"] = event.kind;
  json["plugin"] = event.plugin;
  json["version"] = event.version;
  json["sha256"] = event.sha256;
  json["generation"] = event.generation;
  json["message"] = event.message;
  return json;
}

std::string to_text(const serve::PipelineT& pipeline) {
  std::string text = padded(pipeline.name, 16) + "  " + padded(pipeline.state, 11);
  for (const auto& stage : pipeline.stages) {
    const bool gives = stage->kind == "source" || stage->kind == "expand";
    const std::uint64_t done = gives ? stage->items_out : stage->items_out + stage->grouped;
    text += "  " + stage->name + ' ' + group_digits(done);
    if (stage->failed > 0) {
      text += " (" + group_digits(stage->failed) + " failed)";
    }
  }
  if (pipeline.error) {
    text += "  " + one_line(pipeline.error->message);
  }
  return text + '\n';
}

std::string to_text(const serve::StatusT& status) {
  std::string text = "daemon " + status.release + ", process " + std::to_string(status.process_id) + ", " +
                     status.state + " for " + format_duration(status.uptime_seconds) + '\n';
  text += "calls: " + group_digits(status.succeeded) + " done, " + group_digits(status.failed) + " failed, " +
          group_digits(status.queued) + " queued, " + group_digits(status.running) + " running\n";
  text += "workers: " + std::to_string(status.workers.size()) + ", " + group_digits(status.crashed_workers) +
          " crashed so far\n";
  for (const auto& worker : status.workers) {
    text += "  process " + std::to_string(worker->process_id) + ": " + calls_text(worker->calls) +
            (worker->mean_run_ns > 0 ? " of " + run_text(worker->mean_run_ns) : std::string()) +
            (worker->memory_bytes > 0 ? ", " + internal::format_size(worker->memory_bytes) : std::string()) + '\n';
  }
  text += status.pipelines.empty() ? "pipelines: none\n" : "pipelines:\n";
  for (const auto& pipeline : status.pipelines) {
    text += "  " + to_text(*pipeline);
  }
  text += status.plugins.empty() ? "plugins: none\n" : "plugins:\n";
  for (const auto& plugin : status.plugins) {
    text += "  " + internal::plugin_label(plugin->name, plugin->version, plugin->sha256);
    text += plugin->problem.empty() ? "  " + internal::count_of(plugin->tasks, "task", "tasks")
                                    : "  cannot be used: " + one_line(plugin->problem);
    text += plugin->p99_ns > 0 ? ", 99 % of calls within " + run_text(plugin->p99_ns) + '\n' : "\n";
    if (!plugin->note.empty()) {
      text += "    " + one_line(plugin->note) + '\n';
    }
  }
  return text;
}

std::string to_text(const serve::GenerationT& generation) {
  std::string text = '#' + std::to_string(generation.number) + "  " +
                     internal::plugin_label(generation.plugin, generation.version, generation.sha256) + "  " +
                     generation.state + " since " + time_text(generation.since_ms) + "  " +
                     internal::count_of(generation.workers, "worker", "workers") + ", " + calls_text(generation.calls) +
                     ", " + group_digits(generation.failed) + " failed, " + group_digits(generation.crashed) +
                     " crashed";
  if (!generation.reason.empty()) {
    text += "  " + one_line(generation.reason);
  }
  return text + '\n';
}

std::string to_text(const serve::SwappedT& swapped, bool shadow) {
  // The generation before the first version of a plugin has an empty name.
  const auto label = [](const std::unique_ptr<serve::GenerationT>& generation) {
    return generation && !generation->plugin.empty()
               ? internal::plugin_label(generation->plugin, generation->version, generation->sha256)
               : std::string("none");
  };
  if (!changed(swapped)) {
    return label(swapped.now) + ": the file holds the current version already; nothing was swapped\n";
  }
  std::string text = label(swapped.before) + " -> " + label(swapped.now) + "  staged " +
                     milliseconds_text(swapped.staged_ns) + ", examined " + milliseconds_text(swapped.examined_ns) +
                     ", warmed " + milliseconds_text(swapped.warmed_ns);
  if (swapped.tried_ns > 0) {
    text += ", " + trial_text(swapped, shadow);
  }
  text += '\n';
  for (const std::string& line : swapped.overridden) {
    text += "  overridden: " + one_line(line) + '\n';
  }
  // For a trial that has started, the time and the count are printed above.
  if (!swapped.untried.empty() && swapped.tried_ns == 0) {
    text += "  not tried on any call: " + one_line(swapped.untried) + '\n';
  }
  return text;
}

std::string to_text(const serve::EventT& event) {
  const std::string label = internal::plugin_label(event.plugin, event.version, event.sha256);
  return '#' + std::to_string(event.number) + "  " + time_text(event.time_ms) + "  " + padded(event.kind, 11) + "  " +
         (label.empty() ? "" : label + "  ") + one_line(event.message) + '\n';
}

}  // namespace tenon::cli
