/// swap/target.hpp: which file somebody means who wants a swap.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include <tenon/error.hpp>
#include <tenon/swap.hpp>

#include "swap/records.hpp"

namespace tenon::internal {

/// A file and the plugin it stands for.
struct SwapTarget {
  std::string plugin;
  std::filesystem::path file;
  /// Where it came from first; the file itself when it is not in the store.
  std::filesystem::path source;
  /// What the file was asked to be; empty: anything.
  std::string version;
  /// It was asked for by its path.
  bool named_file = false;
};

/// What is known of one plugin.
struct KnownPlugin {
  std::string name;
  /// Of the current one; empty when there is none.
  std::string version;
  std::filesystem::path source;
};

/// Where to look.
struct TargetPlaces {
  /// In order: the first file of a name is the plugin's.
  const std::vector<std::filesystem::path>& directories;
  const std::vector<KnownPlugin>& known;
  /// Earlier versions of a plugin, the newest first.
  std::function<std::vector<StoredVersion>(const std::string& plugin)> stored;
};

/// The first `<name>.so` in the directories; empty when none has it. [any-thread]
[[nodiscard]] std::filesystem::path first_plugin_file(const std::vector<std::filesystem::path>& directories,
                                                      const std::string& name);

/// "image", "image@1.3.0" or a path, as Runtime::swap takes it. A version is looked for in all directories (also where
/// another file is found before it) and then among earlier generations whose file is still in the store. Errors:
/// kNotFound no such plugin, file or version, with those there are; kInvalidArgument it names no plugin. [any-thread]
[[nodiscard]] Result<SwapTarget> find_swap_target(std::string_view what, const TargetPlaces& places);

}  // namespace tenon::internal
