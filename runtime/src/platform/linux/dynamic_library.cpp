#include "platform/dynamic_library.hpp"

#include <system_error>
#include <utility>

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

Result<DynamicLibrary> DynamicLibrary::load(const std::filesystem::path& file) {
  std::error_code code;
  std::filesystem::path absolute = std::filesystem::absolute(file, code);
  if (code || !std::filesystem::exists(absolute, code)) {
    return fail(ErrorCode::kNotFound, "cannot load '" + file.string() + "': there is no such file");
  }
  auto impl = std::make_unique<Impl>();
  impl->file = absolute;
  // Boost.DLL keeps the loader's own words in the exception alone.
  try {
    impl->library.load(absolute, boost::dll::load_mode::rtld_now | boost::dll::load_mode::rtld_local);
  } catch (const std::exception& problem) {
    return fail(ErrorCode::kIncompatible, "cannot load '" + absolute.string() + "': " + problem.what());
  }
#if defined(__SANITIZE_ADDRESS__)
  __lsan_ignore_object(impl.get());  // Kept for ever on purpose.
#endif
  return DynamicLibrary(impl.release());
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
