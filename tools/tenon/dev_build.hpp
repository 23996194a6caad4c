/// Builds a plugin's directory with CMake, as its author would; packs a plugin in Python.
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

/// The result of one build.
struct BuildEnd {
  bool good = false;
  bool nothing_to_do = false;  ///< All outputs were up to date: the changed file is not part of the
                               ///< build.
  std::string output;          ///< The output of the tool; its end is missing if it is very long.
  std::chrono::nanoseconds took{};
};

/// The files that the rules of a build name, by absolute paths.
struct BuildFiles {
  std::set<std::filesystem::path> written;
  std::set<std::filesystem::path> read;
};

/// A plugin's sources and their build directory. Only one thread may use it at a time.
class DevBuild {
 public:
  /// Errors: usage if there is no such directory, it has nothing to build, or it would be its own
  /// build directory; bad configuration without cmake, ninja or an installation of tenon, or if the
  /// build directory is not writable.
  [[nodiscard]] static Outcome<DevBuild> find(const World& world, const std::filesystem::path& plugin_dir,
                                              const std::filesystem::path& build_dir);

  /// Builds, and configures before the first build. Ends the tools and the compilers when `cancel`
  /// becomes readable. Errors: kCancelled; kIo if the build directory cannot be created; those of
  /// Process::spawn.
  [[nodiscard]] Result<BuildEnd> run(const internal::FileDescriptor& cancel);

  [[nodiscard]] const std::filesystem::path& sources() const noexcept { return sources_; }
  [[nodiscard]] const std::filesystem::path& directory() const noexcept { return directory_; }
  /// The directory into which tenon_add_plugin() puts plugins.
  [[nodiscard]] std::filesystem::path plugins() const { return directory_ / "plugins"; }
  /// Returns the files that the rules of the build read and write, including files below the
  /// sources. Files that ninja does not report are missing.
  [[nodiscard]] BuildFiles files() const;
  /// Returns the build type that tenon_add_plugin() chose because none was set; empty if one was set,
  /// or if nothing has been configured.
  [[nodiscard]] std::string chosen_build_type() const;
  /// Returns the plugin files that exist now.
  [[nodiscard]] std::vector<std::filesystem::path> built() const;

 private:
  DevBuild() = default;
  [[nodiscard]] static Outcome<DevBuild> find_python(const World& world, const std::filesystem::path& source,
                                                     const std::filesystem::path& build_dir);
  [[nodiscard]] Result<BuildEnd> pack();
  /// Returns the output of a ninja tool; empty if it fails.
  [[nodiscard]] std::string ask_ninja(std::vector<std::string> question) const;
  std::filesystem::path python_;  // A plugin in Python, which is packed and not built; else empty.
  const World* world_ = nullptr;
  std::filesystem::path sources_;
  std::filesystem::path directory_;
  std::filesystem::path cmake_;
  std::filesystem::path ninja_;
  std::filesystem::path tenon_;  // The directory with tenon-config.cmake.
  // Set by this object: an earlier configuration may belong to another tenon.
  bool configured_ = false;
};

/// Returns what a user needs to see of a failed build: first the lines with errors, then the last
/// lines, then advice if the cause is known.
[[nodiscard]] std::string errors_of_build(const std::string& output);

}  // namespace tenon::cli
