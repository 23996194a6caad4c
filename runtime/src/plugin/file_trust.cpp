#include "plugin/file_trust.hpp"

#include <cstdint>
#include <string>
#include <system_error>
#include <utility>

#include "base/try.hpp"
#include "platform/environment.hpp"
#include "platform/file.hpp"
#include "platform/user.hpp"

namespace tenon::internal {
namespace {

constexpr std::uint32_t kOthersWrite = 0002;
constexpr std::uint32_t kSticky = 01000;

Result<void> check_place(const std::filesystem::path& place, const char* what, bool sticky_is_safe) {
  TENON_ASSIGN(auto identity, file_identity(place));
  const std::string where = std::string(what) + " '" + place.string() + "'";
  if (identity.owner != 0 && identity.owner != current_user_id()) {
    return fail(ErrorCode::kRejected, where + " belongs to user " + std::to_string(identity.owner) +
                                          ", who could change what runs here; make it your own or root's (chown)");
  }
  // In a sticky directory, no user can replace the files of others; the file's own owner is checked separately.
  const bool sticky = sticky_is_safe && (identity.mode & kSticky) != 0;
  if ((identity.mode & kOthersWrite) != 0 && !sticky) {
    return fail(ErrorCode::kRejected,
                where + " can be written by everyone, who could change what runs here; take that away (chmod o-w)");
  }
  return {};
}

}  // namespace

Result<void> check_plugin_trust(const std::filesystem::path& file) {
  std::error_code failed;
  const std::filesystem::path real = std::filesystem::canonical(file, failed);
  if (failed) {
    return fail(os_error(failed.value(), "plugin file '" + file.string() + "'"));
  }
  if (auto checked = check_place(real, "plugin file", false); !checked) {
    return checked;
  }
  for (const std::filesystem::path& directory : {file.parent_path(), real.parent_path()}) {
    if (auto checked = check_place(directory, "plugin directory", true); !checked) {
      return checked;
    }
  }
  return {};
}

}  // namespace tenon::internal
