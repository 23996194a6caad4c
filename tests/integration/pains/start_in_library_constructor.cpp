// The pain: a library cannot use multiprocessing, because it does not own the main module. Here a
// library starts a runtime in its constructor, both when it is linked (before main) and when it is
// opened with dlopen.
#include <dlfcn.h>

#include <cstddef>

#include "tenon_test/check.hpp"
#include "tenon_test/paths.hpp"

int main() {
  void* library =
      dlopen((tenon::test::build_dir() / "tests" / "libstarts_when_loaded.so").c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    std::fprintf(stderr, "%s\n", dlerror());
  }
  TENON_CHECK(library != nullptr);
  const auto echoed = reinterpret_cast<std::size_t (*)()>(dlsym(library, "bytes_echoed_by_the_constructor"));
  TENON_CHECK(echoed != nullptr);
  TENON_CHECK(echoed() == 7);
  return 0;
}
