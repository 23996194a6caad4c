/// plugin/plugin_file.hpp: whether a plugin file is the one that was inspected.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include <tenon/catalog.hpp>
#include <tenon/error.hpp>

#include "platform/file.hpp"
#include "platform/file_descriptor.hpp"

namespace tenon::internal {

/// Largest plugin file. The limit bounds hashing: a larger file would delay every start by many seconds.
inline constexpr std::uint64_t kMaxPluginBytes = std::uint64_t{1} << 30;

[[nodiscard]] PluginFileState file_state(const FileIdentity& identity) noexcept;

/// Errors: kTooLarge above kMaxPluginBytes, with what to do. [any-thread]
[[nodiscard]] Result<void> check_plugin_size(const std::filesystem::path& file, const FileIdentity& identity);

/// An open plugin file. Its name may refer to another file by now.
struct OpenPluginFile {
  FileDescriptor descriptor;
  std::filesystem::path name;  ///< The name by which it was opened, or which messages use.
  FileIdentity identity;       ///< The state in which its content was found to be right.
  std::string sha256;          ///< The hash of its content.
};

/// Opens `file`, which must still be what was inspected: in the same `state`, or else with the same
/// content. `library_list` is the list that copies have at their end, and that the author's file of a plugin with own
/// libraries lacks (plugin_identity.hpp). Errors: kIncompatible: the content differs; kTooLarge; those of
/// open_for_reading. [any-thread]
[[nodiscard]] Result<OpenPluginFile> open_inspected(const std::filesystem::path& file,
                                                    const std::optional<PluginFileState>& state,
                                                    const std::string& sha256, std::string_view library_list = {});
/// The same for an open file. `name` as in OpenPluginFile. Errors: as above.
[[nodiscard]] Result<OpenPluginFile> check_inspected(FileDescriptor descriptor, const std::filesystem::path& name,
                                                     const std::optional<PluginFileState>& state,
                                                     const std::string& sha256, std::string_view library_list = {});

/// The error for a file that is not what was inspected. `what` describes the difference.
[[nodiscard]] Error changed_since_inspection(const std::filesystem::path& file, const std::string& what);

}  // namespace tenon::internal
