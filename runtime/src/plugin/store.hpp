/// plugin/store.hpp: a directory of plugin files that never change, each under the hash of its
/// content.
///
///   auto store = Store::open(directory, {});
///   auto staged = store->stage("/opt/plugins/image.so");      // .../objects/<sha256>/image.so
///   if (auto known = store->quarantine().find(staged->sha256)) return refuse(*known);
///   generation.pin = staged->pin;                             // as long as workers may load the file
///
/// So a file that others may change at any time is never loaded. Several hosts may share one store,
/// and each may be killed at any moment. See DESIGN.md, "Store".
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <tenon/catalog.hpp>
#include <tenon/error.hpp>

#include "platform/file.hpp"
#include "plugin/quarantine.hpp"
#include "plugin/service_records.hpp"

namespace tenon::internal {

/// How long hosts keep a version that no runtime uses, if there is room: it can still be swapped in
/// by its version number, and the next start with it copies nothing.
inline constexpr std::chrono::hours kKeepUnpinnedVersions{24};

/// The limits of a store. Pinned files are never swept, so the limits also bound the versions that
/// can run at once.
struct StoreLimits {
  /// All stored files together, in bytes. While files are staged, each host may exceed this by one
  /// file.
  std::uint64_t max_bytes = std::uint64_t{4} << 30;
  /// The number of stored files. Each of them is checked whenever a file is staged.
  std::size_t max_files = 256;
  /// How long a file without pins is kept for debuggers and a quick roll-back, if there is room. It
  /// applies when a store is opened and swept. With zero, the first sweep removes the file.
  std::chrono::seconds keep_unpinned{0};
  /// The number of contents in quarantine; the oldest are removed first.
  std::size_t max_quarantined = 256;
};

/// Prevents every host from sweeping one stored content, until this object and its copies are gone.
/// When a process dies, its pins are released at once. May outlive the store. [any-thread]; one
/// thread at a time for one object.
class Pin {
 public:
  /// An empty pin.
  Pin() noexcept = default;
  Pin(const Pin& other);
  Pin(Pin&& other) noexcept;
  Pin& operator=(Pin other) noexcept;
  ~Pin();

  [[nodiscard]] bool valid() const noexcept { return state_ != nullptr; }
  /// The hash of the content; empty for an empty pin.
  [[nodiscard]] const std::string& sha256() const noexcept { return sha256_; }
  /// Releases the content.
  void reset() noexcept;

 private:
  friend class Store;
  struct State;
  /// Takes over one count.
  Pin(std::shared_ptr<State> state, std::string sha256) noexcept;
  std::shared_ptr<State> state_;
  std::string sha256_;
};

/// A file in the store.
struct StagedFile {
  /// Where workers load it. Read-only, with the name of the source.
  std::filesystem::path file;
  /// The hash of its content.
  std::string sha256;
  std::uint64_t size_bytes = 0;
  /// The state in which the stored file has that hash.
  FileIdentity identity;
  /// The file exists as long as this pin or a copy of the pin.
  Pin pin;
  /// The file that it was copied from; empty if it was found in the store.
  std::filesystem::path source = {};
};

/// A plugin's own library. A library that no copy can replace (PluginLibrary::fixed) stays where
/// the author put it: `file` is that location, and nothing is pinned.
struct StagedLibrary : StagedFile {
  std::string name;  ///< As in PluginLibrary.
  bool fixed = false;
};

/// A plugin in the store: its file, which has the list of its libraries at its end, and the
/// libraries, each stored separately, so that other plugins may share it. Its hash is the plugin's
/// identity.
struct StagedPlugin : StagedFile {
  std::vector<StagedLibrary> libraries;
  /// The same for a PluginInfo.
  [[nodiscard]] std::vector<PluginLibrary> library_infos() const;
};

/// An entry of the store, for people and tests.
struct StoredContent {
  std::string sha256;
  std::vector<std::filesystem::path> files;
  std::uint64_t size_bytes = 0;
  /// When it was staged, or when the last pin of a process that was not killed was released.
  std::filesystem::file_time_type last_used;
  /// Pins of this Store object; other hosts are not counted.
  std::size_t pins = 0;
};

/// A content-addressed store. Copies of the object are the same store. If its directory is deleted,
/// the next use creates it again. [any-thread]
class Store {
 public:
  enum class Opening {
    kSwept,   ///< Removes old files and files that were left behind.
    kUnswept  ///< For a start that must be fast.
  };

