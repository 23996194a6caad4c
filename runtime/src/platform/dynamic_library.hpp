/// Loads a shared library into this process.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include <tenon/error.hpp>

#include "platform/file_descriptor.hpp"

namespace tenon::internal {

/// A loaded library. It is never unloaded: unloading cannot be trusted (threads, thread-local destructors, unique
/// symbols), so the library ends with its process. Movable.
class DynamicLibrary {
 public:
  /// Loads exactly `file` (made absolute; nothing is searched), resolving every symbol now, its names local to it.
  /// Errors: kNotFound no such file; kIncompatible the loader refuses, with its words (missing symbol, other
  /// architecture ...). Runs the library's static initialisers. [any-thread]
  [[nodiscard]] static Result<DynamicLibrary> load(const std::filesystem::path& file);
  /// Loads an open file, whatever its name leads to by now. Debuggers see `name` where it still leads to this file, and
  /// otherwise a name that works as long as this process lives and `file` stays open. Errors: kIncompatible as above.
  /// [any-thread]
  [[nodiscard]] static Result<DynamicLibrary> load(const FileDescriptor& file, const std::filesystem::path& name);

  /// Whether this process has loaded a library that the loader takes for one that is needed by `name` (without
  /// directories). Loads nothing. [any-thread]
  [[nodiscard]] static bool is_loaded(const std::string& name);

  /// Address of an exported symbol. Errors: kNotFound. [any-thread]
  [[nodiscard]] Result<void*> symbol(const std::string& name) const;
  /// The same as a function pointer type.
  template <typename Function>
  [[nodiscard]] Result<Function> function(const std::string& name) const {
    auto address = symbol(name);
    if (!address) {
      return tl::unexpected<Error>(std::move(address.error()));
    }
    return reinterpret_cast<Function>(*address);
  }

 private:
  struct Impl;
  explicit DynamicLibrary(Impl* impl) noexcept : impl_(impl) {}
  [[nodiscard]] static Impl* keep(Impl impl);
  /// Never freed: see above.
  Impl* impl_;
};

}  // namespace tenon::internal
