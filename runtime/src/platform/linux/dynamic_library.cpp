#include "platform/dynamic_library.hpp"

#include <atomic>
#include <cerrno>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <dlfcn.h>
#include <sys/stat.h>
#include <unistd.h>

// Without it the library would need Boost.Filesystem, which each worker would have to load.
#define BOOST_DLL_USE_STD_FS
#include <boost/dll/shared_library.hpp>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/lsan_interface.h>
#endif

namespace tenon::internal {

struct DynamicLibrary::Impl {
  boost::dll::shared_library library;
  std::filesystem::path file;
};

DynamicLibrary::Impl* DynamicLibrary::keep(Impl impl) {
  auto* kept = new Impl(std::move(impl));
#if defined(__SANITIZE_ADDRESS__)
  __lsan_ignore_object(kept);  // Kept forever on purpose.
#endif
  return kept;
}

namespace {

bool leads_to(const std::filesystem::path& name, const struct stat& file) noexcept {
  struct stat found {};
  return !name.empty() && ::stat(name.c_str(), &found) == 0 && found.st_dev == file.st_dev &&
         found.st_ino == file.st_ino;
}

/// A name of an open file that no other call of this function returns. The loader takes a name it
/// has seen before for the same library, although the descriptor's number may have been reused.
std::filesystem::path name_of_open_file(const FileDescriptor& file) {
  static std::atomic<unsigned> count{0};
  std::string name = "/proc/" + std::to_string(::getpid()) + "/fd/";
  for (unsigned repeats = count.fetch_add(1); repeats > 0; --repeats) {
    name += "./";
  }
  return name + std::to_string(file.get());
}

/// The message of the system's loader without what Boost.DLL adds to it: the name of its own
/// function and the text of an unset errno.
std::string loader_words(std::string_view what) {
  constexpr std::string_view kBefore = "dlerror system message: ";
  constexpr std::string_view kAfter = "): ";
  const std::size_t begin = what.find(kBefore);
  if (begin == std::string_view::npos) {
    return std::string(what);
  }
  const std::string_view words = what.substr(begin + kBefore.size());
  return std::string(words.substr(0, words.rfind(kAfter)));
}

/// Returns nullopt, with the loader's message in `problem`, if the loader refuses.
std::optional<boost::dll::shared_library> open_library(const std::filesystem::path& name, std::string& problem) {
  // Boost.DLL passes the loader's message only in the exception.
  try {
    return boost::dll::shared_library(name, boost::dll::load_mode::rtld_now | boost::dll::load_mode::rtld_local);
  } catch (const std::exception& refused) {
    problem = loader_words(refused.what());
    return std::nullopt;
  }
}

}  // namespace

Result<DynamicLibrary> DynamicLibrary::load(const std::filesystem::path& file) {
  std::error_code code;
  std::filesystem::path absolute = std::filesystem::absolute(file, code);
  if (code || !std::filesystem::exists(absolute, code)) {
    return fail(ErrorCode::kNotFound, "cannot load '" + file.string() + "': there is no such file");
  }
  std::string problem;
  auto library = open_library(absolute, problem);
  if (!library) {
    return fail(ErrorCode::kIncompatible, "cannot load '" + absolute.string() + "': " + problem);
  }
  return DynamicLibrary(keep(Impl{std::move(*library), std::move(absolute)}));
}

Result<DynamicLibrary> DynamicLibrary::load(const FileDescriptor& file, const std::filesystem::path& name) {
  struct stat opened {};
  std::error_code code;
  // Absolute, because the loader would search for a bare name.
  const std::filesystem::path absolute = std::filesystem::absolute(name, code);
  if (::fstat(file.get(), &opened) != 0) {
    return fail(os_error(errno, "cannot load '" + name.string() + "'"));
  }
  std::string problem;
  std::optional<boost::dll::shared_library> library;
  if (!code && leads_to(absolute, opened)) {
    library = open_library(absolute, problem);
  }
  // The name may refer to another file by now. The loader identifies a loaded file by device and
  // inode, so the second load returns the first library if it was this file.
  if (!library || !leads_to(absolute, opened)) {
    auto same = open_library(name_of_open_file(file), problem);
    if (library) {
      // Not unloaded, even if it was another file.
      static_cast<void>(keep(Impl{std::move(*library), name}));
    }
    library = std::move(same);
  }
  if (!library) {
    return fail(ErrorCode::kIncompatible, "cannot load '" + name.string() + "': " + problem);
  }
  return DynamicLibrary(keep(Impl{std::move(*library), name}));
}

bool DynamicLibrary::is_loaded(const std::string& name) {
  void* const handle = ::dlopen(name.c_str(), RTLD_LAZY | RTLD_NOLOAD);
  if (handle == nullptr) {
    return false;
  }
  ::dlclose(handle);  // Only drops the reference that dlopen took.
  return true;
}

Result<void*> DynamicLibrary::symbol(const std::string& name) const {
  if (impl_->library.has(name)) {
    try {
      return reinterpret_cast<void*>(&impl_->library.get<unsigned char>(name));
    } catch (const std::exception&) {
      // Falls through to the common message.
    }
  }
  return fail(ErrorCode::kNotFound, "'" + impl_->file.string() + "' exports no symbol '" + name + "'");
}

}  // namespace tenon::internal
