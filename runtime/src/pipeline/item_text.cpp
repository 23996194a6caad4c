#include "pipeline/item_text.hpp"

#include <memory>
#include <utility>

#include <nlohmann/json.hpp>

#include "base/text.hpp"
#include "base/try.hpp"

namespace tenon::internal {
namespace {

constexpr std::size_t kMostTextBytes = std::size_t{16} << 20;

/// Returns the fields of a record as one object; the record as it is if a name is there twice.
Json plain_record(Json record) {
  Json out = Json::object();
  const auto fields = record.find("fields");
  if (fields == record.end()) {
    return out;
  }
  for (const Json& field : *fields) {
    const std::string name = field.value("name", std::string());
    if (out.contains(name)) {
      return record;
    }
    const auto value = field.find("value");
    const bool present = value != field.end() && value->is_object() && value->contains("value");
    const std::string type = field.value("value_type", std::string());
    if (present && type == "FloatValue" && (*value)["value"].is_number()) {
      out[name] = (*value)["value"].get<double>();  // As such also if it has no fraction.
    } else if (present) {
      out[name] = (*value)["value"];
    } else if (type == "TextValue") {
      out[name] = "";
    } else {
      out[name] = nullptr;
    }
  }
  return out;
}

bool is_bare(const std::string& key) {
  return !key.empty() &&
         key.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") == std::string::npos;
}

void append(const Json& value, std::size_t max_bytes, std::string& out) {
  if (out.size() > max_bytes) {
    return;
  }
  if (value.is_object() && !value.empty()) {
    const char* separator = "{ ";
    for (const auto& [key, one] : value.items()) {
      out += separator + (is_bare(key) ? key : json_text(Json(key), -1)) + " = ";
      append(one, max_bytes, out);
      separator = ", ";
    }
    out += " }";
  } else if (value.is_array()) {
    out += '[';
    for (std::size_t i = 0; i < value.size() && out.size() <= max_bytes; ++i) {
      out += i > 0 ? ", " : "";
      append(value[i], max_bytes, out);
    }
    out += ']';
  } else if (value.is_object() || value.is_null()) {
    out += "{}";  // TOML has no null value.
  } else {
    out += json_text(value, -1);
  }
}

}  // namespace

Result<Json> item_json(const Catalog& catalog, const EdgeType& type, BytesView item, bool defaults) {
  const std::shared_ptr<const PluginInfo> plugin = catalog.find_plugin(type.plugin);
  if (plugin == nullptr || !plugin->schema) {
    return fail(ErrorCode::kNotFound, "there is no usable plugin '" + type.plugin + "'");
  }
  const bool record = type.name == "tenon.Record";
  JsonOptions options;
  options.indent = -1;
  // The values of a record must be known even if they are 0.
  options.defaults = defaults || record;
  options.max_bytes = kMostTextBytes;
  TENON_ASSIGN(const std::string text, plugin->schema->to_json(type.name, item, options));
  Json parsed = Json::parse(text, nullptr, false);
  if (parsed.is_discarded()) {
    return fail(ErrorCode::kInternal, "the JSON of a " + type.name + " cannot be read; this is a defect in tenon");
  }
  return record ? plain_record(std::move(parsed)) : std::move(parsed);
}

std::string toml_text(const Json& value, std::size_t max_bytes) {
  std::string out;
  append(value, max_bytes, out);
  return printable(out, max_bytes);
}

}  // namespace tenon::internal
