#include "plugin/plugin_directories.hpp"

#include <algorithm>
#include <system_error>
#include <utility>

#include "base/try.hpp"
#include "platform/environment.hpp"

namespace tenon::internal {

namespace fs = std::filesystem;

Result<std::vector<fs::path>> plugin_directories(const CatalogOptions& options) {
  std::vector<fs::path> found;
  std::vector<fs::path> canonical;
  const auto add = [&](const fs::path& directory, bool must_exist) -> Result<void> {
    std::error_code failed;
    if (!fs::is_directory(directory, failed)) {
      if (!must_exist) {
        return {};
      }
      const bool exists = fs::exists(directory, failed);
      if (failed == std::errc::permission_denied) {
        return fail(ErrorCode::kIo, "plugin directory '" + directory.string() + "' cannot be reached: " +
                                        failed.message() + "; check the rights of the directories above it");
      }
      return fail(ErrorCode::kNotFound, "plugin directory '" + directory.string() + "' " +
                                            (exists ? "is not a directory" : "does not exist") +
                                            "; name one that holds plugins (*.so)");
    }
    fs::path real = fs::canonical(directory, failed);
    if (failed) {
      real = fs::absolute(directory, failed);
    }
    if (std::find(canonical.begin(), canonical.end(), real) == canonical.end()) {
      canonical.push_back(std::move(real));
      found.push_back(fs::absolute(directory, failed).lexically_normal());
    }
    return {};
  };
  if (options.use_environment) {
    for (const fs::path& directory : split_search_path(get_environment("TENON_PLUGIN_PATH").value_or(""))) {
      static_cast<void>(add(directory, false));
    }
  }
  for (const fs::path& directory : options.plugin_dirs) {
    TENON_TRY(add(directory, true));
  }
  return found;
}

Result<std::vector<fs::path>> plugin_files(const fs::path& directory) {
  std::vector<fs::path> files;
  std::error_code failed;
  for (fs::directory_iterator it(directory, failed), end; !failed && it != end; it.increment(failed)) {
    std::error_code ignored;
    // The target of a link counts; a dangling link is listed with its problem.
    const fs::file_status status = it->status(ignored);
    const bool candidate = status.type() == fs::file_type::regular || status.type() == fs::file_type::not_found;
    if (candidate && it->path().extension() == kPluginExtension && !it->path().stem().empty()) {
      files.push_back(it->path());
    }
  }
  if (failed) {
    return fail(os_error(failed.value(), "plugin directory '" + directory.string() + "' cannot be read"));
  }
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace tenon::internal
