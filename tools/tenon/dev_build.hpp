/// Builds a plugin's directory with CMake, as its author would.
#pragma once

#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

#include "platform/file_descriptor.hpp"
#include "tools/tenon/failure.hpp"
#include "tools/tenon/world.hpp"

namespace tenon::cli {

/// How one build ended.
struct BuildEnd {
  bool good = false;
  std::string output;  ///< Of the tool; its end is missing when it is very long.
  std::chrono::nanoseconds took{};
};

/// A plugin's sources and where they are built. Immutable; one build at a time.
class DevBuild {
 public:
  /// Errors: usage no such directory, or nothing to build in it; bad configuration without cmake, ninja or an
  /// installation of tenon.
  [[nodiscard]] static Outcome<DevBuild> find(const World& world, const std::filesystem::path& plugin_dir,
                                              const std::filesystem::path& build_dir);

  /// Configures if need be and builds; kills the tools when `cancel` becomes readable. Errors: kCancelled; kIo the
  /// build directory cannot be made; those of Process::spawn.
  [[nodiscard]] Result<BuildEnd> run(const internal::FileDescriptor& cancel) const;

  [[nodiscard]] const std::filesystem::path& sources() const noexcept { return sources_; }
  [[nodiscard]] const std::filesystem::path& directory() const noexcept { return directory_; }
  /// Where tenon_add_plugin() puts plugins.
  [[nodiscard]] std::filesystem::path plugins() const { return directory_ / "plugins"; }
  /// The plugin files that are there now.
  [[nodiscard]] std::vector<std::filesystem::path> built() const;

 private:
  DevBuild() = default;
  std::filesystem::path sources_;
  std::filesystem::path directory_;
  std::filesystem::path cmake_;
  std::filesystem::path tenon_;  // Holds tenon-config.cmake.
};

/// What a person needs of a failed build: the lines with errors first, then its last lines.
[[nodiscard]] std::string errors_of_build(const std::string& output);

}  // namespace tenon::cli
