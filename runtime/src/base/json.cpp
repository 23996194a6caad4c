#include "base/json.hpp"

#include <nlohmann/json.hpp>

namespace tenon::internal {

std::string json_text(const Json& document, int indent) {
  return document.dump(indent, ' ', false, Json::error_handler_t::replace);
}

Json to_json(const Error& error) {
  Json json;
  json["code"] = error_code_name(error.code);
  json["message"] = error.message;
  const ErrorContext& context = error.context;
  if (!context.task.empty()) {
    json["task"] = context.task;
  }
  if (!context.plugin.empty()) {
    json["plugin"] = context.plugin;
  }
  if (context.call_id != 0) {
    json["call_id"] = context.call_id;
  }
  if (context.attempt != 0) {
    json["attempt"] = context.attempt;
  }
  if (context.os_code != 0) {
    json["os_code"] = context.os_code;
  }
  if (context.signal != 0) {
    json["signal"] = context.signal;
  }
  if (context.exit_code) {
    json["worker_exit_code"] = *context.exit_code;
  }
  if (!context.stderr_tail.empty()) {
    json["stderr_tail"] = context.stderr_tail;
  }
  if (!context.stdout_tail.empty()) {
    json["stdout_tail"] = context.stdout_tail;
  }
  return json;
}

}  // namespace tenon::internal
