/// swap/target.hpp: finds the file that a swap request means.
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

/// A file and the name of its plugin.
struct SwapTarget {
  std::string plugin;
  std::filesystem::path file;
  /// Where its content came from first; the file itself if it is not in the store.
  std::filesystem::path source;
  /// The requested version; empty for any.
  std::string version;
  /// The request named it by its path.
  bool named_file = false;
};

/// What is known of one plugin.
struct KnownPlugin {
  std::string name;
  /// The current version; empty if there is none.
  std::string version;
  std::filesystem::path source;
};

/// Where to search.
struct TargetPlaces {
  /// In order: the first file with a name is the plugin's file.
  const std::vector<std::filesystem::path>& directories;
  const std::vector<KnownPlugin>& known;
  /// Earlier versions of a plugin, newest first.
  std::function<std::vector<StoredVersion>(const std::string& plugin)> stored;
};

/// The first `<name>.so` in the directories; empty if there is none. [any-thread]
[[nodiscard]] std::filesystem::path first_plugin_file(const std::vector<std::filesystem::path>& directories,
                                                      const std::string& name);

/// `what` is "image", "image@1.3.0" or a path, as for Runtime::swap. A version is searched in all
/// directories, even behind another file of that name, and then among earlier generations whose
/// file is still in the store. Errors: kNotFound if there is no such plugin, file or version, with
/// those that exist; kInvalidArgument if it does not name a plugin. [any-thread]
[[nodiscard]] Result<SwapTarget> find_swap_target(std::string_view what, const TargetPlaces& places);

}  // namespace tenon::internal
