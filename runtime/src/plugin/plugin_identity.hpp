/// plugin/plugin_identity.hpp: decides whether two plugins are the same.
///
/// A plugin is its file and its own libraries. Its identity is one SHA-256: that of the file, followed by a list of the
/// libraries' hashes if there are libraries. Copies in the store and in memory have this list at their end, where the
/// loader and debuggers ignore it, so the hash of a copy is the plugin's identity.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <tenon/catalog.hpp>
#include <tenon/error.hpp>

#include "platform/file_descriptor.hpp"
#include "plugin/own_libraries.hpp"

namespace tenon::internal {

/// One library in the list.
struct ListedLibrary {
  std::string sha256;
  std::string name;
  std::string fixed_path;  ///< The path where the loader will find it; empty if a copy can be loaded in its place.
  friend bool operator==(const ListedLibrary&, const ListedLibrary&) = default;
};

/// The text of a list; empty for no libraries. [any-thread]
[[nodiscard]] std::string library_list(const std::vector<ListedLibrary>& libraries);
/// The same for the libraries of a PluginInfo. [any-thread]
[[nodiscard]] std::string library_list(const std::vector<PluginLibrary>& libraries);

/// A plugin file and the list at its end.
struct ListedContent {
  std::uint64_t content_bytes = 0;  ///< The size of the file without the list.
  std::vector<ListedLibrary> libraries;
};
/// Reads the list of an open file; the result is empty for a file without a list or with a damaged one. Errors: kIo.
/// [any-thread]
[[nodiscard]] Result<ListedContent> read_library_list(const FileDescriptor& file);

/// The identity of an open plugin file with these libraries. A list at the end of the file does not count: the file is
/// then a copy that a user took from the store. Reads the whole file. Errors: kIo. [any-thread]
[[nodiscard]] Result<std::string> plugin_identity(const FileDescriptor& file, std::string_view library_list);

}  // namespace tenon::internal
