#include "plugin/plugin_file.hpp"

#include <utility>

#include "base/short_hash.hpp"
#include "base/text.hpp"
#include "base/try.hpp"
#include "plugin/file_hash.hpp"
#include "plugin/plugin_identity.hpp"

namespace tenon::internal {

PluginFileState file_state(const FileIdentity& identity) noexcept {
  return {identity.device, identity.inode, identity.size_bytes, identity.mtime_ns, identity.ctime_ns};
}

Result<void> check_plugin_size(const std::filesystem::path& file, const FileIdentity& identity) {
  if (identity.size_bytes > kMaxPluginBytes) {
    return fail(ErrorCode::kTooLarge,
                file.string() + ": the file has " + format_size(identity.size_bytes) + "; at most " +
                    format_size(kMaxPluginBytes) +
                    " are loaded: strip its debug information (strip -g), or keep large data in files of its own");
  }
  return {};
}

Error changed_since_inspection(const std::filesystem::path& file, const std::string& what) {
  return {ErrorCode::kIncompatible,
          file.string() + " has changed since the runtime inspected it (" + what +
              "); start the runtime again to use the new file",
          {}};
}

Result<OpenPluginFile> open_inspected(const std::filesystem::path& file, const std::optional<PluginFileState>& state,
                                      const std::string& sha256, std::string_view library_list) {
  TENON_ASSIGN(auto descriptor, open_for_reading(file));
  return check_inspected(std::move(descriptor), file, state, sha256, library_list);
}

Result<OpenPluginFile> check_inspected(FileDescriptor descriptor, const std::filesystem::path& name,
                                       const std::optional<PluginFileState>& state, const std::string& sha256,
                                       std::string_view library_list) {
  TENON_ASSIGN(auto identity, file_identity(descriptor));
  if (!state || file_state(identity) != *state) {
    TENON_TRY(check_plugin_size(name, identity));
    TENON_ASSIGN(auto hash,
                 library_list.empty() ? sha256_of_file(descriptor) : plugin_identity(descriptor, library_list));
    if (hash != sha256) {
      return fail(changed_since_inspection(name, "it was " + short_hash(sha256) + ", it is " + short_hash(hash)));
    }
  }
  return OpenPluginFile{std::move(descriptor), name, identity, sha256};
}

}  // namespace tenon::internal
