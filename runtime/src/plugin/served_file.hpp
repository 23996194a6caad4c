/// plugin/served_file.hpp: the content of one plugin file, kept for as long as a runtime serves it.
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

/// One content of one plugin file. What happens to the plugin file does not matter to it, and what happens to the store
/// is mended: it holds the copy in the store open, or a sealed copy in memory where there is no store. [any-thread]
class ServedFile {
 public:
  /// Where a worker gets the content.
  struct Loadable {
    /// By name; empty when only the descriptor leads to it.
    std::filesystem::path file;
    /// Null when the process had no descriptors left to hold it open.
    std::shared_ptr<const FileDescriptor> descriptor;
    /// The state in which the file has its hash.
    FileIdentity identity;
  };

  /// One of a plugin's own libraries.
  struct Library {
    PluginLibrary info;
    /// Null for one that stays where it is (PluginLibrary::fixed).
    ServedFileRef file;
  };

  /// Serves a copy in the store with its libraries, whose pins it keeps. `source` is the plugin file that was staged.
  [[nodiscard]] static ServedFileRef stored(const Store& store, StagedPlugin staged, std::filesystem::path source);
  /// Serves a plugin file without a store. Workers get a sealed copy, made by the first restore(), or by
  /// copy_to_memory(). Until then the content may be lost, which restore() reports.
  [[nodiscard]] static ServedFileRef unstored(OpenPluginFile source, std::vector<Library> libraries = {});

  ServedFile(const ServedFile&) = delete;
  ServedFile& operator=(const ServedFile&) = delete;

  [[nodiscard]] const std::string& sha256() const noexcept { return sha256_; }
  /// The plugin file that it came from.
  [[nodiscard]] const std::filesystem::path& source() const noexcept { return source_; }

  /// Its own libraries, each after those that it needs. Each is a content of its own: what this object promises of its
  /// file holds for theirs.
  [[nodiscard]] const std::vector<Library>& libraries() const noexcept { return libraries_; }

  /// What workers are told first. Asks the system nothing.
  [[nodiscard]] Loadable current() const;
  /// Makes the sealed copy of an unstored file now. Errors: those of restore().
  [[nodiscard]] Result<void> copy_to_memory();
  /// Makes sure that the content is to be had: looks at the copy in the store, and otherwise puts one there again, from
  /// what is held open or from the plugin file while that has the content still, or makes a sealed copy in memory.
  /// Blocks as long as to hash and copy the file. Errors: kUnavailable the content is nowhere any more, with what was
  /// found; kOutOfMemory. A further call tries again.
  [[nodiscard]] Result<Loadable> restore();

 private:
  enum class Where : std::uint8_t {
    kStore,   ///< `file` names it.
    kHeld,    ///< The copy that was in the store has no name any more.
    kMemory,  ///< A sealed copy.
    kSource   ///< The plugin file itself: not for workers.
  };
  struct Kept {
    Where where = Where::kSource;
    Loadable loadable;
    Pin pin;
    /// A state in which the plugin file had another content.
    std::optional<FileIdentity> foreign_source;
  };

  ServedFile(std::optional<Store> store, std::string sha256, std::filesystem::path source, std::filesystem::path name,
             std::vector<Library> libraries, Kept kept);

  [[nodiscard]] static std::vector<Library> serve(const Store& store, std::vector<StagedLibrary> staged);
  /// Whether a file has the content. `copied`: it is one of our copies, with the list of libraries at its end.
  [[nodiscard]] bool has_content(const FileDescriptor& file, bool copied) const;
  /// What a copy has after the first `bytes` bytes of what it is made of.
  struct Source {
    std::uint64_t bytes = 0;
    std::string_view suffix;
  };
  [[nodiscard]] Result<Source> source_of(const FileDescriptor& content, bool copied) const;

  /// Whether the stored file is there under its name and has the content.
  [[nodiscard]] bool is_in_place(Kept& kept) const;
  /// Whether what is held open has the content still.
  [[nodiscard]] bool is_held(Kept& kept) const;
  /// The plugin file, if it has the content. Otherwise `problem` says what it is.
  [[nodiscard]] std::optional<FileDescriptor> open_source(Kept& kept, std::string& problem) const;
  /// Puts what `content` holds into the store. `copied` as in has_content.
  [[nodiscard]] Result<void> put_into_store(Kept& kept, const FileDescriptor& content, bool copied) const;
  [[nodiscard]] Result<void> put_into_memory(Kept& kept, const FileDescriptor& content, bool copied) const;

  const std::optional<Store> store_;
  const std::string sha256_;
  const std::filesystem::path source_;
  const std::filesystem::path name_;  ///< Without directories.
  const std::vector<Library> libraries_;
  const std::string list_;  ///< Of the libraries, as copies have it at their end.
  mutable Guarded<Kept> kept_;
};

}  // namespace tenon::internal
