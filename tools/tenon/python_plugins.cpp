#include "tools/tenon/python_plugins.hpp"

#include <algorithm>
#include <chrono>
#include <optional>
#include <sstream>
#include <string>
#include <system_error>
#include <utility>

#include "base/clock.hpp"
#include "base/text.hpp"
#include "platform/process.hpp"

namespace tenon::cli {
namespace {

namespace fs = std::filesystem;

/// Packing imports the modules, each of which has two minutes.
constexpr std::chrono::minutes kLongestPacking{30};
constexpr std::size_t kMaxOutputBytes = std::size_t{1} << 20;
constexpr const char* kMissing = "this tenon has no Python package, which plugins in Python need";
constexpr const char* kInstall = "install python3-tenon, or build tenon with -DTENON_PYTHON=ON";

/// Where the Python package is: in the prefix, or beside a build.
std::optional<fs::path> find_package(const World& world) {
  const fs::path prefix = world.executable.parent_path().parent_path();
  for (const fs::path& place : {prefix / "python", prefix / TENON_PYTHON_INSTALL_DIR}) {
    std::error_code failed;
    if (fs::is_regular_file(place / "tenon" / "_plugin_sources.py", failed)) {
      return place;
    }
  }
  return std::nullopt;
}

Result<internal::CapturedRun> run_packing(const fs::path& package, std::vector<std::string> arguments) {
  // -P: modules of the current directory are not for the packing. The package is put in front of the path by hand,
  // since plugins may need what PYTHONPATH names.
  std::vector<std::string> all = {"-P", "-c",
                                  "import sys; sys.path.insert(0, sys.argv[1]); from tenon import _plugin_sources; "
                                  "sys.exit(_plugin_sources._main(sys.argv[2:]))",
                                  package.string()};
  all.insert(all.end(), arguments.begin(), arguments.end());
  return internal::run_captured({.executable = TENON_PYTHON_EXECUTABLE, .arguments = std::move(all)},
                                internal::deadline_after(kLongestPacking), kMaxOutputBytes);
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) {
    lines.push_back(line);
  }
  return lines;
}

bool holds_python(const fs::path& directory) {
  std::error_code failed;
  for (fs::directory_iterator it(directory, failed), end; !failed && it != end; it.increment(failed)) {
    if (is_python_plugin(it->path())) {
      return true;
    }
  }
  return false;
}

}  // namespace

bool is_python_plugin(const fs::path& path) {
  std::error_code failed;
  return path.extension() == ".py" ? fs::is_regular_file(path, failed)
                                   : fs::is_regular_file(path / "__init__.py", failed);
}

void add_python_plugins(const World& world, std::vector<fs::path>& places) {
  std::vector<fs::path> all;
  for (const fs::path& place : places) {
    all.push_back(place);
    if (!holds_python(place)) {
      continue;
    }
    const auto package = find_package(world);
    if (!package) {
      world.write_error("tenon: warning: '" + internal::printable(place.string()) + "' has plugins in Python, and " +
                        kMissing + "; " + kInstall + '\n');
      continue;
    }
    const auto run = run_packing(*package, {place.string()});
    if (!run) {
      world.write_error("tenon: warning: plugins in Python cannot be packed: " + run.error().message + '\n');
      continue;
    }
    for (const std::string& line : lines_of(run->standard_error)) {
      world.write_error("tenon: warning: " + internal::printable(line, 1000) + '\n');
    }
    for (const std::string& line : lines_of(run->standard_output)) {
      all.emplace_back(line);
    }
  }
  places = std::move(all);
}

Outcome<fs::path> pack_python_plugin(const World& world, const fs::path& source) {
  const auto package = find_package(world);
  if (!package) {
    return failure(ExitCode::kBadConfiguration, Error{ErrorCode::kUnavailable, kMissing, {}}, kInstall);
  }
  auto run = run_packing(*package, {"--one", source.string()});
  if (!run) {
    return failure(ExitCode::kFailed, std::move(run.error()));
  }
  const std::vector<std::string> lines = lines_of(run->standard_output);
  if (!run->status || !run->status->success() || lines.empty()) {
    std::string why = run->standard_error;
    while (why.ends_with('\n')) {
      why.pop_back();
    }
    return failure(ExitCode::kBadConfiguration,
                   Error{ErrorCode::kInvalidArgument, why.empty() ? "the plugin cannot be packed" : why, {}});
  }
  return fs::path(lines.back());
}

}  // namespace tenon::cli
