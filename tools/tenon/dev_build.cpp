#include "tools/tenon/dev_build.hpp"

#include <algorithm>
#include <fstream>
#include <optional>
#include <sstream>
#include <system_error>
#include <utility>

#include "base/clock.hpp"
#include "base/text.hpp"
#include "base/try.hpp"
#include "platform/environment.hpp"
#include "platform/process.hpp"
#include "tools/tenon/python_plugins.hpp"

namespace tenon::cli {
namespace {

namespace fs = std::filesystem;

/// A build that takes longer than this counts as hung.
constexpr std::chrono::minutes kLongestBuild{30};
constexpr std::chrono::seconds kLongestQuery{10};
/// Ninja runs each compiler in a separate process group. It ends them if it is asked to exit, but
/// not if it is killed.
constexpr std::chrono::seconds kGrace{5};
constexpr std::size_t kMaxOutputBytes = std::size_t{4} << 20;
constexpr std::size_t kMaxErrorLines = 12;
constexpr std::size_t kLastLines = 20;

std::optional<fs::path> find_program(const World& world, const std::string& name) {
  for (const fs::path& directory : internal::split_search_path(world.variable("PATH").value_or("/usr/bin:/bin"))) {
    std::error_code failed;
    const fs::path file = directory / name;
    if (fs::is_regular_file(file, failed)) {
      return file;
    }
  }
  return std::nullopt;
}

/// Finds the CMake package of this tenon: beside a build, or installed.
std::optional<fs::path> find_package(const fs::path& executable) {
  const fs::path prefix = executable.parent_path().parent_path();
  const fs::path below = fs::path("cmake") / "tenon";
  std::vector<fs::path> places = {prefix, prefix / "lib" / below, prefix / "lib64" / below};
  // Debian puts libraries below lib/x86_64-linux-gnu and similar directories.
  std::error_code failed;
  for (fs::directory_iterator it(prefix / "lib", failed), end; !failed && it != end; it.increment(failed)) {
    places.push_back(it->path() / below);
  }
  for (const fs::path& place : places) {
    if (fs::is_regular_file(place / "tenon-config.cmake", failed)) {
      return place;
    }
  }
  return std::nullopt;
}

/// Creates the directory and a temporary file in it: permissions are not sufficient evidence.
Result<void> prove_writable(const fs::path& directory) {
  std::error_code failed;
  fs::create_directories(directory, failed);
  if (failed) {
    return fail(os_error(failed.value(), "the build directory '" + directory.string() + "' cannot be created"));
  }
  const fs::path file = directory / ".tenon-dev";
  if (!std::ofstream(file).put('\n').flush()) {
    return fail(ErrorCode::kIo, "the build directory '" + directory.string() + "' is not writable");
  }
  fs::remove(file, failed);
  return {};
}

std::string what_to_do(const std::string& output) {
  const auto says = [&output](const char* words) { return output.find(words) != std::string::npos; };
  if (says("CMAKE_CXX_COMPILER could be found") || says("CMAKE_C_COMPILER could be found")) {
    return "  no compiler was found: install the package g++, or set CC and CXX\n";
  }
  if (says("does not match the source") || says("Does not match the generator")) {
    return "  the build directory belongs to another project: choose another one with --build-dir\n";
  }
  return {};
}

}  // namespace

Outcome<DevBuild> DevBuild::find(const World& world, const fs::path& plugin_dir, const fs::path& build_dir) {
  std::error_code failed;
  if (is_python_plugin(plugin_dir)) {
    return find_python(world, plugin_dir, build_dir);
  }
  if (!fs::is_directory(plugin_dir, failed)) {
    return usage_failure("there is no directory '" + plugin_dir.string() + "'", "name the one that holds the plugin");
  }
  if (!fs::is_regular_file(plugin_dir / "CMakeLists.txt", failed)) {
    return usage_failure("'" + plugin_dir.string() + "' has no CMakeLists.txt",
                         "it needs one that calls tenon_add_plugin(); plugin_api/README.md shows it");
  }
  DevBuild build;
  build.sources_ = fs::canonical(plugin_dir, failed);
  build.directory_ = build_dir.empty() ? build.sources_ / "build" / "dev" : fs::weakly_canonical(build_dir, failed);
  if (!build.directory_.has_filename()) {
    build.directory_ = build.directory_.parent_path();  // "out/" is "out".
  }
  if (build.directory_ == build.sources_) {
    return usage_failure("--build-dir: '" + build.directory_.string() + "' is the directory of the sources",
                         "choose a separate directory for the build");
  }
  const auto cmake = find_program(world, "cmake");
  const auto ninja = find_program(world, "ninja");
  if (!cmake || !ninja) {
    return failure(
        ExitCode::kBadConfiguration,
        Error{ErrorCode::kUnavailable, std::string("there is no ") + (cmake ? "ninja" : "cmake") + " in PATH", {}},
        "install the packages cmake, ninja-build and g++");
  }
  const auto package = find_package(world.executable);
  if (!package) {
    return failure(
        ExitCode::kBadConfiguration,
        Error{ErrorCode::kUnavailable, "there is no tenon-config.cmake of '" + world.executable.string() + "'", {}},
        "run the tenon of a build or of an installation");
  }
  if (auto writable = prove_writable(build.directory_); !writable) {
    return failure(ExitCode::kBadConfiguration, std::move(writable.error()), "choose another one with --build-dir");
  }
  build.cmake_ = *cmake;
  build.ninja_ = *ninja;
  build.tenon_ = *package;
  return build;
}

Outcome<DevBuild> DevBuild::find_python(const World& world, const fs::path& source, const fs::path& build_dir) {
  std::error_code failed;
  DevBuild build;
  build.python_ = fs::canonical(source, failed);
  build.world_ = &world;
  build.sources_ = fs::is_directory(build.python_, failed) ? build.python_ : build.python_.parent_path();
  build.directory_ =
      build_dir.empty() ? build.python_.parent_path() / "build" / "dev" : fs::weakly_canonical(build_dir, failed);
  if (auto writable = prove_writable(build.directory_); !writable) {
    return failure(ExitCode::kBadConfiguration, std::move(writable.error()), "name another one with --build-dir");
  }
  return build;
}

/// Packs a plugin in Python into the directory of built plugins.
Result<BuildEnd> DevBuild::pack() {
  const internal::MonotonicNs start_ns = internal::monotonic_now_ns();
  BuildEnd end;
  const auto packed = pack_python_plugin(*world_, python_);
  if (packed) {
    std::error_code failed;
    const fs::path target = plugins() / packed->filename();
    fs::create_directories(plugins(), failed);
    // Replaces the file as a whole, because a worker may have mapped the existing one.
    const fs::path written = target.string() + ".new";
    fs::copy_file(*packed, written, fs::copy_options::overwrite_existing, failed);
    if (!failed) {
      fs::rename(written, target, failed);
    }
    if (failed) {
      return fail(os_error(failed.value(), "'" + target.string() + "' cannot be written"));
    }
    end.good = true;
  } else {
    end.output = "error: " + packed.error().error.message + '\n';
  }
  end.took = std::chrono::nanoseconds(internal::monotonic_now_ns() - start_ns);
  return end;
}

Result<BuildEnd> DevBuild::run(const internal::FileDescriptor& cancel) {
  if (!python_.empty()) {
    return pack();
  }
  const internal::MonotonicNs start_ns = internal::monotonic_now_ns();
  std::error_code failed;
  fs::create_directories(directory_, failed);
  if (failed) {
    return fail(os_error(failed.value(), "the build directory '" + directory_.string() + "' cannot be created"));
  }
  BuildEnd end;
  const auto step = [&](const fs::path& tool, std::vector<std::string> arguments) -> Result<bool> {
    TENON_ASSIGN(auto run,
                 internal::run_captured({.executable = tool, .arguments = std::move(arguments)},
                                        internal::deadline_after(kLongestBuild), kMaxOutputBytes, &cancel, kGrace));
    end.output += run.standard_output + run.standard_error;
    if (!run.status) {
      end.output += "the build took longer than 30 minutes and was ended\n";
    }
    return run.status && run.status->success();
  };
  Result<bool> good = true;
  if (!configured_ || !fs::is_regular_file(directory_ / "build.ninja", failed)) {
    good = step(cmake_, {"-S", sources_.string(), "-B", directory_.string(), "-G", "Ninja",
                         "-DCMAKE_MAKE_PROGRAM=" + ninja_.string(), "-Dtenon_DIR=" + tenon_.string()});
    configured_ = good && *good;
  }
  if (good && *good) {
    // Runs ninja directly: cmake would exit without ending its ninja.
    good = step(ninja_, {"-C", directory_.string()});
  }
  if (!good) {
    return fail(std::move(good.error()));
  }
  end.good = *good;
  end.nothing_to_do = end.good && end.output.find("ninja: no work to do.") != std::string::npos;
  end.took = std::chrono::nanoseconds(internal::monotonic_now_ns() - start_ns);
  return end;
}

std::string DevBuild::ask_ninja(std::vector<std::string> question) const {
  std::vector<std::string> arguments = {"-C", directory_.string(), "-t"};
  arguments.insert(arguments.end(), question.begin(), question.end());
  const auto run = internal::run_captured({.executable = ninja_, .arguments = std::move(arguments)},
                                          internal::deadline_after(kLongestQuery), kMaxOutputBytes, nullptr, kGrace);
  return run && run->status && run->status->success() ? run->standard_output : std::string();
}

BuildFiles DevBuild::files() const {
  BuildFiles files;
  if (!python_.empty()) {
    if (python_ == sources_) {
      std::error_code failed;
      for (fs::recursive_directory_iterator it(sources_, failed), end; !failed && it != end; it.increment(failed)) {
        files.read.insert(it->path());
      }
    } else {
      files.read.insert(python_);
    }
    return files;
  }
  // One line for each output: "../../version.h: CUSTOM_COMMAND". CMake makes a phony rule for each
  // source that might be generated.
  std::istringstream outputs(ask_ninja({"targets", "all"}));
  for (std::string line; std::getline(outputs, line);) {
    if (const std::size_t end = line.rfind(": "); end != std::string::npos && line.substr(end) != ": phony") {
      files.written.insert((directory_ / line.substr(0, end)).lexically_normal());
    }
  }
  std::istringstream inputs(ask_ninja({"inputs", "all"}));
  for (std::string line; std::getline(inputs, line);) {
    files.read.insert((directory_ / line).lexically_normal());
  }
  return files;
}

std::string DevBuild::chosen_build_type() const {
  std::ifstream cache(directory_ / "CMakeCache.txt");
  std::string chosen;
  std::string used;
  const auto value_of = [](const std::string& line) { return line.substr(line.find('=') + 1); };
  for (std::string line; std::getline(cache, line);) {
    if (line.starts_with("TENON_CHOSEN_BUILD_TYPE:INTERNAL=")) {
      chosen = value_of(line);
    } else if (line.starts_with("CMAKE_BUILD_TYPE:STRING=")) {
      used = value_of(line);
    }
  }
  return chosen == used ? chosen : std::string();
}

std::vector<fs::path> DevBuild::built() const {
  std::vector<fs::path> files;
  std::error_code failed;
  for (fs::directory_iterator it(plugins(), failed), end; !failed && it != end; it.increment(failed)) {
    if (it->path().extension() == ".so") {
      files.push_back(it->path());
    }
  }
  std::sort(files.begin(), files.end());
  return files;
}

std::string errors_of_build(const std::string& output) {
  std::vector<std::string> lines;
  std::istringstream in(output);
  for (std::string line; std::getline(in, line);) {
    lines.push_back(internal::printable(line, 400));
  }
  std::string text;
  std::size_t errors = 0;
  for (std::size_t i = 0; i < lines.size() && errors < kMaxErrorLines; ++i) {
    const bool of_cmake = lines[i].find("CMake Error") != std::string::npos;
    if (!of_cmake && lines[i].find("error:") == std::string::npos) {
      continue;
    }
    text += "  " + lines[i] + '\n';
    ++errors;
    if (of_cmake && i + 1 < lines.size() && lines[i + 1].starts_with(' ')) {
      // The location comes first; the next line has the message.
      text += "  " + lines[i + 1] + '\n';
    }
  }
  text += errors == 0 ? "" : "  the end of the build:\n";
  for (std::size_t i = lines.size() > kLastLines ? lines.size() - kLastLines : 0; i < lines.size(); ++i) {
    text += "    " + lines[i] + '\n';
  }
  return text + what_to_do(output);
}

}  // namespace tenon::cli
