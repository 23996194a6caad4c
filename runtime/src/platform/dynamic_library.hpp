/// Loading of a shared library into this process.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include <tenon/error.hpp>

#include "base/try.hpp"
#include "platform/file_descriptor.hpp"

namespace tenon::internal {

/// A loaded library. It is never unloaded, because unloading is not safe (threads, thread-local
/// destructors, unique symbols); the library lives as long as its process. Movable.
class DynamicLibrary {
 public:
  /// Loads exactly `file` (made absolute; nothing is searched), resolving all symbols immediately,
  /// with its names local to it. Runs the library's static initialisers. Errors: kNotFound: no such
  /// file; kIncompatible: the loader refuses it, with the loader's message (missing symbol, other
  /// architecture, ...). [any-thread]
  [[nodiscard]] static Result<DynamicLibrary> load(const std::filesystem::path& file);
  /// Loads an open file, whatever its name refers to by now. Debuggers see `name` if it still
  /// refers to this file; otherwise a name that works as long as this process lives and `file`
  /// stays open. Errors: kIncompatible as above. [any-thread]
  [[nodiscard]] static Result<DynamicLibrary> load(const FileDescriptor& file, const std::filesystem::path& name);

  /// Whether this process has loaded a library that the loader accepts as the dependency `name`
  /// (without directories). Loads nothing. [any-thread]
  [[nodiscard]] static bool is_loaded(const std::string& name);

  /// Address of an exported symbol. Errors: kNotFound. [any-thread]
  [[nodiscard]] Result<void*> symbol(const std::string& name) const;
  /// The address as a function pointer.
  template <typename Function>
  [[nodiscard]] Result<Function> function(const std::string& name) const {
    TENON_ASSIGN(const auto address, symbol(name));
    return reinterpret_cast<Function>(address);
  }

 private:
  struct Impl;
  explicit DynamicLibrary(Impl* impl) noexcept : impl_(impl) {}
  [[nodiscard]] static Impl* keep(Impl impl);
  /// Never freed, because a library is never unloaded.
  Impl* impl_;
};

}  // namespace tenon::internal
