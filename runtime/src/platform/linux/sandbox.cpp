#include "platform/sandbox.hpp"

#include <algorithm>
#include <cerrno>
#include <string>

#include <sys/prctl.h>
#include <sys/resource.h>

#include "base/try.hpp"

namespace tenon::internal {

namespace {

template <typename Resource>
Result<void> lower(Resource resource, const char* name, std::optional<std::uint64_t> wanted,
                   std::uint64_t hard_extra = 0) {
  if (!wanted) {
    return {};
  }
  rlimit limit{};
  if (::getrlimit(resource, &limit) != 0) {
    return fail(os_error(errno, std::string("cannot read the limit ") + name));
  }
  // The smaller of both; a hard limit can only be lowered.
  limit.rlim_cur = std::min<rlim_t>({limit.rlim_cur, limit.rlim_max, static_cast<rlim_t>(*wanted)});
  limit.rlim_max = std::min<rlim_t>(limit.rlim_max, limit.rlim_cur + hard_extra);
  if (::setrlimit(resource, &limit) != 0) {
    return fail(os_error(errno, std::string("cannot set the limit ") + name + " to " + std::to_string(*wanted)));
  }
  return {};
}

}  // namespace

Result<void> apply_sandbox(const SandboxOptions& options) {
  if (options.no_new_privileges && ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
    return fail(os_error(errno, "cannot set no_new_privs"));
  }
  TENON_TRY(lower(RLIMIT_CORE, "RLIMIT_CORE", options.core_bytes));
  // The hard limit is one second higher: the soft limit sends SIGXCPU, which is more informative
  // than SIGKILL.
  TENON_TRY(lower(RLIMIT_CPU, "RLIMIT_CPU", options.cpu_seconds, 1));
  TENON_TRY(lower(RLIMIT_FSIZE, "RLIMIT_FSIZE", options.file_size_bytes));
  TENON_TRY(lower(RLIMIT_DATA, "RLIMIT_DATA", options.data_bytes));
  return lower(RLIMIT_AS, "RLIMIT_AS", options.address_space_bytes);
}

}  // namespace tenon::internal
