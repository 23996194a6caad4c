/// Builds a plugin's directory with CMake, as its author would.
#pragma once

#include <chrono>
#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include "platform/file_descriptor.hpp"
#include "tools/tenon/failure.hpp"
#include "tools/tenon/world.hpp"

namespace tenon::cli {

/// How one build ended.
struct BuildEnd {
  bool good = false;
  bool nothing_to_do = false;  ///< All was built before: what has changed is no part of it.
  std::string output;          ///< Of the tool; its end is missing when it is very long.
  std::chrono::nanoseconds took{};
};

/// What the rules of a build say of files, by absolute paths.
struct BuildFiles {
  std::set<std::filesystem::path> written;
  std::set<std::filesystem::path> read;
};

/// A plugin's sources and where they are built. One thread at a time.
class DevBuild {
 public:
  /// Errors: usage no such directory, nothing to build in it, or it is to be built in itself; bad configuration without
  /// cmake, ninja or an installation of tenon, or the build directory cannot be written.
  [[nodiscard]] static Outcome<DevBuild> find(const World& world, const std::filesystem::path& plugin_dir,
                                              const std::filesystem::path& build_dir);

  /// Builds, and configures before the first time; ends the tools and the compilers when `cancel` becomes readable.
  /// Errors: kCancelled; kIo the build directory cannot be made; those of Process::spawn.
  [[nodiscard]] Result<BuildEnd> run(const internal::FileDescriptor& cancel);

  [[nodiscard]] const std::filesystem::path& sources() const noexcept { return sources_; }
  [[nodiscard]] const std::filesystem::path& directory() const noexcept { return directory_; }
  /// Where tenon_add_plugin() puts plugins.
  [[nodiscard]] std::filesystem::path plugins() const { return directory_ / "plugins"; }
  /// What the build's rules read and write, also below the sources; what ninja does not say is missing.
  [[nodiscard]] BuildFiles files() const;
  /// The plugin files that are there now.
  [[nodiscard]] std::vector<std::filesystem::path> built() const;

 private:
  DevBuild() = default;
  /// What a tool of ninja answers; empty when it cannot.
  [[nodiscard]] std::string ask_ninja(std::vector<std::string> question) const;
  std::filesystem::path sources_;
  std::filesystem::path directory_;
  std::filesystem::path cmake_;
  std::filesystem::path ninja_;
  std::filesystem::path tenon_;  // Holds tenon-config.cmake.
  bool configured_ = false;      // By this object: an earlier one may have been of another tenon.
};

/// What a person needs of a failed build: the lines with errors first, then its last lines, then what to do where that
/// is known.
[[nodiscard]] std::string errors_of_build(const std::string& output);

}  // namespace tenon::cli
