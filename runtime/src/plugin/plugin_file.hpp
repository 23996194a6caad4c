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

/// Largest plugin file. Hashing bounds it: a larger one would hold up every start for many seconds.
inline constexpr std::uint64_t kMaxPluginBytes = std::uint64_t{1} << 30;

[[nodiscard]] PluginFileState file_state(const FileIdentity& identity) noexcept;

/// Errors: kTooLarge above kMaxPluginBytes, with what to do. [any-thread]
[[nodiscard]] Result<void> check_plugin_size(const std::filesystem::path& file, const FileIdentity& identity);

/// A plugin file as it was opened. What its name leads to may have changed since.
struct OpenPluginFile {
  FileDescriptor descriptor;
  std::filesystem::path name;  ///< That it was opened by, or is to be called by in messages.
  FileIdentity identity;       ///< In which its content was found good.
  std::string sha256;          ///< Of its content.
};

/// Opens `file`, which must still be what was inspected: in the same `state`, or else with the same
/// content. `library_list` is what the author's file of a plugin with own libraries lacks
/// (plugin_identity.hpp); copies have it. Errors: kIncompatible the content is another; kTooLarge;
/// those of open_for_reading. [any-thread]
[[nodiscard]] Result<OpenPluginFile> open_inspected(const std::filesystem::path& file,
                                                    const std::optional<PluginFileState>& state,
                                                    const std::string& sha256, std::string_view library_list = {});
/// The same of a file that is open. `name` as in OpenPluginFile. Errors: as above.
[[nodiscard]] Result<OpenPluginFile> check_inspected(FileDescriptor descriptor, const std::filesystem::path& name,
                                                     const std::optional<PluginFileState>& state,
                                                     const std::string& sha256, std::string_view library_list = {});

/// The error for a file that is not what was inspected. `what` tells the difference.
[[nodiscard]] Error changed_since_inspection(const std::filesystem::path& file, const std::string& what);

}  // namespace tenon::internal
