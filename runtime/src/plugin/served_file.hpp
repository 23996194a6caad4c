/// plugin/served_file.hpp: the content of one plugin file, kept as long as a runtime serves it.
///
///   auto served = ServedFile::stored(store, std::move(*staged), "/opt/plugins/image.so");
///   bind(worker, served->current());               // where workers load it
///   auto found = served->restore();                // a worker could not: the store was deleted, the copy changed ...
///
/// See DESIGN.md, "What a host serves".
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <tenon/error.hpp>

#include "base/guarded.hpp"
#include "platform/file.hpp"
#include "platform/file_descriptor.hpp"
#include "plugin/plugin_file.hpp"
#include "plugin/store.hpp"

namespace tenon::internal {

class ServedFile;
using ServedFileRef = std::shared_ptr<ServedFile>;

/// One content of one plugin file. It does not depend on the plugin file, and it repairs damage to
/// the store: it keeps the copy in the store open, or has a sealed copy in memory if there is no
/// store. [any-thread]
class ServedFile {
 public:
  /// Where a worker finds the content.
  struct Loadable {
    /// Its path; empty if only the descriptor leads to it.
    std::filesystem::path file;
    /// Null if the process had no descriptor left to keep it open.
    std::shared_ptr<const FileDescriptor> descriptor;
    /// The state in which the file has its hash.
    FileIdentity identity;
  };

  /// One of the plugin's own libraries.
  struct Library {
    PluginLibrary info;
    /// Null for a library that stays where it is (PluginLibrary::fixed).
    ServedFileRef file;
  };

  /// Serves a copy in the store with its libraries, and keeps their pins. `source` is the plugin
  /// file that was staged.
  [[nodiscard]] static ServedFileRef stored(const Store& store, StagedPlugin staged, std::filesystem::path source);
  /// Serves a plugin file without a store. Workers get a sealed copy, which the first restore() or
  /// copy_to_memory() makes. Before that, the content can be lost; restore() then reports it.
  [[nodiscard]] static ServedFileRef unstored(OpenPluginFile source, std::vector<Library> libraries = {});

  ServedFile(const ServedFile&) = delete;
  ServedFile& operator=(const ServedFile&) = delete;

  [[nodiscard]] const std::string& sha256() const noexcept { return sha256_; }
  /// The plugin file that it came from.
  [[nodiscard]] const std::filesystem::path& source() const noexcept { return source_; }

  /// Its own libraries, each after those that it needs. This object guarantees for their files what
  /// it guarantees for its own.
  [[nodiscard]] const std::vector<Library>& libraries() const noexcept { return libraries_; }

  /// The location that workers try first. Makes no system call.
  [[nodiscard]] Loadable current() const;
  /// Makes the sealed copy of an unstored file now. Errors: those of restore().
  [[nodiscard]] Result<void> copy_to_memory();
  /// Makes sure that the content is available. Checks the copy in the store. If that is damaged or
  /// missing, stores it again from the open copy, or from the plugin file if that still has the
  /// content; if that fails, makes a sealed copy in memory. Blocks while the file is hashed and
  /// copied. Errors: kUnavailable if the content no longer exists anywhere, with what was found;
  /// kOutOfMemory. A further call tries again.
  [[nodiscard]] Result<Loadable> restore();

 private:
  enum class Where : std::uint8_t {
    kStore,   ///< The copy at `file`.
    kHeld,    ///< The open copy, which is no longer in the store.
    kMemory,  ///< A sealed copy.
    kSource   ///< The plugin file itself: not for workers.
  };
  struct Kept {
    Where where = Where::kSource;
    Loadable loadable;
    Pin pin;
    /// A state in which the plugin file had other content.
    std::optional<FileIdentity> foreign_source;
  };

  ServedFile(std::optional<Store> store, std::string sha256, std::filesystem::path source, std::filesystem::path name,
             std::vector<Library> libraries, Kept kept);

  [[nodiscard]] static std::vector<Library> serve(const Store& store, std::vector<StagedLibrary> staged);
  /// Whether a file has the content. With `copied`, it is a copy of ours, with the list of
  /// libraries at its end.
  [[nodiscard]] bool has_content(const FileDescriptor& file, bool copied) const;
  /// The part of a copy that follows the first `bytes` bytes of its original.
  struct Source {
    std::uint64_t bytes = 0;
    std::string_view suffix;
  };
  [[nodiscard]] Result<Source> source_of(const FileDescriptor& content, bool copied) const;

  /// Whether the stored file exists under its name and has the content.
  [[nodiscard]] bool is_in_place(Kept& kept) const;
  /// Whether the open copy still has the content.
  [[nodiscard]] bool is_held(Kept& kept) const;
  /// The plugin file, if it has the content. Otherwise `problem` says what is wrong.
  [[nodiscard]] std::optional<FileDescriptor> open_source(Kept& kept, std::string& problem) const;
  /// Puts `content` into the store. `copied` is as in has_content.
  [[nodiscard]] Result<void> put_into_store(Kept& kept, const FileDescriptor& content, bool copied) const;
  [[nodiscard]] Result<void> put_into_memory(Kept& kept, const FileDescriptor& content, bool copied) const;

  const std::optional<Store> store_;
  const std::string sha256_;
  const std::filesystem::path source_;
  const std::filesystem::path name_;  ///< The file name, without directories.
  const std::vector<Library> libraries_;
  const std::string list_;  ///< The list of libraries that copies have at their end.
  mutable Guarded<Kept> kept_;
};

}  // namespace tenon::internal