  /// Opens a store, creates it if necessary (accessible only to its owner), and sweeps it. Errors:
  /// kRejected if the directory is a link, belongs to another user or is accessible to others, with
  /// what to change; kUnsupported if nothing can be loaded from there (noexec), or the file system
  /// has no locks; kNotFound, kIo if it cannot be created or written.
  [[nodiscard]] static Result<Store> open(const std::filesystem::path& directory, const StoreLimits& limits,
                                          Opening opening = Opening::kSwept);

  /// Puts copies of a plugin file and of its own libraries into the store and pins them. A file of
  /// this store is not copied again. The same content results in the same file; its hash is
  /// checked, and the file is repaired if it is damaged. Copies and hashes the file; waits up to
  /// 100 ms for a file that is being written. Leaves nothing behind after an error. Errors:
  /// still_changing() if the source changes meanwhile; those of check_plugin_trust and
  /// open_for_reading; kTooLarge if the file exceeds kMaxPluginBytes, the limits of the store or
  /// the limit of this process; kRejected if the store is full of versions in use; kDeadline if
  /// another process holds the content's lock; kIo, also for a full disk or quota.
  [[nodiscard]] Result<StagedPlugin> stage(const std::filesystem::path& source) const;

  /// Pins a plugin that is already stored under that name, and its libraries. Errors: kNotFound if
  /// one of them is missing or damaged; those of the locks. `has_no_libraries`: the plugin is known
  /// to have no libraries, so its list is not read.
  [[nodiscard]] Result<StagedPlugin> find(const std::string& sha256, const std::filesystem::path& name,
                                          bool has_no_libraries = false) const;

  /// Stores an open file again, under its hash and `name` (without directories), with `suffix`
  /// instead of its own list of libraries, and pins it. Its libraries must be restored separately.
  /// Errors: kCorrupt if the file has another hash; those of stage().
  [[nodiscard]] Result<StagedFile> restore(const FileDescriptor& content, const std::string& sha256,
                                           const std::filesystem::path& name, std::string_view suffix = {}) const;

  /// The path of a content in the store, whether it exists or not.
  [[nodiscard]] std::filesystem::path place_of(const std::string& sha256, const std::filesystem::path& name) const;
  /// Declares that a stored file has its hash as long as it is in this state, so that find() and
  /// stage() need not read it.
  void trust(const std::filesystem::path& file, const FileIdentity& identity) const;

  /// Removes what killed processes have left behind, and unpinned files beyond `keep_unpinned` or
  /// the limits, oldest first. Files that another host uses stay. Contents that hosts need for
  /// their next start are removed last, and only if there is no room. Returns the number of removed
  /// files.
  std::size_t sweep() const;

  /// All stored files, oldest first. Errors: kIo.
  [[nodiscard]] Result<std::vector<StoredContent>> contents() const;

  /// The contents that must not be loaded.
  [[nodiscard]] const Quarantine& quarantine() const;
  /// What each host serves, and the contents from which it was rolled back.
  [[nodiscard]] const ServiceRecords& hosts() const;
  [[nodiscard]] const std::filesystem::path& directory() const noexcept;

 private:
  explicit Store(std::shared_ptr<Pin::State> state) noexcept;
  [[nodiscard]] Result<std::vector<StagedLibrary>> stage_libraries(const std::filesystem::path& source) const;
  [[nodiscard]] Result<StagedPlugin> stage_with_libraries(const std::filesystem::path& source) const;
  [[nodiscard]] Result<StagedFile> find_file(const std::string& sha256, const std::filesystem::path& name) const;
  std::shared_ptr<Pin::State> state_;
};

/// Whether this error of stage() means that the source was being written. It can then be staged
/// once it is quiet: the watch or a later scan reports the next change. [any-thread]
[[nodiscard]] bool is_still_changing(const Error& error) noexcept;

}  // namespace tenon::internal
