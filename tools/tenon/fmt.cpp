#include <algorithm>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/text.hpp"
#include "base/try.hpp"
#include "pipeline/document_format.hpp"
#include "pipeline/report_json.hpp"
#include "platform/file.hpp"
#include "tools/tenon/command.hpp"
#include "tools/tenon/command_line.hpp"
#include "tools/tenon/json_output.hpp"
#include "tools/tenon/pipeline_file.hpp"

namespace tenon::cli {
namespace {

namespace fs = std::filesystem;

/// Replaces a file, or the target of a link, and keeps its permissions. Errors: as NamedOutput.
Result<void> replace(const fs::path& file, const std::string& text, std::uint32_t mode) {
  TENON_ASSIGN(auto output, internal::NamedOutput::open(file, {.mode = mode}));
  TENON_TRY(output.write(BytesView(reinterpret_cast<const std::uint8_t*>(text.data()), text.size())));
  TENON_TRY(output.finish());
  // The umask may have removed some.
  std::error_code failed;
  fs::permissions(file, static_cast<fs::perms>(mode), failed);
  if (failed) {
    return fail(os_error(failed.value(), "cannot set the permissions of " + internal::printable(file.string())));
  }
  return {};
}

/// What became of one file.
struct Formatted {
  bool changed = false;
  std::optional<Error> error;  ///< It could not be read or written.
  Diagnostics diagnostics;     ///< Has errors if the file is not TOML.
};

Formatted format(const std::string& file, bool check) {
  Formatted out;
  const auto content = internal::file_identity(file).and_then([&](const internal::FileIdentity& identity) {
    return internal::read_file(file, internal::kMaxDocumentBytes).map([&](Buffer bytes) {
      return std::pair(std::move(bytes), identity.mode);
    });
  });
  if (!content) {
    out.error = content.error();
    return out;
  }
  const std::string_view text(reinterpret_cast<const char*>(content->first.data()), content->first.size());
  internal::Reporter reporter(file, text);
  const std::optional<std::string> formatted = internal::format_document(text, reporter);
  reporter.move_to(out.diagnostics);
  out.changed = formatted && *formatted != text;
  if (out.changed && !check) {
    if (Result<void> replaced = replace(file, *formatted, content->second); !replaced) {
      out.error = std::move(replaced.error());
    }
  }
  return out;
}

}  // namespace

Outcome<ExitCode> fmt_command(Context& context, const std::vector<std::string>& arguments) {
  CommandLine line("Lays out pipeline files in the usual way: spaces, blank lines and quotes.", "tenon fmt");
  std::vector<std::string> files;
  bool check = false;
  line.add("FILE", files, "Pipeline files, or files of tests beside them").required();
  line.add_flag("--check", check, "Change nothing; list the files that would change");
  line.footer(
      "Files are replaced as a whole. Comments, the order of keys and the line breaks in arrays stay, and so does the\n"
      "meaning. The names of changed files are printed. A file that is not TOML is refused and stays as it is.\n\n"
      "exit codes: 0 done, 1 a file cannot be read or written, or with --check one would change, 2 one cannot be\n"
      "found, 78 one is not TOML.\n\n"
      "Example:\n  tenon fmt --check plugins/files/*.toml");
  if (auto proceed = line.parse(context, arguments); !proceed || !*proceed) {
    return proceed.map([](bool) { return ExitCode::kDone; });
  }
  for (const std::string& file : files) {
    TENON_TRY(require_file(file));
  }
  ExitCode exit = ExitCode::kDone;
  const auto worsen = [&exit](ExitCode other) { exit = std::max(exit, other); };
  auto results = Json::array();
  for (const std::string& file : files) {
    if (context.world.interrupts->load(std::memory_order_relaxed) > 0) {
      return ExitCode::kInterrupted;
    }
    const Formatted formatted = format(file, check);
    if (formatted.error || (check && formatted.changed)) {
      worsen(ExitCode::kFailed);
    }
    if (formatted.diagnostics.has_errors()) {
      worsen(ExitCode::kBadConfiguration);
    }
    if (context.json) {
      Json result;
      result["file"] = file;
      result["ok"] = !formatted.error && !formatted.diagnostics.has_errors();
      result["changed"] = formatted.changed && !formatted.error;
      result["diagnostics"] = internal::to_json(formatted.diagnostics);
      if (formatted.error) {
        result["error"] = internal::to_json(*formatted.error);
      }
      results.push_back(std::move(result));
      continue;
    }
    context.world.write_error(formatted.diagnostics.to_text(context.color_error));
    if (formatted.error) {
      context.world.write_error(to_text(Failure{ExitCode::kFailed, *formatted.error, {}, {}}, context.color_error));
    } else if (formatted.changed) {
      context.output.write(file + '\n');
    }
  }
  if (context.json) {
    Json document;
    document["files"] = std::move(results);
    context.output.write(dump(document));
  }
  return exit;
}

}  // namespace tenon::cli
