#include "disk.hpp"

#include <sched.h>
#include <sys/mount.h>

namespace tenon::chaos {

bool mount_small_disk(const std::filesystem::path& directory) {
  return ::unshare(CLONE_NEWNS) == 0 && ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
         ::mount("chaos", directory.c_str(), "tmpfs", MS_NOSUID, "size=32m") == 0;
}

}  // namespace tenon::chaos
