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

// Without it the library would need Boost.Filesystem, which each worker would load.
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
  __lsan_ignore_object(kept);  // Kept for ever on purpose.
#endif
  return kept;
}

namespace {

bool leads_to(const std::filesystem::path& name, const struct stat& file) noexcept {
  struct stat found {};
  return !name.empty() && ::stat(name.c_str(), &found) == 0 && found.st_dev == file.st_dev &&
         found.st_ino == file.st_ino;
}

/// A name of an open file that no other call of this function gives: the loader takes a name that it has met before for
/// the library that it met, although the descriptor's number may have been reused.
std::filesystem::path name_of_open_file(const FileDescriptor& file) {
  static std::atomic<unsigned> count{0};
  std::string name = "/proc/" + std::to_string(::getpid()) + "/fd/";
  for (unsigned repeats = count.fetch_add(1); repeats > 0; --repeats) {
    name += "./";
  }
  return name + std::to_string(file.get());
}

/// What the system's loader said, without what Boost.DLL puts around it: its own function's name, and the words of an
/// errno that no call has set.
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

/// nullopt, with the loader's own words in `problem`, when it refuses.
std::optional<boost::dll::shared_library> open_library(const std::filesystem::path& name, std::string& problem) {
  // Boost.DLL keeps the loader's own words in the exception only.
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
  const std::filesystem::path absolute = std::filesystem::absolute(name, code);  // Else the loader would search for it.
  if (::fstat(file.get(), &opened) != 0) {
    return fail(os_error(errno, "cannot load '" + name.string() + "'"));
  }
  std::string problem;
  std::optional<boost::dll::shared_library> library;
  if (!code && leads_to(absolute, opened)) {
    library = open_library(absolute, problem);
  }
  // The name may lead elsewhere, or may have begun to meanwhile. The loader knows a file that it has loaded by device
  // and inode, so the second load gives the first one's library when that was this file.
  if (!library || !leads_to(absolute, opened)) {
    auto same = open_library(name_of_open_file(file), problem);
    if (library) {
      static_cast<void>(keep(Impl{std::move(*library), name}));  // Not unloaded, even where it was another file.
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
  ::dlclose(handle);  // Only gives back the count that the question took.
  return true;
}

Result<void*> DynamicLibrary::symbol(const std::string& name) const {
  if (impl_->library.has(name)) {
    try {
      return reinterpret_cast<void*>(&impl_->library.get<unsigned char>(name));
    } catch (const std::exception&) {
      // Falls through to the one message there is.
    }
  }
  return fail(ErrorCode::kNotFound, "'" + impl_->file.string() + "' exports no symbol '" + name + "'");
}

}  // namespace tenon::internal
