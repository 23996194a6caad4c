#include "tools/tenon/pipeline_file.hpp"

#include <filesystem>
#include <string_view>
#include <system_error>
#include <utility>

#include <nlohmann/json.hpp>

#include "base/text.hpp"
#include "pipeline/report_json.hpp"
#include "tools/tenon/json_output.hpp"

namespace tenon::cli {

Outcome<std::vector<std::pair<std::string, std::string>>> parse_overrides(const std::vector<std::string>& settings) {
  std::vector<std::pair<std::string, std::string>> overrides;
  for (const std::string& setting : settings) {
    const std::size_t equals = setting.find('=');
    if (equals == std::string::npos || equals == 0) {
      return usage_failure("--set takes key=value, not '" + internal::printable(setting) + "'",
                           "as in --set sources.tree.args.root=/usr/include");
    }
    overrides.emplace_back(setting.substr(0, equals), setting.substr(equals + 1));
  }
  return overrides;
}

Outcome<void> require_file(const std::string& path) {
  std::error_code failed;
  const auto status = std::filesystem::status(path, failed);
  if (status.type() == std::filesystem::file_type::not_found) {
    return usage_failure("there is no file '" + internal::printable(path) + "'");
  }
  if (status.type() == std::filesystem::file_type::directory) {
    return usage_failure("'" + internal::printable(path) + "' is a directory, not a pipeline file");
  }
  return {};
}

TestedFile tested_file(const std::string& file) {
  constexpr std::string_view kPipeline = ".toml";
  constexpr std::string_view kTests = ".test.toml";
  if (file.ends_with(kTests)) {
    return {file.substr(0, file.size() - kTests.size()).append(kPipeline), file};
  }
  TestedFile out{file, {}};
  if (file.ends_with(kPipeline)) {
    std::filesystem::path beside = file.substr(0, file.size() - kPipeline.size()).append(kTests);
    std::error_code failed;
    if (std::filesystem::exists(beside, failed)) {
      out.tests = std::move(beside);
    }
  }
  return out;
}

void write_errors(Context& context, const Diagnostics& diagnostics) {
  if (!context.json) {
    context.world.write_error(diagnostics.to_text(context.color_error));
    return;
  }
  Json document;
  document["error"] = internal::to_json(Error{ErrorCode::kInvalidArgument, "the pipeline file has errors", {}});
  document["error"]["exit_code"] = static_cast<int>(ExitCode::kBadConfiguration);
  document["diagnostics"] = internal::to_json(diagnostics);
  context.output.write(dump(document));
}

}  // namespace tenon::cli
