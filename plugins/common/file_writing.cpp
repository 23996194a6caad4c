#include "common/file_writing.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "common/content.hpp"

namespace tenon::plugins {
namespace {

constexpr std::size_t kChunkBytes = 1u << 20;

}  // namespace

std::string advice_on_writing(int os_code, std::string_view param) {
  const std::string another = "choose another `" + std::string(param) + "`";
  switch (os_code) {
    case ENOSPC:
    case EDQUOT:
      return "free some space, or " + another;
    case EROFS:
      return "it is read-only; " + another;
    case EACCES:
    case EPERM:
      return "check the permissions of the directory, or " + another;
    case ENOTDIR:
    case ELOOP:
      return "a file or link is in the place of a directory";
    case EISDIR:
      return "a directory has this name";
    default:
      return "";
  }
}

void make_directories(const std::string& directory, std::string_view param) {
  for (std::size_t end = directory.find('/', 1);; end = directory.find('/', end + 1)) {
    const std::string prefix = directory.substr(0, end);
    if (::mkdir(prefix.c_str(), 0777) != 0 && errno != EEXIST && errno != EISDIR) {
      // A parent may exist without being writable, so only a missing one is an error.
      const int code = errno;
      struct stat status {};
      if (::stat(prefix.c_str(), &status) != 0) {
        throw_os_error(prefix, "the directory cannot be created", code, advice_on_writing(code, param));
      }
    }
    if (end == std::string::npos) {
      return;
    }
  }
}

void write_all(int file, std::span<const std::uint8_t> data, const std::string& shown, std::string_view param,
               const Poll& poll) {
  while (!data.empty()) {
    poll();
    const ssize_t count = ::write(file, data.data(), std::min(data.size(), kChunkBytes));
    if (count >= 0) {
      data = data.subspan(static_cast<std::size_t>(count));
    } else if (errno != EINTR) {
      throw_os_error(shown, "cannot be written", errno, advice_on_writing(errno, param));
    }
  }
}

}  // namespace tenon::plugins
