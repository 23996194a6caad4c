#include "plugin/plugin_fingerprint.hpp"

#include <utility>

#include "platform/file.hpp"
#include "plugin/own_libraries.hpp"
#include "plugin/plugin_file.hpp"

namespace tenon::internal {

std::optional<PluginFingerprint> fingerprint_of(const std::filesystem::path& file) {
  const auto identity = file_identity(file);
  if (!identity || !identity->regular) {
    return std::nullopt;
  }
  PluginFingerprint fingerprint{file_state(*identity)};
  OwnLibraries found = own_libraries(file);
  for (OwnLibrary& library : found.libraries) {
    if (const auto its_identity = file_identity(library.file)) {
      fingerprint.libraries.emplace(std::move(library.file), file_state(*its_identity));
    }
  }
  fingerprint.directories = std::move(found.directories);
  return fingerprint;
}

}  // namespace tenon::internal
