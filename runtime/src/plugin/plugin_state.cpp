#include "plugin/plugin_state.hpp"

#include <utility>

#include "platform/file.hpp"
#include "plugin/own_libraries.hpp"
#include "plugin/plugin_file.hpp"

namespace tenon::internal {

std::optional<PluginState> plugin_state(const std::filesystem::path& file) {
  const auto identity = file_identity(file);
  if (!identity || !identity->regular) {
    return std::nullopt;
  }
  PluginState state{file_state(*identity)};
  OwnLibraries found = own_libraries(file);
  for (OwnLibrary& library : found.libraries) {
    if (const auto its_identity = file_identity(library.file)) {
      state.libraries.emplace(std::move(library.file), file_state(*its_identity));
    }
  }
  state.directories = std::move(found.directories);
  return state;
}

}  // namespace tenon::internal
